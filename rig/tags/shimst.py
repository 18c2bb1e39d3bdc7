"""The shim in Structured Text, for every controller but Siemens'; pure.

Variables stand where docs/mapping.md has them; ``Memory`` says where another controller's %M begins.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.controller.mapping import M_COILS, M_REGISTERS
from gateway.errors import BadInput, Problem
from gateway.field.addresses import ModbusAddress, OpcUaAddress, S7Address
from gateway.field.compound import ArrayType
from gateway.field.tags import Tag
from rig.tags.shimplan import BLOCK, Passage, Plan, heading, is_name, literal, logic, remark, stamp

INSTANCE = f"{BLOCK}1"
PARTS = ("// ===== 1: a function block of its own", "// ===== 2: into the program's declarations",
         "// ===== 3: the program's first statement")  # fmt: skip
_LETTERS = {1: "X", 8: "B", 16: "W", 32: "D", 64: "L"}
_PUT_IN = (
    "Put part 1 before the program.",
    "Rename each input of the program at its terminal: its new name is in part 2's remarks (real_...).",
    "Delete its declarations of inputs that have no terminal (commands).",
    "Put part 2 into the program's declarations; it declares the old names, so the statements stay.",
    "Where the program calls an input otherwise than proposed here, change that name in parts 2 and 3.",
    "Put part 3 before the program's first statement.",
)
_TAKE_OUT = (
    "Delete parts 1, 2 and 3.",
    "Give each real_... its old name again.",
)


class Memory(NamedTuple):
    """Which Modbus coil is the controller's %MX0.0, and which holding register its %MW0."""

    coils: int = M_COILS
    registers: int = M_REGISTERS


