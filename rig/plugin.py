"""The pytest plugin: procedures parametrised from the line file, steps recorded, exit status set.

``pytest --line config/lines/starter.yaml`` runs the built-in procedures and the user's own
``procedures/*.py``; ``twinline session run`` calls the same. A procedure is a function that takes
``station``, ``output``, ``input``, ``sequence`` or ``interlock`` (run once for each of the line's),
``session``, and ``step`` to declare limits and measure.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from gateway.errors import BadInput
from rig.evidence import Evidence
from rig.line import Line
from rig.open import Options, open_backend, prepare
from rig.record import PHASES, Step, Verdict, exit_status
from rig.session import ATTEMPTS, Disturbed, Failed, Session, StepContext

if TYPE_CHECKING:
    from rig.progress import Progress

BUILT_IN = ("connect", "checkout", "sequence", "interlocks", "flow")
NAME = "twinline-session"


class Given(NamedTuple):
    """What a session is run with; ``progress`` is None under plain pytest, which shows it its own way."""

    options: Options
    line: Line
    progress: Progress | None


GIVEN = pytest.StashKey[Given]()
STEP = pytest.StashKey[StepContext]()
BROKEN = pytest.StashKey[list[str]]()
ABOUT = ("station", "output", "input", "sequence", "interlock")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of a session."""
    group = parser.getgroup("twinline", "commissioning a line (twinline)")
    group.addoption("--line", metavar="FILE", help="the line file to commission")
    group.addoption("--mode", choices=("hil", "virtual"), help="override the stations' modes")
    group.addoption(
        "--program", action="append", default=[], metavar="STATION=FILE", help="swap a station's program"
    )
    group.addoption("--ports", choices=("file", "auto"), default="file", help="controllers' ports")
    group.addoption(
        "--broker", default=None, metavar="embedded|mosquitto", help="which broker to start on this machine"
    )
    group.addoption("--runs", default="runs", metavar="DIR", help="where evidence goes")
    group.addoption("--operator", default=None, metavar="ID", help="who commissions (default: rig)")
    group.addoption(
        "--procedures", action="append", default=[], metavar="DIR", help="folders of own procedures"
    )


