"""Bytes as a value of a shape: the one place where threads may learn what a shape is.

msgspec keeps what it knows of a class on the class while it still finds it out (0.22), and a second thread
that decodes meanwhile reads what is not there: the process ends. Whoever learns a shape here waits its turn;
once it is known, nobody waits.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any, TypeVar, overload

import msgspec

T = TypeVar("T")
_turn = threading.Lock()
_KEPT = 256  # decoders; a shape is a class or a union of classes, so their number is that of the code's


@overload
def unpacked(data: bytes, shape: type[T]) -> T: ...
@overload
def unpacked(data: bytes, shape: Any) -> Any: ...  # a union, say
def unpacked(data: bytes, shape: Any) -> Any:
    """MessagePack ``data`` as a ``shape``; raises msgspec.MsgspecError where it is none."""
    return _unpacker(shape).decode(data)


@overload
def from_json(data: bytes, shape: type[T]) -> T: ...
@overload
def from_json(data: bytes, shape: Any) -> Any: ...  # a union, say
def from_json(data: bytes, shape: Any) -> Any:
    """JSON ``data`` as a ``shape``; raises msgspec.MsgspecError where it is none."""
    return _json(shape).decode(data)


@overload
def converted(value: Any, shape: type[T]) -> T: ...
@overload
def converted(value: Any, shape: Any) -> Any: ...  # a union, say
def converted(value: Any, shape: Any) -> Any:
    """``value`` (lists, numbers, texts, tables of them) as a ``shape``; raises msgspec.ValidationError."""
    _unpacker(shape)  # learns it in its turn; what is known then is known to convert, too
    return msgspec.convert(value, shape)


@lru_cache(maxsize=_KEPT)
def _unpacker(shape: Any) -> msgspec.msgpack.Decoder[Any]:
    with _turn:
        return msgspec.msgpack.Decoder(shape)


@lru_cache(maxsize=_KEPT)
def _json(shape: Any) -> msgspec.json.Decoder[Any]:
    with _turn:
        return msgspec.json.Decoder(shape)
