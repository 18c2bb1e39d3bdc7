"""What is killed, stopped, cut or filled while a rig forces, and how soon the station must be safe."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import rigs
from running import WITHIN, until
from site_safe import COMMANDS, Bench, Machine, ShimBench
from site_spoken import NAMES, Protocol

LEASE = 1.1  # s: its time to live and 100 ms
RESTART = 5.0  # of the gateway's start
RECONNECT = 2.6  # the longest pause before another try to connect, a time-out, and 100 ms
DISK = 5.5  # what a gateway waits for its disk, a rig's command to need it, and 100 ms
SHIM = 0.6  # its watchdog and 100 ms
# A gateway that goes on after the lease ran out: a scan and a write, or, where a request was on its way when
# it was stopped and is out of time now, 0.1 s and another connection before them.
AT_ONCE = 0.5
HOUR = 3600


class Struck(NamedTuple):
    """From when on the bound counts, and when the station was safe (monotonic ns)."""

    since: int
    safe: int


class Cause(NamedTuple):
    """``strike`` leaves all parts of a ``bench`` there again; ``bound`` in s."""

    what: str
    bound: float
    strike: Callable[[Bench], Struck]
    bench: type[Bench] = Bench
    protocol: Protocol = "modbus"

    def over(self, protocol: Protocol) -> Cause:
        """The same at a controller that speaks ``protocol``."""
        return self._replace(what=f"{self.what}; over {NAMES[protocol]}", protocol=protocol)


Strike = Callable[[Cause], list[Struck]]


def series(bench: Bench, cause: Cause, times: int) -> list[Struck]:
    """Strike so many times; after each the next operator gets the station."""
    struck = [cause.strike(bench) for _ in range(times)]
    bench.next_operator()
    return struck


def safe_after(bench: Bench, since: int) -> Struck:
    """Once it is so."""
    return Struck(since, bench.until_safe(since))


def _safe(bench: Bench, hit: Callable[[], object], mend: Callable[[], object] = lambda: None) -> Struck:
    """``hit``, and once the station is safe ``mend``."""
    since = time.monotonic_ns()
    hit()
    struck = safe_after(bench, since)
    mend()
    return struck


def rig_killed(bench: Bench) -> Struck:
    """SIGKILL."""
    rig = bench.forcing()
    return _safe(bench, rig.end)


def rig_stopped(bench: Bench) -> Struck:
    """SIGSTOP: it holds its sockets and says nothing. Then it goes on, as if nothing had been."""
    rig = bench.forcing()
    struck = _safe(bench, lambda: os.kill(rig.pid, signal.SIGSTOP), lambda: os.kill(rig.pid, signal.SIGCONT))
    rig.finds_out()
    return struck


def rig_cut_off(bench: Bench) -> Struck:
    """Its connection to the broker breaks; once the station is safe it gets through again."""
    rig = bench.forcing(through=bench.link.port)
    struck = _safe(bench, bench.link.cut, bench.link.mend)
    rig.finds_out()
    return struck


def rig_whose_clock_is_wrong(seconds: int, bench: Bench) -> Struck:
    """It is killed, and so is the next of its operator, whose words are so much older, or younger."""
    machine = Machine(bench.folder / "scratch")
    machine.step(seconds)
    name, command = bench.other, COMMANDS[bench.other]
    words = (sys.executable, rigs.__file__, str(bench.site.keys), bench.broker.url, name, str(command))
    wrong = bench.site.start(bench.folder, *words, env=machine.env)
    held = bench.watch.wait(bench.held(command))
    wrong.process.kill()
    bench.watch.wait(bench.safe, held)
    right = bench.forcing()
    return _safe(bench, right.end)


def two_rigs(bench: Bench) -> Struck:
    """Another's asks for the lease without a pause; the one that has it is killed."""
    one = bench.forcing()
    two = bench.rig(bench.other)
    assert two.refused.wait(WITHIN)
    began = time.monotonic_ns()
    assert bench.watch.since(began)[-1].inputs == bench.held(one.command)
    since = time.monotonic_ns()
    one.end()
    over = bench.watch.first("the one's no longer", lambda inputs: inputs[bench.own] != one.command, since)
    taken = bench.watch.wait(bench.held(two.command), over)
    bench.passed_on(over)
    two.leave()
    bench.until_safe(taken)
    return Struck(since, over)