def pytest_configure(config: pytest.Config) -> None:
    """With ``--line``, this run is a session."""
    config.addinivalue_line("markers", "phase(name): the session's phase that a procedure belongs to")
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
        self.interrupted = False
        self.phase = ""
        self.broken: list[str] = []
        if config.args_source is not pytest.Config.ArgsSource.ARGS:
            config.args = [str(path) for path in self._files()]

    def _files(self) -> Iterator[Path]:
        here = Path(__file__).parent / "procedures"
        yield from (here / f"{name}.py" for name in BUILT_IN)
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
        line = self.line
        wanted = [name for name in ABOUT if name in metafunc.fixturenames]
        if not wanted:
            return
        assert len(wanted) == 1, f"{metafunc.function.__name__}: ask for one of {', '.join(ABOUT)}"
        about, pairs = wanted[0], []
        for name, lined in line.stations.items():
            spec = lined.station
            things: list[str] = {
                "station": [""],
                "output": [tag.name for tag in spec.outputs if tag.name not in spec.echoes],
                "input": [tag.name for tag in spec.inputs],
                "sequence": list(spec.sequences),
                "interlock": list(spec.interlocks),
            }[about]
            pairs += [(name, thing) for thing in things]
        ids = [f"{name}.{thing}" if thing else name for name, thing in pairs]
        metafunc.parametrize(about, pairs, indirect=True, ids=ids)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Phases in their order; within a phase, station by station."""
        items.sort(key=lambda item: PHASES.index(_phase(item)))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A procedure file that cannot be read is a person's error."""
        if report.failed:
            self.broken.append(f"{report.nodeid}: {report.longreprtext}")

    # --- running -------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, Any, Any]:
        """Open the line, run everything, close it; nothing is left running whatever happens."""
        if session.config.option.collectonly or session.testsfailed:
            return (yield)
        self.evidence = Evidence(self.line, self.options)
        if self.progress is not None:
            self.progress.begin(len(session.items), self.line.title)
        with open_backend(self.line, self.options, self.evidence.folder) as opened:
            self.session = Session(self.line, opened.backend, opened.programs)
            self.session.stopped = opened.problem
            self.evidence.begin(self.session)
            if opened.problem:
                self._record(Step("connect/start", "connect", "Start the line's own parts", "ERROR",
                                  self.evidence.started, 0, message=opened.problem))  # fmt: skip
            try:
                return (yield)
            finally:
                opened.backend.close()

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Open the step; skip it where its station, or everything, is gone."""
        assert self.session is not None
        station = _station(item)
        context = StepContext(self.session, _step_id(item), _phase(item), _title(item, self.line), station)
        item.stash[STEP] = context
        if self.progress is not None:
            if context.phase != self.phase:
                self.phase = context.phase
                self.progress.phase(context.phase)
            self.progress.running(context.id, context.title)
        why = self.session.stopped or self.session.gone.get(station, "")
        if why:
            pytest.skip(why)

    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool:
        """Run the procedure; what a scan overrun disturbed is tried again."""
        context = pyfuncitem.stash[STEP]
        names = pyfuncitem._fixtureinfo.argnames
        arguments = {name: pyfuncitem.funcargs[name] for name in names}
        for attempt in range(1, ATTEMPTS + 1):
            context.attempts = attempt
            context.again()
            try:
                pyfuncitem.obj(**arguments)
                context.close()
                break
            except Disturbed:
                if attempt == ATTEMPTS:
                    raise
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Turn what happened into the step of the record."""
        report = yield
        context = item.stash.get(STEP, None)
        raised = call.excinfo.value if call.excinfo is not None else None
        if context is None or (raised is None and call.when != "call"):
            return report
        if isinstance(raised, KeyboardInterrupt):
            return report
        verdict, message, tags = _judge(raised)
        if call.when == "teardown":
            context.id += "/teardown"
        self._record(context.ended(verdict, message, tags))
        return report

    def _record(self, step: Step) -> None:
        assert self.session is not None
        assert self.evidence is not None
        self.session.steps.append(step)
        self.evidence.append(step)
        if self.progress is not None:
            self.progress.ended(step)

    def pytest_keyboard_interrupt(self) -> None:
        """Ctrl-C: what is done so far becomes partial evidence."""
        self.interrupted = True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the evidence and set the exit status, for plain pytest too."""
        if self.broken:
            session.exitstatus = 2
            self.config.stash[BROKEN] = self.broken
            return
        if self.session is None or self.evidence is None:
            return
        record = self.evidence.finish(self.session, self.interrupted)
        session.exitstatus = 130 if self.interrupted else exit_status(record.verdict)
        if self.progress is not None:
            self.progress.finish(record, self.evidence.folder, session.exitstatus)


def _judge(raised: BaseException | None) -> tuple[Verdict, str, tuple[str, ...]]:
    match raised:
        case None:
            return "PASS", "", ()
        case pytest.skip.Exception():
            return "SKIPPED", str(raised), ()
        case Failed():
            return "FAIL", str(raised), raised.tags
        case AssertionError():
            return "FAIL", str(raised) or "assertion failed", ()
        case _:
            return "ERROR", f"{type(raised).__name__}: {raised}", ()


def _phase(item: pytest.Item) -> str:
    marker = item.get_closest_marker("phase")
    return str(marker.args[0]) if marker is not None and marker.args[0] in PHASES else "procedures"


def _station(item: pytest.Item) -> str:
    callspec = getattr(item, "callspec", None)
    for about in ABOUT:
        if callspec is not None and about in callspec.params:
            return str(callspec.params[about][0])
    return ""


def _step_id(item: pytest.Item) -> str:
    name = item.name.removeprefix("test_")
    phase = _phase(item)
    return f"{phase}/{item.path.stem}/{name}" if phase == "procedures" else f"{phase}/{name}"


def _title(item: pytest.Item, line: Line) -> str:
    """What the step proves: a scenario's own title, else the first line of the procedure's docstring."""
    function = getattr(item, "obj", None)
    first = (inspect.getdoc(function) or item.name).splitlines()[0].rstrip(".")
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return first
    for about in ("sequence", "interlock"):
        if about in callspec.params:
            name, scenario = callspec.params[about]
            first = getattr(line.stations[name].station, f"{about}s")[scenario].title
    return f"{callspec.id}: {first}"


# --- fixtures ----------------------------------------------------------------------------------------


def _session(request: pytest.FixtureRequest) -> Session:
    plugin = request.config.pluginmanager.get_plugin(NAME)
    if plugin is None:
        pytest.fail("this procedure needs a line: run pytest with --line FILE", pytrace=False)
    assert plugin.session is not None
    return plugin.session  # type: ignore[no-any-return]


@pytest.fixture
def session(request: pytest.FixtureRequest) -> Session:
    """The session: the line, its stations, its mode."""
    return _session(request)


@pytest.fixture
def step(request: pytest.FixtureRequest) -> StepContext:
    """The step that runs: declare limits, measure, name tags."""
    return request.node.stash[STEP]  # type: ignore[no-any-return]


@pytest.fixture
def station(request: pytest.FixtureRequest) -> Any:
    """Each station of the line in turn."""
    return _session(request).stations[request.param[0]]


def _thing(request: pytest.FixtureRequest) -> tuple[Any, str]:
    return _session(request).stations[request.param[0]], request.param[1]


@pytest.fixture
def output(request: pytest.FixtureRequest) -> Any:
    """Each output in turn, as (station, tag)."""
    handle, name = _thing(request)
    return handle, handle.spec.tags[name]


@pytest.fixture
def input(request: pytest.FixtureRequest) -> Any:
    """Each input in turn, as (station, tag)."""
    handle, name = _thing(request)
    return handle, handle.spec.tags[name]


@pytest.fixture
def sequence(request: pytest.FixtureRequest) -> Any:
    """Each sequence in turn, as (station, scenario)."""
    handle, name = _thing(request)
    return handle, handle.spec.sequences[name]


@pytest.fixture
def interlock(request: pytest.FixtureRequest) -> Any:
    """Each interlock in turn, as (station, scenario)."""
    handle, name = _thing(request)
    return handle, handle.spec.interlocks[name]
