"""What the shell says of what is not there: a device that is off, a broker that has gone."""

from __future__ import annotations

from pathlib import Path

from shell_support import Gateway, until

from rig.ports import free_ports

TAGS = """
lamp: {direction: output, type: BOOL, address: "coil:0"}
go: {direction: input, type: BOOL, address: "coil:100", safe: false}
"""


def test_device_and_broker_are_off(tmp_path: Path) -> None:
    device, broker = free_ports(2)
    gateway = Gateway(tmp_path / "gw", f"modbus://127.0.0.1:{device}/1", TAGS, f"mqtt://127.0.0.1:{broker}")
    refuses = f"127.0.0.1:{device} refuses the connection: nothing listens at that port"

    def says(*commands: str) -> str:
        done = gateway.shell(*commands)
        assert max(map(len, done.stdout.splitlines())) <= 80
        return " ".join((done.stdout + done.stderr).split())

    with gateway.running():
        until("the device was looked for", lambda: refuses in says("status"))
        assert f"device plc {refuses} brokers 0 of 1 up; net says why" in says("status")
        assert f"problem {refuses}" in says("plc")
        assert "it refuses the connection: nothing listens at that port; the gateway is not" in says("net")
        assert "no broker answers, so nobody can be heard; net says why" in says("peers")
        forced = says("lease take", "lease", "force go true")
        assert "held by this shell, as local-" in forced
        assert f"not forced: plc is not connected: {refuses}" in forced
        shown = says("tags")
        assert "go in false! BOOL coil:100 ! is bad: the last value known" in shown
        assert "forced" not in shown  # the marks that stand there, and no other
        assert "Cmd2" not in says("help")
        assert f"{refuses}; start what answers there, or the port is wrong" in says("selftest")