def broker_killed(bench: Bench) -> Struck:
    """SIGKILL; it is started again once the station is safe."""
    rig = bench.forcing()
    struck = _safe(bench, bench.broker.kill, bench.broker.start)
    rig.finds_out()
    return struck


def broker_stopped(bench: Bench) -> Struck:
    """SIGSTOP: connections stay. What it had taken by then is delivered once it goes on."""
    rig, broker = bench.forcing(), bench.mosquitto()
    struck = _safe(bench, broker.suspend, broker.resume)
    rig.finds_out()
    return struck


def gateway_killed(bench: Bench) -> Struck:
    """SIGKILL; nothing is restored until it is started again, while the rig goes on asking."""
    rig = bench.forcing()
    bench.gateway.process.kill()
    bench.gateway.process.wait(WITHIN)
    assert bench.watch.since(time.monotonic_ns())[-1].inputs == bench.held(rig.command)
    since = time.monotonic_ns()
    bench.start_gateway()
    struck = safe_after(bench, since)
    bench.gateway.wait_ready()
    rig.finds_out()
    return struck


def gateway_stopped(bench: Bench) -> Struck:
    """SIGSTOP until the lease has run out; all that the rig said meanwhile waits for it."""
    rig = bench.forcing()
    os.kill(bench.gateway.process.pid, signal.SIGSTOP)
    time.sleep(LEASE)
    since = time.monotonic_ns()
    os.kill(bench.gateway.process.pid, signal.SIGCONT)
    struck = safe_after(bench, since)
    rig.finds_out()
    return struck


def _run_out(bench: Bench) -> Callable[[], bool]:
    """Whether the gateway has told of one more lease that ran out."""
    told = bench.gateway.shown.count("ran out")
    return lambda: bench.gateway.shown.count("ran out") > told


def controller_stopped(bench: Bench) -> Struck:
    """SIGSTOP; the rig is killed, and once the lease has run out the controller goes on."""
    rig = bench.forcing()
    run_out = _run_out(bench)
    os.kill(bench.controller.process.pid, signal.SIGSTOP)
    rig.end()
    until("the lease ran out", run_out)
    since = time.monotonic_ns()
    os.kill(bench.controller.process.pid, signal.SIGCONT)
    return safe_after(bench, since)


def controller_killed(bench: Bench) -> Struck:
    """SIGKILL; the rig is killed, and once the lease has run out the controller is there anew, at zero."""
    rig = bench.forcing()
    run_out = _run_out(bench)
    killed = time.monotonic_ns()
    bench.controller.process.kill()
    bench.controller.process.wait(WITHIN)
    bench.watch.gone(killed)
    rig.end()
    until("the lease ran out", run_out)
    since = time.monotonic_ns()
    bench.start_controller()
    return safe_after(bench, bench.watch.first("there", lambda _: True, since))


def clock_stepped(bench: Bench) -> Struck:
    """The gateway's UTC clock goes an hour back, or on: the lease lives on, and no longer than it may."""
    machine, rig = bench.machine, bench.forcing()
    stepped = time.monotonic_ns()
    machine.step(bench.random.choice((-HOUR, HOUR)))
    time.sleep(LEASE)
    assert [each.inputs for each in bench.watch.since(stepped)] == [bench.held(rig.command)]
    since = time.monotonic_ns()
    rig.end()
    struck = safe_after(bench, since)
    bench.next_operator()  # with the clock as it is now
    machine.step(0)
    return struck


def disk_full(bench: Bench) -> Struck:
    """What cannot be journalled is not done: the gateway says so and ends, safe, until there is room."""
    disk, rig = bench.disk, bench.forcing()
    since = time.monotonic_ns()
    disk.fill()
    struck = safe_after(bench, since)
    _has_room_again(bench)
    rig.finds_out()
    return struck


def disk_full_at_start(bench: Bench) -> Struck:
    """As ``gateway_killed``, but when it is started again it cannot journal that it restores."""
    disk, rig = bench.disk, bench.forcing()
    bench.gateway.process.kill()
    bench.gateway.process.wait(WITHIN)
    disk.fill()
    since = time.monotonic_ns()
    bench.start_gateway()
    struck = safe_after(bench, since)
    _has_room_again(bench)
    rig.finds_out()
    return struck


def _has_room_again(bench: Bench) -> None:
    """The gateway has ended for want of room, and said so; now there is some."""
    assert bench.gateway.wait() == 3, bench.gateway.shown
    assert "disk is full" in bench.gateway.said
    bench.gateway.assert_no_traceback()
    bench.disk.free()
    bench.start_gateway()
    bench.gateway.wait_ready()


