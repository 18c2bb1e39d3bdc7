"""The acceptance report: complete, self-contained, escaped, and sound HTML."""

import hashlib
import re
from base64 import b64encode
from html.parser import HTMLParser

import msgspec
import pytest
import record_examples as examples

from rig.record import Flow, Record
from rig.report.html import render_html
from rig.report.tally import quantile

VOID = {"meta", "br", "link", "img", "input", "hr"}
EXAMPLES = ["passed", "failed", "interrupted", "long", "hostile", "head"]


class Page(HTMLParser):
    """Elements with their attributes and text; asserts that every tag is closed in its turn."""

    def __init__(self, record: Record) -> None:
        super().__init__()
        self.html = render_html(record, "d" * 64)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(self.html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_fetches_nothing_and_runs_nothing(name: str) -> None:
    page = Page(getattr(examples, name)())
    assert not {tag for tag, _ in page.elements} & {
        "script",
        "img",
        "link",
        "iframe",
        "object",
        "form",
        "base",
    }
    for tag, attributes in page.elements:
        assert not [key for key in attributes if key.startswith("on") or key in ("src", "style", "srcset")], (
            tag
        )
        assert (attributes.get("href") or "#").startswith("#")
    style = re.search(r"<style>(.*?)</style>", page.html, re.S)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_the_policy_allows_this_style_sheet_and_nothing_else() -> None:
    page = Page(examples.passed())
    policy = next(
        m["content"] for m in page.named("meta") if m.get("http-equiv") == "Content-Security-Policy"
    )
    style = re.search(r"<style>(.*?)</style>", page.html, re.S)
    assert policy is not None
    assert style is not None
    digest = b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_markup_is_sound(name: str) -> None:
    page = Page(getattr(examples, name)())
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {str(attributes["href"])[1:] for _, attributes in page.elements if "href" in attributes}
    assert targets <= set(ids)
    assert all(th.get("scope") in ("row", "col", "rowgroup") for th in page.named("th"))
    assert page.named("html") == [{"lang": "en"}]
    assert all(svg.get("aria-hidden") == "true" or svg.get("aria-label") for svg in page.named("svg"))


def test_hostile_text_stays_text() -> None:
    html = render_html(examples.hostile(), "d" * 64)
    assert "<script" not in html
    assert "\x1b" not in html
    assert "\x00" not in html
    assert html.count("&lt;script&gt;") > 30
    style = html[html.index("<style>") : html.index("</style>")]
    assert "alert" in style  # the session's id stands at the foot of each page, in a CSS string
    assert re.search(r'content: "Session [A-Za-z0-9\\ -]*"; } }\n\Z', style)


@pytest.mark.parametrize(
    ("name", "stamp", "outcome"),
    [
        ("passed", "PASS", "33 of 34 steps passed; 1 skipped."),
        ("failed", "FAIL", "2 of 34 steps failed: the station is at fault."),
        ("interrupted", "ERROR", "The session was cut short: 20 of 34 steps were carried out."),
        ("head", "ERROR", "The session was cut short before its first step."),
    ],
)
def test_the_verdict_is_a_word_a_shape_and_a_sentence(name: str, stamp: str, outcome: str) -> None:
    page = Page(getattr(examples, name)())
    assert (
        f'<p class="stamp {stamp}"><svg aria-hidden="true" viewBox="0 0 16 16"><use href="#{stamp}"/>'
        in page.html
    )
    assert f"<strong>{stamp}</strong>" in page.html
    assert outcome in page.words
    assert ("<span>incomplete</span>" in page.html) == (name in ("interrupted", "head"))


def test_failures_come_first_with_station_tag_measured_and_limits() -> None:
    words = Page(examples.failed()).words
    failures = words[words.index("Failures and errors") : words.index("Not tested")]
    assert (
        "glue air-ok lift-raise Air lost: belt stops and lamp lights lift-raise became FALSE too late"
        in failures
    )
    assert "air-ok air pressure switch" in Page(examples.titled()).words
    assert "response 412 ± 10 ms ≤ 150 ms" in failures
    assert "lamp-fault 63" not in failures  # that measurement was within its limits
    assert "screw reject reject follows its observer both ways" in failures
    assert "2 attempts echo within never ≤ 100 ms" in failures
    assert words.index("Failures and errors") < words.index("Steps: Connect and identify")


def test_a_session_without_steps_never_claims_that_nothing_failed() -> None:
    words = Page(examples.head()).words
    assert "the session as a whole proves nothing" in words
    assert "None." not in words
    assert "None." in Page(examples.passed()).words


@pytest.mark.parametrize("name", ["failed", "long"])
def test_every_step_and_measurement_is_there(name: str) -> None:
    record = getattr(examples, name)()
    page = Page(record)
    steps = page.words[page.words.index("Steps: Connect") :]
    for step in record.steps:
        assert f"{step.id} " in steps
    assert page.html.count('data-label="Time"') == len(record.steps)
    shown = sum(max(1, len(step.measurements)) for step in record.steps)
    assert page.html[page.html.index("Steps: ") :].count('data-label="Measurement"') == shown


def test_summary_counts_each_phase() -> None:
    words = Page(examples.failed()).words
    assert "I/O checkout 22 1 0 1 5.63 s" in words
    assert "Total 31 2 0 1 45.3 s" in words


def test_identity_coverage_and_hashes_are_there() -> None:
    record = examples.failed()
    words = Page(record).words
    assert "glue 7 of 8 2 of 2 90 % spare-3" in words
    for identity in record.stations:
        for text in (identity.gateway, identity.boot, identity.address, identity.program_sha256):
            assert text in words
    assert "-850 µs ± 310 µs; round trip 620 µs" in words
    for file in record.files:
        assert f"{file.path} {file.sha256}" in words
    assert f"session record session.json {'d' * 64}" in words


def test_it_names_the_chain_or_says_that_there_is_none() -> None:
    chained = msgspec.structs.replace(examples.passed(), chain="starter-abc", genesis="5e" * 32)
    page = Page(chained).words
    assert "Chain starter-abc" in page
    assert "5e" * 32 in page
    virtual = Page(msgspec.structs.replace(examples.passed(), mode="virtual")).words
    assert "virtual mode has no gateways to keep one" in virtual
    assert "No chain has recorded the manifest" in virtual


def test_it_names_the_broker_and_what_that_lets_anybody_do() -> None:
    def shown(broker: str) -> str:
        return Page(msgspec.structs.replace(examples.passed(), broker=broker)).words

    assert "Broker mosquitto Chain" in shown("mosquitto")
    assert "Broker embedded the embedded broker has no access lists" in shown("embedded")
    assert "Broker mqtt://10.0.0.5 the broker is reached without TLS" in shown("mqtt://10.0.0.5")
    assert "Broker" not in shown("")


def test_flow_in_figures() -> None:
    words = Page(examples.passed()).words
    assert "Takt 9 2.28 s 2.31 s 2.84 s 2.84 s" in words
    assert "Coupling, offer to accept 10 19.8 ms 21.9 ms 35 ms 35 ms" in words
    assert "2.310, 2.290, 2.350, 2.300, 2.840, 2.280, 2.310, 2.330, 2.300" in words
    assert "glue 10 87.0 %" in words
    assert "0 lost, 0 doubled" in words
    bars = re.findall(
        r'<rect x="[0-9.]+" y="([0-9.]+)" width="0.8" height="([0-9.]+)"/>', Page(examples.passed()).html
    )
    assert len(bars) == 9
    assert bars[4] == ("0.00", "100.00")
    assert bars[0] == ("18.66", "81.34")


@pytest.mark.parametrize(
    "flow",
    [None, Flow(0, 0, 0, 0, 0), Flow(1, 1, 0, 0, 0, (0,), ()), Flow(9, 7, 0, 2, 0, (5,) * 900, (1,) * 900)],
)
def test_any_flow_can_be_shown(flow: Flow | None) -> None:
    page = Page(msgspec.structs.replace(examples.passed(), flow=flow))
    assert ("vanish" in page.words) == (flow is not None and flow.lost > 0)


def test_quantile_is_the_nearest_rank() -> None:
    values = list(range(100, 0, -1))
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1.0)) == (50, 99, 100)
    assert quantile([7], 0.5) == quantile([7], 0.99) == 7
    assert quantile([1, 2, 3], 0.5) == 2
