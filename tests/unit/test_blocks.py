"""Blocks and the image of inputs: every tag once, within the protocol's bounds, decoded as tag by tag."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.field.addresses import Protocol
from gateway.field.compound import ArrayType, StringType, laid_out, read_type
from gateway.field.drivers.blocks import Area, Block, Latch, place, plan
from gateway.field.drivers.image import InputImage
from gateway.field.entries import TagEntry, compile_tags
from gateway.field.tags import Range, Tag
from gateway.field.types import TYPES, DataType, Order, Value

NUMBERS = [name for name in TYPES if name != "BOOL"]


ORDERS: tuple[Order, ...] = ("ABCD", "CDAB", "BADC", "DCBA")


def tags_of(protocol: Protocol, direction: str, *pairs: tuple[str, str], ordered: bool = False) -> list[Tag]:
    """Checked tags t0, t1, … of (type, address); ``ordered``: one after the other in the four orders."""
    problems: list[str] = []
    entries = [
        TagEntry(
            direction,  # type: ignore[arg-type]
            kind,
            address,
            safe="0" if direction == "input" else None,
            name=f"t{n}",
            line=n,
            order=ORDERS[n % 4] if ordered and protocol == "modbus" and kind != "BOOL" else None,
        )
        for n, (kind, address) in enumerate(pairs)
    ]
    tags = compile_tags(entries, {"plc": protocol}, lambda line, what, hint: problems.append(what))
    assert not problems
    return list(tags.values())


def bounded(cells: int) -> Callable[[Area], int]:
    return lambda area: cells


def shape(blocks: Iterable[Block]) -> list[tuple[str, int, int, int]]:
    return [(block.area.kind, block.area.number, block.first, block.cells) for block in blocks]


# --- places ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "kind", "address", "wanted"),
    [
        ("modbus", "BOOL", "coil:7", (("coil", 0), 7, 1, -1)),
        ("modbus", "BOOL", "di:7", (("di", 0), 7, 1, -1)),
        ("modbus", "BOOL", "hr:10.3", (("hr", 0), 10, 1, 3)),
        ("modbus", "INT", "ir:4", (("ir", 0), 4, 1, -1)),
        ("modbus", "REAL", "hr:4", (("hr", 0), 4, 2, -1)),
        ("modbus", "LREAL", "hr:4", (("hr", 0), 4, 4, -1)),
        ("s7", "BOOL", "DB5.DBX2.7", (("DB", 5), 2, 1, 7)),
        ("s7", "BYTE", "DB5.DBB2", (("DB", 5), 2, 1, -1)),
        ("s7", "UINT", "%QW4", (("Q", 0), 4, 2, -1)),
        ("s7", "TIME", "MD8", (("M", 0), 8, 4, -1)),
        ("s7", "LREAL", "DB5.DBD16", (("DB", 5), 16, 8, -1)),
    ],
)
def test_a_tag_lies_where_its_address_says(
    protocol: Protocol, kind: str, address: str, wanted: tuple[object, ...]
) -> None:
    [tag] = tags_of(protocol, "output", (kind, address))
    assert place(tag) == wanted


# --- planning ----------------------------------------------------------------------------------------------


def test_neighbours_make_one_block_and_a_wide_gap_makes_two() -> None:
    tags = tags_of("modbus", "output", ("INT", "hr:0"), ("REAL", "hr:2"), ("INT", "hr:21"), ("INT", "hr:19"))
    assert shape(plan(tags, bounded(125), gap_bits=16 * 16)) == [("hr", 0, 0, 22)]
    assert shape(plan(tags, bounded(125), gap_bits=14 * 16)) == [("hr", 0, 0, 4), ("hr", 0, 19, 3)]
    assert shape(plan(tags, bounded(125), gap_bits=0)) == [
        ("hr", 0, 0, 1),
        ("hr", 0, 2, 2),
        ("hr", 0, 19, 1),
        ("hr", 0, 21, 1),
    ]


def test_a_block_ends_at_the_limit_and_never_within_a_tag() -> None:
    tags = tags_of("modbus", "output", *[("REAL", f"hr:{2 * n}") for n in range(100)])
    assert shape(plan(tags, bounded(125))) == [("hr", 0, 0, 124), ("hr", 0, 124, 76)]
    coils = tags_of("modbus", "output", *[("BOOL", f"coil:{n}") for n in range(2001)])
    assert shape(plan(coils, bounded(2000))) == [("coil", 0, 0, 2000), ("coil", 0, 2000, 1)]


def test_areas_and_data_blocks_are_apart() -> None:
    tags = tags_of(
        "s7", "output", ("BYTE", "DB1.DBB0"), ("BYTE", "DB2.DBB1"), ("BYTE", "%QB2"), ("BYTE", "MB3")
    )
    assert len(plan(tags, bounded(400))) == 4


def test_bits_of_one_register_are_one_cell() -> None:
    tags = tags_of("modbus", "output", ("BOOL", "hr:3.0"), ("BOOL", "hr:3.15"))
    [block] = plan(tags, bounded(125))
    assert shape([block]) == [("hr", 0, 3, 1)]
    assert block.changes(b"\x80\x00", None) == {"t0": False, "t1": True}
    assert block.changes(b"\x00\x01", None) == {"t0": True, "t1": False}


# --- decoding ----------------------------------------------------------------------------------------------


def test_high_word_first_and_raw_scaled_to_its_range() -> None:
    entries = [
        TagEntry("output", "DINT", "hr:0", name="count"),
        TagEntry("output", "INT", "hr:2", name="force", range=Range(0, 400), raw=Range(0, 27648), unit="N"),
    ]
    tags = compile_tags(entries, {"plc": "modbus"}, lambda *problem: pytest.fail(str(problem)))
    [block] = plan(tags.values(), bounded(125))
    assert block.changes(struct.pack(">HHh", 0xFFFF, 0xFFFE, 13824), None) == {"count": -2, "force": 200.0}


def test_only_what_changed_is_told_and_an_equal_block_tells_nothing() -> None:
    tags = tags_of("s7", "output", ("BOOL", "DB1.DBX0.0"), ("BOOL", "DB1.DBX0.1"), ("REAL", "DB1.DBD2"))
    [block] = plan(tags, bounded(400))
    latch = Latch([block])
    first = bytes([0b01, 0]) + struct.pack(">f", math.nan)
    assert latch.take(block, first).keys() == {"t0", "t1", "t2"}
    assert latch.take(block, bytes(first)) == {}
    # A gap byte, or not-a-number once more, is no change.
    assert latch.take(block, bytes([0b11, 9]) + first[2:]) == {"t1": True}
    assert latch.take(block, bytes([0b11, 9]) + struct.pack(">f", 1.5)) == {"t2": 1.5}


SIZE = {1: "X", 8: "B", 16: "W", 32: "D", 64: "D"}


@st.composite
def layouts(draw: st.DrawFn) -> tuple[Protocol, list[tuple[str, str]]]:
    """A protocol and (type, address) pairs that do not overlap, in any order."""
    protocol: Protocol = draw(st.sampled_from(("modbus", "s7")))
    wide = [name for name in NUMBERS if protocol == "s7" or TYPES[name].bits >= 16]
    pairs: list[tuple[str, str]] = []
    cursor: dict[str, int] = {}
    for _ in range(draw(st.integers(1, 30))):
        area = draw(
            st.sampled_from(
                ("coil", "di", "hr", "ir") if protocol == "modbus" else ("DB1.DB", "DB7.DB", "Q", "M")
            )
        )
        at = cursor.get(area, 0) + draw(st.sampled_from((0, 0, 0, 1, 3, 20, 300)))
        rows = ["STRING[5]", "INT[3]", "REAL[2]"] + ["BYTE[3]", "BOOL[11]"] * (protocol == "s7")
        one = ["BOOL", "BOOL[4]"] if area in ("coil", "di") else [*wide, "BOOL", "BOOL", *rows]
        kind = draw(st.sampled_from(one))
        if "[" in kind:
            bits = laid_out(read_type(kind), protocol).bits
            first = {"STRING[5]": "B", "INT[3]": "W", "REAL[2]": "D", "BYTE[3]": "B"}.get(kind, "X")
            pairs.append(
                (kind, f"{area}{first}{at}{'.0' * (first == 'X')}" if protocol == "s7" else f"{area}:{at}")
            )
            cursor[area] = at + bits // (8 if protocol == "s7" else 1 if area in ("coil", "di") else 16)
            continue
        bits = TYPES[kind].bits
        if protocol == "s7":
            numbers = draw(st.sets(st.integers(0, 7), min_size=1)) if kind == "BOOL" else {-1}
            pairs += [(kind, f"{area}{SIZE[bits]}{at}" + (f".{n}" if n >= 0 else "")) for n in numbers]
            cursor[area] = at + max(bits // 8, 1)
        else:
            inner = kind == "BOOL" and area in ("hr", "ir")
            numbers = draw(st.sets(st.integers(0, 15), min_size=1)) if inner else {-1}
            pairs += [(kind, f"{area}:{at}" + (f".{n}" if n >= 0 else "")) for n in numbers]
            cursor[area] = at + max(bits // 16, 1)
    return protocol, draw(st.permutations(pairs))


class Memory:
    """A device's memory, written down apart from the code under test: cells as whole numbers."""

    def __init__(self, fill: Callable[[Area, int], int]) -> None:
        self._fill = fill
        self._cells: dict[tuple[Area, int], int] = {}

    def cell(self, area: Area, index: int) -> int:
        return self._cells.setdefault((area, index), self._fill(area, index) & (1 << area.cell_bits) - 1)

    def read(self, area: Area, first: int, cells: int) -> bytes:
        values = [self.cell(area, first + n) for n in range(cells)]
        if area.cell_bits == 1:
            return bytes(
                sum(bit << n for n, bit in enumerate(values[at : at + 8])) for at in range(0, cells, 8)
            )
        return b"".join(value.to_bytes(area.cell_bits // 8, "big") for value in values)

    def write(self, area: Area, first: int, cells: int, data: bytes) -> None:
        for n in range(cells):
            if area.cell_bits == 1:
                value = data[n // 8] >> n % 8 & 1
            else:
                width = area.cell_bits // 8
                value = int.from_bytes(data[n * width : (n + 1) * width], "big")
            self._cells[area, first + n] = value

    def value(self, tag: Tag) -> Value:
        area, first, cells, bit = place(tag)
        if tag.type.kind == "bool":
            return bool(self.cell(area, first) >> max(bit, 0) & 1)
        return tag.type.unpack(self.read(area, first, cells))

    def known(self) -> dict[tuple[Area, int], int]:
        return dict(self._cells)


def same(one: Value, other: Value) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other or (one != one and other != other)


@given(layouts(), st.integers(0, 2**32 - 1), st.integers(4, 125), st.sampled_from((0, 64, 256)))
def test_every_tag_is_in_one_block_within_bounds_and_decodes_as_by_itself(
    layout: tuple[Protocol, list[tuple[str, str]]], seed: int, cells: int, gap: int
) -> None:
    limit = bounded(cells * (1 if layout[0] == "modbus" else 2))
    tags = tags_of(layout[0], "output", *layout[1], ordered=True)
    blocks = plan(tags, limit, gap)
    assert sorted(tag.name for block in blocks for tag in block.tags) == sorted(tag.name for tag in tags)
    random = Random(seed)
    memory = Memory(lambda area, index: random.getrandbits(16))
    for block in blocks:
        assert block.cells <= limit(block.area)
        found = block.changes(memory.read(block.area, block.first, block.cells), None)
        assert found.keys() == {tag.name for tag in block.tags}
        assert all(same(found[tag.name], memory.value(tag)) for tag in block.tags)
        lonely = [
            value
            for tag in block.tags
            for each in plan([tag], limit)
            for value in each.changes(memory.read(each.area, each.first, each.cells), None).items()
        ]
        assert all(same(found[name], value) for name, value in lonely)


# --- the image of inputs -----------------------------------------------------------------------------------


def writable(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Inputs cannot lie where clients only read, or where the controller writes."""
    return [(kind, address) for kind, address in pairs if not address.startswith(("di", "ir", "Q"))]


@given(layouts(), st.data(), st.integers(0, 2**32 - 1), st.integers(8, 60))
def test_a_write_changes_what_it_names_and_nothing_else(
    layout: tuple[Protocol, list[tuple[str, str]]], data: st.DataObject, seed: int, cells: int
) -> None:
    pairs = writable(layout[1])
    tags = {tag.name: tag for tag in tags_of(layout[0], "input", *pairs, ordered=True)}
    random = Random(seed)
    memory = Memory(lambda area, index: random.getrandbits(16))
    initial = {name: value_for(tag, random) for name, tag in tags.items()}
    image = InputImage(tags.values(), initial)
    for run in image.shared():
        assert run.cells == 1
        image.adopt(run, memory.read(run.area, run.first, run.cells))
    held: dict[str, Value] = {}
    for turn in range(4):
        names = set(tags)
        if turn and tags:
            names = data.draw(st.sets(st.sampled_from(sorted(tags))))
        given_now = {name: value_for(tags[name], random) for name in names}
        before = memory.known()
        runs = image.stage(given_now, bounded(cells))
        named = {(place(tags[name]).area, cell) for name in names for cell in cells_of(tags[name])}
        for run in runs:
            assert run.cells <= cells
            assert {(run.area, run.first + n) for n in range(run.cells)} <= named
            memory.write(run.area, run.first, run.cells, run.data)
            image.commit(run)
        held |= given_now
        assert all(
            same(memory.value(tags[name]), tags[name].to_device(value)) for name, value in held.items()
        )
        ours = {key: owned_bits(key, tags.values()) for key in before}
        assert all(memory.known()[key] & ~ours[key] == value & ~ours[key] for key, value in before.items())


def value_for(tag: Tag, random: Random) -> Value:
    if isinstance(tag.type, ArrayType):
        return tuple(value_of(tag.type.element, random) for _ in range(tag.type.count))
    if isinstance(tag.type, StringType):
        return "".join(chr(random.randint(1, 255)) for _ in range(random.randint(0, tag.type.characters)))
    return value_of(tag.type, random)


def value_of(kind: DataType, random: Random) -> bool | int | float:
    if kind.kind == "bool":
        return random.random() < 0.5
    if kind.kind == "real":
        return struct.unpack(">f", struct.pack(">f", random.uniform(-1e6, 1e6)))[0]  # type: ignore[no-any-return]
    return random.randint(int(kind.low), int(kind.high))


def cells_of(tag: Tag) -> range:
    at = place(tag)
    return range(at.first, at.first + at.cells)


def owned_bits(key: tuple[Area, int], tags: Iterable[Tag]) -> int:
    mine = 0
    for tag in tags:
        at = place(tag)
        if at.area == key[0] and key[1] in cells_of(tag):
            mine |= 1 << at.bit if at.bit >= 0 else (1 << at.area.cell_bits) - 1
    return mine


def test_a_refused_run_leaves_the_image_as_it_was() -> None:
    tags = tags_of("s7", "input", ("BOOL", "DB1.DBX0.0"), ("BOOL", "DB1.DBX0.1"))
    image = InputImage(tags, {"t0": False, "t1": False})
    [refused] = image.stage({"t0": True}, bounded(100))
    assert refused.data == b"\x01"
    [run] = image.stage({"t1": True}, bounded(100))
    assert run.data == b"\x02"
    image.commit(run)
    assert image.stage({"t0": True}, bounded(100))[0].data == b"\x03"


def test_neighbouring_coils_and_registers_are_one_run() -> None:
    pairs = [("BOOL", f"coil:{n}") for n in range(3, 14)] + [
        ("REAL", "hr:0"),
        ("INT", "hr:2"),
        ("INT", "hr:4"),
    ]
    tags = tags_of("modbus", "input", *pairs)
    image = InputImage(tags, {tag.name: 0 for tag in tags})
    runs = image.stage({tag.name: 1 for tag in tags}, bounded(123))
    assert [(run.area.kind, run.first, run.cells) for run in runs] == [
        ("coil", 3, 11),
        ("hr", 0, 3),
        ("hr", 4, 1),
    ]
    assert runs[0].data == b"\xff\x07"
    assert runs[1].data == struct.pack(">fh", 1.0, 1)
