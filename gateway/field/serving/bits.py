"""Bits by number in bytes, packed as Modbus sends them: the first in the lowest bit of byte 0; pure."""

from __future__ import annotations


def cut(space: bytes | bytearray, first: int, count: int) -> bytes:
    """``count`` bits from bit ``first`` of ``space``, in ceil(count / 8) bytes."""
    window = int.from_bytes(space[first // 8 : (first + count + 7) // 8], "little") >> first % 8
    return (window & (1 << count) - 1).to_bytes((count + 7) // 8, "little")


def put(space: bytearray, first: int, count: int, bits: int) -> None:
    """Set ``count`` bits from bit ``first`` of ``space`` to the low bits of ``bits``; the others stay."""
    low, high, shift = first // 8, (first + count + 7) // 8, first % 8
    mask = (1 << count) - 1
    kept = int.from_bytes(space[low:high], "little") & ~(mask << shift)
    space[low:high] = (kept | (bits & mask) << shift).to_bytes(high - low, "little")
