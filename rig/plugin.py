"""The pytest plugin: procedures parametrised from the line file, steps recorded, exit status set.

``pytest --line config/lines/starter.yaml`` runs the built-in procedures and the user's own
``procedures/*.py``; ``twinline session run`` calls the same. A procedure is a function that takes
``station``, ``output``, ``input``, ``sequence`` or ``interlock`` (run once for each of the line's),
``session``, and ``step`` to declare limits and measure.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, get_args

import pytest

from gateway.errors import BadInput
from gateway.station import Mode
from rig.backend import RigFault
from rig.chain import NotFinal
from rig.evidence import Evidence, EvidenceFailed
from rig.interrupt import Interrupt
from rig.items import (
    ABOUT,
    SESSION,
    STEP,
    about_nothing,
    judge,
    phase_of,
    scripts_ahead,
    station_of,
    step_id,
    things,
    title_of,
    turns_of,
    unmet,
    unreadable,
)
from rig.line import Line
from rig.onchain import OnChain
from rig.open import Opened, Options, open_backend, prepare
from rig.record import PHASES, Step, exit_status
from rig.report import wording
from rig.report.bundle import REPORT
from rig.session import Session
from rig.step import ATTEMPTS, StepContext
from rig.verdicts import Disturbed, Failed

if TYPE_CHECKING:
    from rig.progress import Progress

pytest_plugins = ["rig.fixtures"]
FIRST, *OTHERS = ("connect", "checkout", "sequence", "interlocks", "flow", "agreement")
BUILT_IN = Path(__file__).parent / "procedures"
NAME = "twinline-session"


class Given(NamedTuple):
    """What a session is run with; ``progress`` is None under plain pytest, which shows it its own way."""

    options: Options
    line: Line
    progress: Progress | None


GIVEN = pytest.StashKey[Given]()
BROKEN = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of a session."""
    group = parser.getgroup("twinline", "commissioning a line (twinline)")
    group.addoption("--line", metavar="FILE", help="the line file to commission")
    group.addoption("--mode", choices=get_args(Mode), help="override the stations' modes")
    group.addoption(
        "--program", action="append", default=[], metavar="STATION=FILE", help="swap a station's program"
    )
    group.addoption("--ports", choices=("file", "auto"), default="file", help="controllers' ports")
    group.addoption(
        "--broker", default=None, metavar="embedded|mosquitto|URL", help="which to start, or where one runs"
    )
    group.addoption(
        "--keys",
        default=None,
        metavar="DIR",
        help="use gateways that run already, with the keys made for them",
    )
    group.addoption(
        "--break-lease", action="store_true", help="take the leases from whoever holds them (a commissioner)"
    )
    group.addoption("--seed", default=None, metavar="N", help="of what chance decides in the twins")
    group.addoption("--runs", default="runs", metavar="DIR", help="where evidence goes")
    group.addoption("--operator", default=None, metavar="ID", help="who commissions (default: rig)")
    group.addoption(
        "--procedures", action="append", default=[], metavar="DIR", help="folders of own procedures"
    )


def pytest_configure(config: pytest.Config) -> None:
    """With ``--line``, this run is a session."""
    config.addinivalue_line("markers", "phase(name): the session's phase that a procedure belongs to")
    config.addinivalue_line(
        "markers", "ahead(script): gives the one script of a procedure, to be begun early"
    )
    given = config.stash.get(GIVEN, None)
    if given is None and config.getoption("--line") is not None:
        try:
            options = Options.of(config.option)
            given = Given(options, prepare(options), None)
        except BadInput as bad:
            pytest.exit(str(bad), returncode=2)
    if given is not None:
        config.pluginmanager.register(SessionPlugin(config, given), NAME)


