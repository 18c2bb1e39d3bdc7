"""Lists of tags as other programs write them, made here, and stations to merge them into."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openpyxl import Workbook

from gateway.errors import BadInput
from gateway.field.entries import TagEntry
from rig.tags.importing import Import, Wanted, read_take
from rig.tags.read import Asked

TIA_ENGLISH = (
    "Name", "Path", "Data Type", "Logical Address", "Comment", "Hmi Visible", "Hmi Accessible",
    "Hmi Writeable", "Typeobject ID", "Version ID",
)  # fmt: skip
TIA_GERMAN = ("Name", "Pfad", "Datentyp", "Logische Adresse", "Kommentar", "In HMI sichtbar")

STATION = """\
# A press, as its engineer keeps it.
twinline: station 1
id: press
devices:
  plc: {address: "%s"}

tags:
  # Inputs: what the program reads
  door-closed:  {direction: input,  type: BOOL, address: %s, safe: false, title: safety door}   # by hand
  pressure:     {direction: input,  type: INT,  address: %s, range: 0..12, unit: bar, safe: 0}
  # Outputs: what the program writes
  valve-open:   {direction: output, type: BOOL, address: %s}   # Y1

# What moves
twin: {}
"""
S7 = STATION % ("s7://127.0.0.1/0/1", "DB1.DBX0.0", "DB1.DBW2", "DB2.DBX0.0")
MODBUS = STATION % ("modbus://127.0.0.1/1", '"coil:2048"', '"hr:1030"', '"coil:0"')
OPCUA = STATION % ("opc.tcp://127.0.0.1", "ns=2;s=P.Door", "ns=2;s=P.Pressure", "ns=2;s=P.Valve")


def empty(address: str = "s7://127.0.0.1/0/1") -> str:
    """A station without tags."""
    return (
        f'twinline: station 1\nid: new\ndevices:\n  plc: {{address: "{address}"}}\ntags: {{}}\ntwin: {{}}\n'
    )


def workbook(rows: Sequence[Sequence[Any]], title: str = "PLC Tags", merged: Sequence[str] = ()) -> bytes:
    """An XLSX file of one sheet; None leaves a cell empty; ``merged`` are ranges such as A1:D1."""
    book = Workbook()
    page = book.worksheets[0]
    page.title = title
    for number, row in enumerate(rows, 1):
        for column, value in enumerate(row, 1):
            if value is not None:
                page.cell(number, column, value)
    for area in merged:
        page.merge_cells(area)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


class Desk:
    """A folder with a station file, and imports into it."""

    def __init__(self, folder: Path, text: str) -> None:
        self.folder = folder
        self.station = folder / "station.yaml"
        self.station.write_bytes(text.encode())

    def put(self, name: str, content: str | bytes) -> str:
        """A file beside the station; its path."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def compare(self, name: str, content: str | bytes, take: str = "", **said: Any) -> Import:
        """The import, not yet written; keywords are fields of ``Wanted`` or of ``Asked``."""
        asked = {key: value for key, value in said.items() if key in Asked.__struct_fields__}
        wanted = {key: value for key, value in said.items() if key not in asked}
        options = Wanted(asked=Asked(**asked), take=read_take(take), **wanted)
        return Import(self.put(name, content), self.station, options)

    def merge(self, name: str, content: str | bytes, take: str = "", **said: Any) -> str:
        """The station's text after the import."""
        done = self.compare(name, content, take, **said)
        done.write()
        return self.text

    def added(self, name: str, content: str | bytes, **said: Any) -> dict[str, TagEntry]:
        """The tags that the import would add."""
        return {each.tag: each.entry for each in self.compare(name, content, **said).plan.added}

    def refused(self, name: str, content: str | bytes, **said: Any) -> list[str]:
        """What is wrong, in the order of the file, without the folder; AssertionError where nothing is."""
        before = self.station.read_bytes()
        try:
            self.compare(name, content, **said)
        except BadInput as bad:
            assert self.station.read_bytes() == before
            return [str(each).replace(f"{self.folder}/", "") for each in bad.problems]
        raise AssertionError("was taken")

    @property
    def text(self) -> str:
        """The station file."""
        return self.station.read_bytes().decode()