def disk_hangs(bench: Bench) -> Struck:
    """It is not full, but takes nothing: the gateway waits for it for a while, and is safe before it ends."""
    machine, rig = bench.machine, bench.forcing()
    since = time.monotonic_ns()
    machine.hang(True)
    struck = safe_after(bench, since)
    machine.hang(False)
    assert bench.gateway.wait() == 3, bench.gateway.shown
    assert "the disk does not answer" in bench.gateway.said
    bench.start_gateway()
    bench.gateway.wait_ready()
    rig.finds_out()
    return struck


def disk_hangs_rig_killed(bench: Bench) -> Struck:
    """The safe state waits for no disk."""
    machine, rig = bench.machine, bench.forcing()
    machine.hang(True)
    since = time.monotonic_ns()
    rig.end()
    struck = safe_after(bench, since)
    machine.hang(False)
    return struck


def gateway_killed_shim(bench: Bench) -> Struck:
    """SIGKILL: the shim gives the program its terminals back, with nobody's help."""
    rig = bench.forcing()
    since = time.monotonic_ns()
    bench.gateway.process.kill()
    struck = safe_after(bench, since)
    bench.gateway.process.wait(WITHIN)
    bench.start_gateway()
    bench.gateway.wait_ready()
    rig.finds_out()
    return struck


def gateway_stopped_shim(bench: Bench) -> Struck:
    """SIGSTOP: as above. It goes on when the lease has run out."""
    rig = bench.forcing()
    since = time.monotonic_ns()
    os.kill(bench.gateway.process.pid, signal.SIGSTOP)
    struck = safe_after(bench, since)
    time.sleep(LEASE)
    os.kill(bench.gateway.process.pid, signal.SIGCONT)
    rig.finds_out()
    return struck


RIG = {
    "rig-killed": Cause("rig killed", LEASE, rig_killed),
    "rig-stopped": Cause("rig stopped", LEASE, rig_stopped),
    "rig-cut-off": Cause("rig cut off", LEASE, rig_cut_off),
    "clock-stepped": Cause("gateway's clock stepped by an hour, rig killed", LEASE, clock_stepped),
    "two-rigs": Cause("rig killed while another asks", LEASE, two_rigs),
}
BROKER = {
    "broker-killed": Cause("broker killed", LEASE, broker_killed),
    "broker-stopped": Cause("broker stopped", LEASE, broker_stopped),
}
GATEWAY = {
    "gateway-killed": Cause("gateway killed, started again", RESTART, gateway_killed),
    "gateway-stopped": Cause("gateway stopped, continued", AT_ONCE, gateway_stopped),
}
CONTROLLER = {
    "controller-stopped": Cause("controller stopped, rig killed, continued", RECONNECT, controller_stopped),
    "controller-killed": Cause("controller killed, rig killed, started again", RECONNECT, controller_killed),
}
DISK_OF_GATEWAY = {
    "disk-hangs": Cause("disk hangs", DISK, disk_hangs),
    "disk-full": Cause("disk full", LEASE, disk_full),
    "disk-full-at-start": Cause("gateway killed, started on a full disk", RESTART, disk_full_at_start),
    "disk-hangs-rig-killed": Cause("disk hangs, rig killed", LEASE, disk_hangs_rig_killed),
}
_SHIMMED = {
    "gateway-killed-shim": Cause("gateway killed, with a shim", SHIM, gateway_killed_shim, ShimBench),
    "gateway-stopped-shim": Cause("gateway stopped, with a shim", SHIM, gateway_stopped_shim, ShimBench),
}


def over(protocol: Protocol, causes: Mapping[str, Cause]) -> dict[str, Cause]:
    """``causes`` at a controller that speaks ``protocol``, each by a name of its own."""
    return {f"{name}-{protocol}": cause.over(protocol) for name, cause in causes.items()}


_MAIN = {
    "rig-killed": RIG["rig-killed"],
    "broker-killed": BROKER["broker-killed"],
    **GATEWAY,
    **CONTROLLER,
}
MODBUS = DISK_OF_GATEWAY | RIG | BROKER | GATEWAY | CONTROLLER
S7 = over("s7", _MAIN)
OPCUA = over("opcua", _MAIN)
SHIMMED = dict(sorted((_SHIMMED | over("s7", _SHIMMED)).items()))  # the longest first, of either protocol
CAUSES = MODBUS | SHIMMED | S7 | OPCUA