class SessionPlugin:
    """One session inside one pytest run."""

    def __init__(self, config: pytest.Config, given: Given) -> None:
        self.config = config
        self.options, self.line, self.progress = given
        self.session: Session | None = None
        self.evidence: Evidence | None = None
        self.opened: Opened | None = None
        self.chain: OnChain | None = None
        self._open = ExitStack()  # what ends with the session
        self.interrupt = Interrupt(self._stop_after_this)
        self.interrupted = False
        self.running: StepContext | None = None
        self.broken: list[str] = []  # what ended the run, and is no step's verdict
        self.status = 2  # where something is broken
        self.ended = 0  # items
        self.outcome = ""
        self._pytest: pytest.Session | None = None
        if config.args_source is pytest.Config.ArgsSource.ARGS:
            # Nothing else may run before the station file is compared and the lease is held.
            config.args = [str(BUILT_IN / f"{FIRST}.py"), *config.args]
        else:
            config.args = [str(path) for path in self._files()]

    def _files(self) -> Iterator[Path]:
        yield from (BUILT_IN / f"{name}.py" for name in (FIRST, *OTHERS))
        folders = [Path(folder) for folder in self.options.procedures]
        folders = folders or [Path(self.line.file).parent / "procedures", Path("procedures")]
        seen: set[Path] = set()
        for folder in folders:
            if folder.is_dir() and folder.resolve() not in seen:
                seen.add(folder.resolve())
                yield from sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))

    # --- collecting ----------------------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One item for each thing of the line that a procedure is about."""
        wanted = [name for name in ABOUT if name in metafunc.fixturenames]
        if len(wanted) > 1:
            name = metafunc.function.__name__
            raise pytest.Collector.CollectError(
                f"{name} asks for {' and '.join(wanted)}; ask for one of them"
            )
        for about in wanted:
            pairs = things(self.line, about)
            ids = [f"{name}.{thing}" if thing else name for name, thing in pairs]
            metafunc.parametrize(about, pairs, indirect=True, ids=ids)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """A procedure file that cannot be read is a person's error."""
        report = yield
        call: pytest.CallInfo[Any] | None = getattr(report, "call", None)
        if report.failed and call is not None and call.excinfo is not None:
            problem = str(unreadable(call.excinfo.value, collector.path))
            self.broken.append(problem)
            report.longrepr = problem
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, None, None]:
        """Phases in their order. Whatever is selected, its stations are connected first."""
        # Where the line has none of what a procedure is about, pytest makes one item about nothing.
        items[:] = [item for item in items if not about_nothing(item)]
        connecting = [item for item in items if phase_of(item) == FIRST]
        yield
        if any(item not in connecting for item in items):
            items += [item for item in connecting if item not in items]
        self.broken += sorted({str(problem) for item in items for problem in unmet(item)})
        turns = turns_of(items)
        items.sort(key=lambda item: (PHASES.index(phase_of(item)), turns[item]))

    # --- running -------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, Any, Any]:
        """Open the line and run everything; what was started runs on until the evidence is final."""
        if session.config.option.collectonly or session.testsfailed:
            return (yield)
        if self.broken:
            pytest.exit("\n".join(self.broken), returncode=2)
        if not session.items:
            self._give_up(f"-k {self.config.option.keyword}: no step's name matches", 2)
        self._pytest = session
        try:
            self.evidence = Evidence(self.line, self.options)
        except EvidenceFailed as failed:
            self._give_up(f"{failed}; name another folder with --runs", 2)
        if self.progress is not None:
            self.progress.begin(len(session.items), self.line.title)
            self.progress.note(f"{self.line.file}, {self.line.mode} mode")
        self.interrupt.listen()
        opened = self.opened = self._open.enter_context(
            open_backend(self.line, self.options, self.evidence.folder)
        )
        self.session = Session(self.line, opened.backend, opened.programs)
        self.session.planned = len(session.items)
        self.chain = OnChain(opened.chain, self.session, self.evidence.folder)
        self.config.stash[SESSION] = self.session
        if self.progress is not None:
            opened.backend.listen(self.progress.differs)
            if caveat := wording.broker(opened.broker):
                self.progress.note(caveat)
        try:
            genesis = opened.chain.genesis if opened.chain is not None else None
            self.evidence.begin(self.session, genesis, opened.broker)
            self._start(opened, self.chain)
            return (yield)
        except EvidenceFailed as failed:
            self.session.stopped = str(failed)
            self._give_up(str(failed), 3)
        finally:
            self.interrupt.ignore()
            if self.interrupt.given and self.progress is not None:
                self.progress.note("stopping: safe state first, then the evidence so far")
            opened.backend.close()

    def _start(self, opened: Opened, chain: OnChain) -> None:
        assert self.session is not None
        assert self.evidence is not None
        began = time.monotonic_ns()
        try:
            opened.start()
            chain.begin()
        except RigFault as fault:
            self.session.stopped = str(fault)
            title, took = "Start the line's own parts", time.monotonic_ns() - began
            self._record(
                Step("connect/start", FIRST, title, "ERROR", self.evidence.started, took, message=str(fault))
            )

    def _give_up(self, why: str, status: int) -> NoReturn:
        self.broken.append(why)
        self.status = status
        pytest.exit(why, returncode=status)

    def _stop_after_this(self) -> None:
        """For a procedure that swallows the interrupt."""
        assert self._pytest is not None
        self._pytest.shouldstop = "interrupted"

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Open the step; skip it where its station, or everything, is gone."""
        assert self.session is not None
        station = station_of(item)
        context = StepContext(self.session, step_id(item), phase_of(item), title_of(item, self.line), station)
        item.stash[STEP] = context
        if self.progress is not None:
            if self.running is None or context.phase != self.running.phase:
                self.progress.phase(context.phase)
            self.progress.running(context.id, context.title)
        self.running = context
        for text in self.session.await_return(station):
            if self.progress is not None:
                self.progress.note(text)
        why = self.session.stopped or self.session.gone.get(station, "")
        if why:
            pytest.skip(why)

    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool:
        """Run the procedure; what a scan overrun disturbed is tried again."""
        context = pyfuncitem.stash[STEP]
        self._begin_others(pyfuncitem)
        names = pyfuncitem._fixtureinfo.argnames
        arguments = {name: pyfuncitem.funcargs[name] for name in names}
        for attempt in range(1, ATTEMPTS + 1):
            context.attempts = attempt
            context.again()
            try:
                if inspect.iscoroutine(made := pyfuncitem.obj(**arguments)):
                    made.close()
                    raise TypeError("a procedure is a plain function, not an async one")
                context.close()
                break
            except Disturbed:
                if attempt == ATTEMPTS:
                    raise
                context.session.ahead.settle()
        return True

    def _begin_others(self, item: pytest.Item) -> None:
        """What can be begun ahead of its step on stations that would only wait."""
        assert self.session is not None
        assert self._pytest is not None
        for name, script in scripts_ahead(item, self._pytest.items, self.session):
            self.session.ahead.begin(name, script)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Turn what happened into the step of the record."""
        report = yield
        context = item.stash.get(STEP, None)
        raised = call.excinfo.value if call.excinfo is not None else None
        if context is None or self.session is None or (raised is None and call.when != "call"):
            return report
        self.session.lost(raised)
        verdict, message, tags = judge(raised, item.path)
        if isinstance(raised, (Failed, RigFault)):
            report.longrepr = f"{verdict}: {message}"  # where we raised it tells a reader nothing
        if call.when == "teardown":
            context.id += "/teardown"
            context.again()  # what the step measured is recorded with it
        self._record(context.ended(verdict, message, tags))
        return report

    def pytest_runtest_logfinish(self) -> None:
        """An item is through, whatever its verdict."""
        self.ended += 1

    def _record(self, step: Step) -> None:
        assert self.session is not None
        assert self.evidence is not None
        self.session.steps.append(step)
        self.evidence.append(step)
        if self.progress is not None:
            self.progress.ended(step)

    # --- the end -------------------------------------------------------------------------------------

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """The run ends early: by the operator, or because something is broken."""
        if isinstance(excinfo.value, pytest.exit.Exception):
            if self.session is not None:
                self.session.stopped = self.session.stopped or f"a procedure ended it: {excinfo.value}"
        elif self.interrupt.given or not isinstance(excinfo.value, pytest.Session.Interrupted):
            self.interrupted = True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the evidence, end what was started, and set the exit status, for plain pytest too."""
        with self._open:
            session.exitstatus = self._finish(session)
        self.config.stash[BROKEN] = self.broken
        self.interrupt.restore()

    def _finish(self, session: pytest.Session) -> int:
        if self.session is None or self.evidence is None or self.opened is None or self.chain is None:
            return 130 if self.interrupted else self.status if self.broken else session.exitstatus
        note = self.session.stopped
        if self.interrupted:
            during = f" during {self.running.id}" if self.running is not None else ""
            by_whom = self.interrupt.by
            note = "Interrupted by the operator" if by_whom == "Ctrl-C" else f"Ended by {by_whom}"
            note += f"{during}."
        complete = not note and self.ended == len(session.items)
        chosen = self.config.option.keyword
        if chosen and not note:  # what was left out is not proven
            note = f"Only the steps chosen by -k {chosen!r} and those that connect."
        try:
            unsettled = "" if self.interrupted else self.chain.inspect()
            if unsettled and self.progress is not None:
                self.progress.note(unsettled)
            record = self.evidence.finish(self.session, complete, self.interrupted, note, self.opened.seal)
            final, said = self.chain.close(record, self.interrupted)
        except EvidenceFailed as failed:
            if str(failed) not in self.broken:
                self.broken.append(str(failed))
            return 3
        self.outcome = "; ".join([f"{record.verdict}, report in {self.evidence.folder / REPORT}", *said])
        status = exit_status(record.verdict) if not isinstance(final, NotFinal) else 3
        status = 130 if self.interrupted else status
        if self.progress is not None:
            self.progress.finish(record, self.evidence.folder, status, self.interrupt.by, said)
        return status

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """What plain pytest does not know of."""
        for text in filter(None, [*self.broken, self.outcome]):
            terminalreporter.write_line(f"twinline: {text}")
