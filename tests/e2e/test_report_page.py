"""The report in a real browser: nothing fetched, nothing blocked, readable on a phone, whole on paper."""

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

sys.path.append(str(Path(__file__).parents[1] / "unit"))

import record_examples as examples

from rig.record import Measurement
from rig.report.html import render_html

client = pytest.importorskip("websockets.sync.client", reason="the browser is driven over a web socket")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PDFTOTEXT = shutil.which("pdftotext")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
LIMIT = 60  # s for any one answer of the browser
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
EXAMPLES = ["passed", "failed", "interrupted", "long", "hostile"]


class Tab:
    """One page of the browser, driven by the DevTools protocol."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """The result of a command; events that come first are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._socket.send(json.dumps({**message, "sessionId": session} if session else message))
        while True:
            answer = json.loads(self._socket.recv(timeout=LIMIT))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self.events.append(answer)

    def open(self, path: Path, width: int = 1100) -> None:
        """Load ``path`` in a window ``width`` px wide, and wait until it is loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Log", "Network", "Runtime"):
            self.do(f"{domain}.enable")
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.do("Emulation.setDeviceMetricsOverride", **size)
        self.events.clear()
        self.do("Page.navigate", url=path.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(json.loads(self._socket.recv(timeout=LIMIT)))

    def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.call(method, self.session, **parameters)

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        result = self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"]["value"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    for name in EXAMPLES:
        (folder / f"{name}.html").write_text(
            render_html(getattr(examples, name)(), "d" * 64), encoding="utf-8"
        )
    return folder


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    profile = tmp_path_factory.mktemp("profile")
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as browser:
        assert browser.stderr is not None
        try:
            found = next(
                (m for line in browser.stderr if (m := re.search(r"listening on (ws://\S+)", line))), None
            )
            assert found is not None, "the browser ended before it listened"
            with client.connect(found[1], max_size=None, open_timeout=LIMIT, proxy=None) as socket:
                tab = Tab(socket)
                yield tab
                tab.call("Browser.close")
        finally:
            browser.terminate()
            browser.communicate(timeout=LIMIT)


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_loads_itself_and_no_more_and_the_policy_blocks_nothing_of_it(
    name: str, tab: Tab, pages: Path
) -> None:
    tab.open(pages / f"{name}.html")
    asked = [e["params"]["request"]["url"] for e in tab.events if e["method"] == "Network.requestWillBeSent"]
    assert asked == [(pages / f"{name}.html").as_uri()]
    assert [event for event in tab.events if event["method"] == "Log.entryAdded"] == []
    assert (
        tab.ask("getComputedStyle(document.querySelector('.stamp')).borderTopWidth") == "3px"
    )  # style applied
    assert tab.ask("document.scripts.length") == 0


@pytest.mark.parametrize("width", [360, 390, 800, 1100])
@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_sticks_out_at_the_side(name: str, width: int, tab: Tab, pages: Path) -> None:
    tab.open(pages / f"{name}.html", width)
    assert tab.ask("document.documentElement.scrollWidth") <= width
    all_ = "[...document.querySelectorAll('main *')]"
    outside = f"{all_}.filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
    assert tab.ask(f"{outside}.map(e => e.outerHTML.slice(0, 80))") == []


@pytest.mark.parametrize("width", [390, 1100])
def test_the_verdict_is_seen_first_and_large(width: int, tab: Tab, pages: Path) -> None:
    tab.open(pages / "failed.html", width)
    box = tab.ask(
        "(b => [b.top, b.width, b.height])(document.querySelector('.stamp').getBoundingClientRect())"
    )
    assert box[0] < 300
    assert box[1] > 120
    assert box[2] > 50
    assert tab.ask("document.querySelector('.stamp').innerText.trim()") == "FAIL"


def printed(tab: Tab, path: Path, tmp_path: Path) -> list[str]:
    """The text of each sheet of A4; skips where it cannot be read."""
    tab.open(path)
    data = base64.b64decode(tab.do("Page.printToPDF", preferCSSPageSize=True, printBackground=False)["data"])
    boxes = {tuple(map(float, box.split())) for box in re.findall(rb"/MediaBox \[([0-9. ]+)\]", data)}
    assert len(boxes) == 1
    assert boxes.pop() == pytest.approx((0, 0, 595.28, 841.89), abs=1)
    if PDFTOTEXT is None:
        pytest.skip("no pdftotext is installed to read the pages")
    (tmp_path / "report.pdf").write_bytes(data)
    command = [PDFTOTEXT, "-layout", str(tmp_path / "report.pdf"), "-"]
    text = subprocess.run(command, capture_output=True, check=True, timeout=LIMIT).stdout.decode()
    return text.split("\f")[:-1]


def test_each_sheet_has_its_foot_and_the_table_its_head(tab: Tab, pages: Path, tmp_path: Path) -> None:
    sheets = printed(tab, pages / "long.html", tmp_path)
    assert len(sheets) > 10
    for number, sheet in enumerate(sheets, 1):
        assert f"Page {number} of {len(sheets)}" in sheet
        assert "Session 20260102T030405Z-starter" in sheet
        if "checkout/" in sheet and "Not tested" not in sheet:
            assert re.search(r"Verdict +Step +Measurement +Measured +Limits +Time", sheet)


def test_no_step_is_cut_by_a_page(tab: Tab, tmp_path: Path) -> None:
    several = tuple(Measurement(f"reading {number}", float(number), "ms", 0, 9) for number in range(7))
    steps = [msgspec.structs.replace(step, measurements=several) for step in examples.long().steps[:120]]
    page = tmp_path / "tall.html"
    page.write_text(render_html(examples.record(steps), "d" * 64), encoding="utf-8")
    sheets = printed(tab, page, tmp_path)
    found = [re.findall(r"reading \d", sheet) for sheet in sheets]
    assert sum(map(len, found)) == 7 * 120
    for readings in found:
        assert readings == [f"reading {number}" for number in range(7)] * (len(readings) // 7)
