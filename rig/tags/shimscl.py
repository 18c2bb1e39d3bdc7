"""The shim in SCL, for Siemens controllers: data blocks with the twin's values at the tags' offsets; pure.

No compiler for SCL is here: the statements are those that run in Structured Text, and the offsets those
that TIA Portal gives to blocks without optimised access.
"""

from __future__ import annotations

from gateway.errors import BadInput, Problem
from gateway.field.addresses import S7Address
from gateway.field.compound import ArrayType
from gateway.field.tags import Tag
from gateway.field.types import DataType
from rig.tags.datablock import Field, declare
from rig.tags.shimplan import BLOCK, Plan, heading, literal, logic, remark, stamp

_NAMES = {
    "BOOL": "Bool", "BYTE": "Byte", "WORD": "Word", "DWORD": "DWord", "LWORD": "LWord", "SINT": "SInt",
    "USINT": "USInt", "INT": "Int", "UINT": "UInt", "DINT": "DInt", "UDINT": "UDInt", "LINT": "LInt",
    "ULINT": "ULInt", "REAL": "Real", "LREAL": "LReal", "TIME": "Time",
}  # fmt: skip
_LETTERS = {1: "", 8: "B", 16: "W", 32: "D"}
_PLAIN = "{ S7_Optimized_Access := 'FALSE' }"
_TIMER = "{InstructionName := 'TON_TIME'; LibVersion := '1.0'} : TON_TIME"


def render(plan: Plan) -> str:
    """The source file. BadInput with every tag that lies where no variable of SCL can."""
    sites = _Sites(plan)
    flag = sites.of(plan.shim.commissioning.tag)
    if plan.shim.commissioning.bit >= 0:
        flag += f".%X{plan.shim.commissioning.bit}"
    twin = {each.tag.name: sites.of(each.tag.name) for each in plan.passages}
    beat = sites.of(plan.shim.heartbeat)
    shown = {sites.of(plan.shim.status): "#status", sites.of(plan.shim.stamp): stamp(plan)}
    blocks = sites.blocks()
    if sites.problems:
        raise BadInput(sites.problems)
    return "\n".join(
        [
            *heading(plan, _put_in(blocks), _TAKE_OUT),
            *(line for number, fields in blocks.items() for line in _data_block(number, fields)),
            f'FUNCTION_BLOCK "{BLOCK}"',
            _PLAIN,
            "VERSION : 0.1",
            *_variables(plan),
            "BEGIN",
            *logic(plan, "#", flag, beat, twin),
            *(f"{place} := {value};" for place, value in shown.items()),
            "END_FUNCTION_BLOCK",
            "",
            f'DATA_BLOCK "{BLOCK}DB"',
            _PLAIN,
            "VERSION : 0.1",
            "NON_RETAIN",
            f'"{BLOCK}"',
            "BEGIN",
            "END_DATA_BLOCK",
            "",
            "// The call, with the names of your tags:",
            *(f"//   {line}" for line in _call(plan)),
            "",
        ]
    )


def _put_in(blocks: dict[int, list[str]]) -> list[str]:
    return [
        "Import this file as an external source and generate its blocks.",
        *(f'Give data block "{_block_name(n)}" the number {n} (properties, manual).' for n in blocks),
        "Make a tag ..._real at the terminal of each input.",
        "Move the tag that the program reads to a free address in M; the program's statements stay.",
        "Put the call at the end of this file into the first network of OB1.",
        "Permit access with PUT/GET (properties of the CPU, protection), and load.",
    ]


_TAKE_OUT = (
    f'Delete the call, "{BLOCK}DB", "{BLOCK}", and the data blocks "TwinlineDB...".',
    "Move each tag back to its terminal, and delete the tags ..._real.",
)


def kind(type: DataType) -> str:
    """A type as SCL writes it."""
    if isinstance(type, ArrayType):
        return f"Array{type.name[5:].partition(' ')[0]} of {kind(type.element)}"
    return _NAMES.get(type.name, type.name.capitalize())


def _block_name(number: int) -> str:
    return f"TwinlineDB{number}"