class _Declarations:
    """The variables that the gateway writes and reads, each declared once."""

    def __init__(self, plan: Plan, memory: Memory) -> None:
        self.plan, self.memory = plan, memory
        self.lines: list[str] = []
        self.problems: list[Problem] = []
        self._known: dict[str, str] = {}
        self._registers: set[str] = set()
        self._names = {each.program.lower(): each for each in plan.passages}

    def of(self, tag: Tag, name: str) -> str:
        """The expression for ``tag``; declares its variable, called ``name`` unless its address says how."""
        if tag.name not in self._known:
            try:
                self._known[tag.name] = self._declare(tag, name)
            except ValueError as error:
                what, _, hint = str(error).partition("; ")
                self.problems.append(
                    Problem(self.plan.station.file, tag.line, 0, f"{tag.name} at {tag.text} {what}", hint)
                )
                self._known[tag.name] = name
        return self._known[tag.name]

    def _declare(self, tag: Tag, name: str) -> str:
        address = tag.address
        if isinstance(address, OpcUaAddress):
            name = self._symbol(address)
            self._add(name, "", tag.type.name, tag)
        elif isinstance(address, ModbusAddress) and address.bit >= 0:
            name = f"twin_register_{address.index}"
            if name not in self._registers:  # its bits are tags of their own, and it is declared once
                self._registers.add(name)
                self._add(name, f" AT {self._register(address, 16)}", "WORD", tag)
            name = f"{name}.{address.bit}"
        else:
            where = self._modbus(tag, address) if isinstance(address, ModbusAddress) else _s7(tag, address)
            self._add(name, f" AT {where}", tag.type.name, tag)
        return name

    def _add(self, name: str, where: str, kind: str, tag: Tag) -> None:
        self.lines.append(f"    {name}{where} : {kind};  {remark(tag)}")

    def _modbus(self, tag: Tag, address: ModbusAddress) -> str:
        plain = tag.plain
        if plain.kind == "string" or (isinstance(tag.type, ArrayType) and plain.kind == "bool"):
            raise ValueError(
                f"is a {tag.type.name}, which no program has as Modbus has it; pass on its parts"
            )
        if address.table != "coil":
            return self._register(address, plain.bits)
        area, number = _area(address.index, self.memory.coils)
        return f"%{area}X{number // 8}.{number % 8}"

    def _register(self, address: ModbusAddress, bits: int) -> str:
        if address.table != "hr":
            raise ValueError("is among the controller's inputs, which no program writes; use hr or coil")
        area, number = _area(address.index, self.memory.registers)
        if number % (bits // 16):
            raise ValueError(
                f"is %{area}W{number}, where no {bits}-bit variable begins; use an even register"
            )
        return f"%{area}{_LETTERS[bits]}{number // (bits // 16)}"

    def _symbol(self, address: OpcUaAddress) -> str:
        node, named = address.node, "s=" in address.node
        name = node.rpartition("s=" if named else "/")[2].rpartition("." if named else ":")[2]
        if not is_name(name):
            raise ValueError("does not end in a variable's name; make a variable for the gateway to write")
        if name.lower() in self._names:
            raise ValueError(
                f"is {name}, as the program's own input may be called; make another variable for the gateway "
                f"to write, such as Twin{name}"
            )
        return name


def _area(index: int, memory: int) -> tuple[str, int]:
    """Area and number within it of a coil or register; the memory begins at ``memory``."""
    return ("M", index - memory) if index >= memory else ("Q", index)


def _s7(tag: Tag, address: S7Address) -> str:
    """As the virtual controller serves them: DB1 is %M, DB2 is %Q."""
    bits = tag.type.bits
    area = {("DB", 1): "M", ("M", 0): "M", ("DB", 2): "Q", ("Q", 0): "Q"}.get((address.area, address.db))
    if area is None:
        raise ValueError("is no memory of a Structured Text program; use --language scl")
    if bits not in _LETTERS:
        raise ValueError("is no elementary type; use --language scl")
    if bits == 1:
        return f"%{area}X{address.byte}.{address.bit}"
    if address.byte % (bits // 8):
        raise ValueError(f"is byte {address.byte}, where no {bits}-bit variable begins; move it")
    return f"%{area}{_LETTERS[bits]}{address.byte // (bits // 8)}"


def render(plan: Plan, memory: Memory | None = None) -> str:
    """The file. BadInput with every tag that no variable can stand for."""
    tags, shim = plan.station.tags, plan.shim
    declared = _Declarations(plan, memory or Memory())
    twin = {each.tag.name: declared.of(each.tag, f"twin_{each.name}") for each in plan.passages}
    flag = declared.of(tags[shim.commissioning.tag], "twin_commissioning")
    flag += f".{shim.commissioning.bit}" if shim.commissioning.bit >= 0 else ""
    beat = declared.of(tags[shim.heartbeat], "twin_heartbeat")
    status = declared.of(tags[shim.status], "shim_status")
    mark = declared.of(tags[shim.stamp], "shim_stamp")
    if declared.problems:
        raise BadInput(declared.problems)
    arguments = [f"commissioning := {flag}", f"heartbeat := {beat}"]
    for each in plan.passages:
        arguments.append(f"twin_{each.name} := {twin[each.tag.name]}")
        if each.wired:
            arguments.append(f"real_{each.name} := real_{each.name}")
        arguments.append(f"use_{each.name} => {each.program}")
    arguments += [f"status => {status}", f"stamp => {mark}"]
    return "\n".join(
        [
            *heading(plan, _PUT_IN, _TAKE_OUT),
            PARTS[0],
            *_block(plan),
            "",
            PARTS[1],
            "VAR",
            "    // The inputs as the program reads them",
            *(f"    {each.program} : {each.tag.type.name};  {_terminal(each)}" for each in plan.passages),
            "    // What the gateway writes and reads",
            *declared.lines,
            f"    {INSTANCE} : {BLOCK};",
            "END_VAR",
            "",
            PARTS[2],
            f"{INSTANCE}(",
            *(f"    {argument}," for argument in arguments[:-1]),
            f"    {arguments[-1]}",
            ");",
            "",
        ]
    )


def _terminal(each: Passage) -> str:
    if each.wired:
        return f"// at its terminal: real_{each.name}"
    return "// a command: no terminal, at its safe value without the twin"


def _block(plan: Plan) -> list[str]:
    kinds = {each.name: each.tag.type.name for each in plan.passages}
    rests = {each.name: f" := {text}" if (text := literal(each.tag)) else "" for each in plan.passages}
    heartbeat = plan.station.tags[plan.shim.heartbeat].type.name
    twin = {each.tag.name: f"twin_{each.name}" for each in plan.passages}
    return [
        f"FUNCTION_BLOCK {BLOCK}",
        "VAR_INPUT",
        "    commissioning : BOOL;",
        f"    heartbeat : {heartbeat};",
        *(f"    twin_{name} : {kind};" for name, kind in kinds.items()),
        *(f"    real_{name} : {kind}{rests[name]};" for name, kind in kinds.items()),
        "END_VAR",
        "VAR_OUTPUT",
        *(f"    use_{name} : {kind};" for name, kind in kinds.items()),
        "    status : WORD;",
        f"    stamp : DWORD := {stamp(plan)};",
        "END_VAR",
        "VAR",
        "    fresh, counted, alive, active, pulse : BOOL;",
        f"    beat, last : {heartbeat};",
        "    watchdog, second : TON;",
        "END_VAR",
        *logic(plan, "", "commissioning", "heartbeat", twin),
        f"stamp := {stamp(plan)};",
        "END_FUNCTION_BLOCK",
    ]
