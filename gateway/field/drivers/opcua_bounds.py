"""Bounds what the OPC UA library makes of a hostile answer; imported for that alone.

A variant of no type takes no bytes, so six bytes may claim an array of 2^31 of them, of which the library
would make a list: 17 GB, and minutes in which nothing else runs.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import Primitives1
from asyncua.ua.uaerrors import UaError

MOST = 65536


class Nothing:
    """The primitive of variants without a type, as the library's other primitives are made."""

    @staticmethod
    def pack(value: object) -> bytes:
        """No bytes."""
        return b""

    @staticmethod
    def unpack(data: Buffer) -> None:
        """No value."""

    @staticmethod
    def pack_array(values: Sequence[object] | None) -> bytes:
        """Their count alone."""
        return struct.pack("<i", -1 if values is None else len(values))

    @staticmethod
    def unpack_array(data: Buffer, length: int) -> list[None]:
        """At most ``MOST`` of them; UaError past that."""
        if not 0 <= length <= MOST:
            raise UaError(f"an array of {length} times nothing")
        return [None] * length


setattr(Primitives1, ua.VariantType.Null.name, Nothing)  # the library looks it up by name
