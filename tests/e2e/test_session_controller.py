"""A controller that is not there, refuses, closes, or is another: FAIL that says which and why."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import HOLD, Memory, Starter, belt, by_id, is_free, memory, procedures


class Relay:
    """A port that leads to ``target``, until it is cut."""

    def __init__(self, server: socket.socket, target: int) -> None:
        self.server, self.target = server, target
        self.port = server.getsockname()[1]
        self.takes_others = True
        self.open: list[socket.socket] = []

    def cut(self, for_good: bool) -> None:
        """Close all connections; ``for_good``: those to come as well."""
        self.takes_others = not for_good
        for each in self.open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def accept(self) -> None:
        """Lead on what comes, until the server is closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.server.accept()
                if not self.takes_others:
                    client.close()
                    continue
                other = socket.create_connection(("127.0.0.1", self.target))
                self.open += (client, other)
                for pair in ((client, other), (other, client)):
                    threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def relay(target: int) -> Iterator[Relay]:
    """See ``Relay``."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = Relay(server, target)
        thread = threading.Thread(target=made.accept)
        thread.start()
        try:
            yield made
        finally:
            made.cut(for_good=True)
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in made.open:
                each.close()


def test_not_there(tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path, serve=False)
    run = start.session(tmp_path, made.line)
    assert run.wait() == 1, run.shown
    run.assert_nothing_left()
    record = run.record("FAIL", complete=True)
    failed = [step for step in record.steps if step.verdict == "FAIL"]
    assert [step.id for step in failed] == ["connect/controller[belt]"]
    assert f"belt: no controller at modbus://127.0.0.1:{made.port}/1" in failed[0].message
    assert failed[0].message in run.said
    rest = record.steps[record.steps.index(failed[0]) + 1 :]
    assert {step.verdict for step in rest} == {"SKIPPED"}
    assert all("its controller is not connected" in step.message for step in rest)


def test_it_answers_with_exceptions(tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path)
    line = made.change("stations/belt.yaml", ('"coil:2065"', '"coil:60000"'))
    run = start.session(tmp_path, made.line, "-k", "part-leaves or drive-ok")
    assert run.wait() == 1, run.shown
    run.assert_nothing_left()
    steps = by_id(run.record("FAIL", complete=True))
    failed = steps["checkout/input[belt.part-leaves]"]
    assert failed.verdict == "FAIL"
    assert f"part-leaves at coil:60000 (line {line}): " in failed.message
    assert "refused with" in failed.message
    assert "part-leaves at coil:60000" in run.said
    assert steps["checkout/input[belt.drive-ok]"].verdict == "PASS"  # one bad address hides no other tag


def test_it_closes_the_connection_and_takes_no_other(tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path, serve=False)
    start.controller(tmp_path, made)
    with relay(made.port) as between:
        made.change("stations/belt.yaml", (str(made.port), str(between.port)))
        run = start.session(tmp_path, made.line)
        run.wait_step("checkout/output[belt.belt-run]")
        between.cut(for_good=True)
        assert run.wait() == 1, run.shown
    run.assert_nothing_left()
    record = run.record("FAIL", complete=True)
    failed = [step for step in record.steps if step.verdict == "FAIL"]
    assert len(failed) == 1
    assert "belt: the controller closed the connection or fell silent" in failed[0].message
    rest = record.steps[record.steps.index(failed[0]) + 1 :]
    assert {step.verdict for step in rest} == {"SKIPPED"}
    assert all("it did not come back within 10 s" in step.message for step in rest)


def test_it_loses_the_connection_once(tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path, serve=False)
    procedures(tmp_path, hold=HOLD)
    start.controller(tmp_path, made)
    with relay(made.port) as between, memory(made.port) as watched:
        made.change("stations/belt.yaml", (str(made.port), str(between.port)))
        run = start.session(tmp_path, made.line, "-k", "hold")
        watched.wait(Memory.HELD)
        between.cut(for_good=False)
        assert run.wait() == 1, run.shown
    run.assert_nothing_left()
    steps = by_id(run.record("FAIL", complete=True))
    failed = steps["procedures/hold/hold[belt]"]
    assert failed.verdict == "FAIL"
    assert "belt: the controller closed the connection or fell silent" in failed.message
    assert steps["procedures/hold/then[belt]"].verdict == "PASS"
    assert "belt: the controller is back" in run.said


def test_it_runs_another_program(tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path, serve=False)
    start.controller(tmp_path, made)
    program = made.folder / "programs/belt.st"
    program.write_text(program.read_text().replace("T#800ms", "T#900ms"))
    run = start.session(tmp_path, made.line, "-k", "connect")
    assert run.wait() == 1, run.shown
    run.assert_nothing_left()
    message = by_id(run.record("FAIL", complete=True))["connect/controller[belt]"].message
    assert message.startswith("the controller runs Belt ")
    assert "programs/belt.st" in message


def test_its_port_is_in_use(tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path)
    with socket.create_server(("127.0.0.1", made.port)):
        run = start.session(tmp_path, made.line)
        assert run.wait() == 3, run.shown
    assert f"modbus://127.0.0.1:{made.port}/1: port {made.port} is in use" in run.said
    assert "--ports auto" in run.said
    run.assert_nothing_left()
    record = run.record("ERROR", complete=False)
    assert record.steps[0].id == "connect/start"
    assert {step.verdict for step in record.steps[1:]} == {"SKIPPED"}
    assert f"port {made.port} is in use" in record.note


def test_its_program_stops_with_a_fault(tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path)
    made.change(
        "programs/belt.st",
        ("Empty : TON;", "Empty : TON;\n    Divisor : INT;"),
        (
            "IF NOT DriveOk THEN",
            "IF PartEnters THEN\n    Divisor := 1 / Divisor;\nEND_IF;\nIF NOT DriveOk THEN",
        ),
    )
    run = start.session(tmp_path, made.line, "-k", "passing")
    assert run.wait() == 1, run.shown
    run.assert_nothing_left()
    assert run.run is not None
    assert "belt.st:" in (run.run / "logs/controller-belt.log").read_text()
    assert is_free(made.port)


@pytest.mark.long
def test_the_broker_of_the_line_file_is_not_there(tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path)
    broker = f"mqtt://127.0.0.1:{made.port}"
    made.change("lines/one.yaml", ("stations:", f"broker: {broker}\nstations:"))
    run = start.session(tmp_path, made.line, "--ports", "auto")
    assert run.wait() == 3, run.shown
    run.assert_nothing_left()
    assert f"no broker answers at {broker}" in run.said
    assert "no broker answers" in run.record("ERROR", complete=False).note
