"""``genesis.json``: how a line's chain begins, as a file that people can read and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from gateway.errors import BadInput, Problem
from ledger.genesis import Genesis
from ledger.records import Party
from ledger.shapes import converted, from_json

FORMAT = "genesis 2"
_FIELDS = tuple(field.name for field in msgspec.structs.fields(Genesis))
_PARTY = tuple(field.name for field in msgspec.structs.fields(Party))


def genesis_bytes(genesis: Genesis) -> bytes:
    """The file's bytes: JSON with every field by its name, keys and hashes in base64, and the genesis' id."""
    named: dict[str, Any] = {name: getattr(genesis, name) for name in _FIELDS}
    named["parties"] = [{name: getattr(party, name) for name in _PARTY} for party in genesis.parties]
    whole = {"format": FORMAT, "id": genesis.id.hex(), "chain": genesis.chain, **named}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n"


def read_genesis(data: bytes) -> Genesis:
    """What ``genesis_bytes`` wrote. Raises ValueError (msgspec's are such) with what is wrong in it."""
    named = from_json(data, dict[str, Any])
    if named.get("format") != FORMAT:
        raise ValueError(f"format {named.get('format')!r} is not known; this version reads {FORMAT!r}")
    parties = converted(named.get("parties"), list[dict[str, Any]])
    listed = [_array(party, Party, _PARTY) for party in parties]
    genesis = converted(_array({**named, "parties": listed}, Genesis, _FIELDS), Genesis)
    if genesis_bytes(genesis) != data:
        raise ValueError("it is not as it was written; restore it from where it was made")
    return genesis


def load_genesis(path: Path) -> Genesis:
    """The one in the file ``path``; BadInput."""
    try:
        return read_genesis(path.read_bytes())
    except OSError as error:
        problem = Problem(str(path), 0, 0, error.strerror or str(error), "name a genesis.json")
    except ValueError as error:
        what, _, hint = str(error).partition("; ")
        problem = Problem(str(path), 0, 0, f"no genesis: {what}", hint or "restore it from where it was made")
    raise BadInput([problem])


def _array(named: dict[str, Any], shape: type[msgspec.Struct], fields: tuple[str, ...]) -> list[Any]:
    """The values of ``shape`` in the order in which it is encoded."""
    tag = shape.__struct_config__.tag
    missing = [name for name in fields if name not in named]
    if missing:
        raise ValueError(f"a {shape.__name__.lower()} without {missing[0]!r}")
    return [*([tag] if tag else []), *(named[name] for name in fields)]