class _Sites:
    """Where the tags lie, as SCL names it; remembers which data blocks that takes."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.problems: list[Problem] = []
        shim = plan.shim
        self._names = {each.tag.name: f"twin_{each.name}" for each in plan.passages}
        self._names.setdefault(shim.commissioning.tag, "twin_commissioning")
        self._names[shim.heartbeat] = "twin_heartbeat"
        self._names |= {shim.status: "shim_status", shim.stamp: "shim_stamp"}
        self._numbers: set[int] = set()

    def of(self, name: str) -> str:
        """The variable of the tag ``name``."""
        tag = self.plan.station.tags[name]
        address = tag.address
        assert isinstance(address, S7Address), f"{tag.text} is no S7 address"
        if address.area == "DB":
            self._numbers.add(address.db)
            return f'"{_block_name(address.db)}".{self._names[name]}'
        if address.area == "I":
            self._bad(tag, "is overwritten by the controller", "put it into a data block or M")
        elif tag.type.bits not in _LETTERS or tag.type.kind in ("string", "array"):
            what = f"is a {tag.type.name}, which has no address outside data blocks"
            self._bad(tag, what, "move it into one")
        else:
            bit = f".{address.bit}" if address.bit >= 0 else ""
            return f"%{address.area}{_LETTERS[tag.type.bits]}{address.byte}{bit}"
        return ""

    def blocks(self) -> dict[int, list[str]]:
        """The declarations of each data block that was asked for, with every tag of the station in it."""
        placed: dict[int, list[Field]] = {number: [] for number in sorted(self._numbers)}
        tags: dict[str, Tag] = {}
        controller = self.plan.station.controller.name
        for tag in self.plan.station.tags.values():
            address = tag.address
            if tag.device == controller and isinstance(address, S7Address) and address.db in placed:
                name = self._names.get(tag.name, f'"{tag.name}"')
                tags[name] = tag
                at = 8 * address.byte + max(address.bit, 0)
                placed[address.db].append(Field(name, kind(tag.type), tag.type, at, remark(tag)))
        return {
            number: declare(fields, lambda field, what, hint: self._bad(tags[field.name], what, hint))
            for number, fields in placed.items()
        }

    def _bad(self, tag: Tag, what: str, hint: str) -> None:
        self.problems.append(
            Problem(self.plan.station.file, tag.line, 0, f"{tag.name} at {tag.text} {what}", hint)
        )


def _data_block(number: int, fields: list[str]) -> list[str]:
    return [
        f'DATA_BLOCK "{_block_name(number)}"',
        _PLAIN,
        "VERSION : 0.1",
        "NON_RETAIN",
        "    STRUCT",
        *(f"        {line}" for line in fields),
        "    END_STRUCT;",
        "BEGIN",
        "END_DATA_BLOCK",
        "",
    ]


def _variables(plan: Plan) -> list[str]:
    kinds = {each: kind(each.tag.type) for each in plan.passages}
    heartbeat = kind(plan.station.tags[plan.shim.heartbeat].type)
    return [
        "VAR_INPUT",
        *(f"    real_{each.name} : {name}{_rest(each.tag)};" for each, name in kinds.items()),
        "END_VAR",
        "VAR_OUTPUT",
        *(f"    use_{each.name} : {name};" for each, name in kinds.items()),
        "END_VAR",
        "VAR",
        "    fresh, counted, alive, active, pulse : Bool;",
        f"    beat, last : {heartbeat};",
        "    status : Word;",
        f"    watchdog {_TIMER};",
        f"    second {_TIMER};",
        "END_VAR",
    ]


def _rest(tag: Tag) -> str:
    text = literal(tag)
    return f" := {text}" if text else ""


def _call(plan: Plan) -> list[str]:
    arguments = []
    for each in plan.passages:
        if each.wired:
            arguments.append(f'real_{each.name} := "{each.program}_real"')
        arguments.append(f'use_{each.name} => "{each.program}"')
    return [f'"{BLOCK}DB"(', *(f"    {line}," for line in arguments[:-1]), f"    {arguments[-1]}", ");"]
