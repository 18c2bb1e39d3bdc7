"""An answer as JSON: structs as objects by field, however they travel; pure."""

from __future__ import annotations

from typing import Any

import msgspec


def plain(value: Any) -> Any:
    """``value`` with every struct in it as a dictionary."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def as_json(value: Any) -> str:
    """``value`` as text, indented; a number that is none (NaN) is null."""
    return msgspec.json.format(msgspec.json.encode(plain(value)), indent=2).decode()
