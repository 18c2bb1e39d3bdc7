"""Which family an S7 CPU is of, and what is to be changed in its project where it refuses; pure."""

from __future__ import annotations

import re
from typing import NamedTuple

PROTECTED = ("access not allowed", "function not available", "access to object refused")
"""What a CPU says whose settings keep others from its data."""
_ORDER = re.compile(r"6ES7 ?(\d\d\d)")


class Family(NamedTuple):
    """What to change where the CPU protects its data (``access``), where a block does not seem to be there
    (``block``); ``disabled`` is what that access is called, and ``{}`` stands for tags in the short forms."""

    access: str
    block: str
    disabled: str
    short_access: str
    short_block: str


_CHECK = "check the address of {} in the station file; the data block must exist"
NEW = Family(
    "S7-1200 and S7-1500: tick 'Permit access with PUT/GET communication from remote partner' in the CPU's "
    "properties under 'Protection & Security', 'Connection mechanisms', and download the hardware",
    "S7-1200 and S7-1500: a data block with 'Optimized block access' looks as if it did not exist; untick it "
    "in the block's properties under 'Attributes', compile and download",
    "PUT/GET is disabled",
    "permit PUT/GET in the CPU's protection settings and switch off 'optimized block access' "
    "of the data block of {}",
    f"{_CHECK}, be long enough, and have 'optimized block access' off",
)
CLASSIC = Family(
    "S7-300 and S7-400: set 'Protection' in the CPU's properties to no protection (level 1), take "
    "'write-protected in the device' off the data block, and download",
    "S7-300 and S7-400: no data block that was asked for is loaded; load the program's blocks",
    "the CPU or the data block is protected",
    "set the CPU's protection to level 1 (none), and take 'write-protected in the device' off the data "
    "block of {}",
    f"{_CHECK} and be long enough",
)

_BEGINS = {"3": CLASSIC, "4": CLASSIC, "15": CLASSIC, "671": CLASSIC, "2": NEW, "5": NEW, "672": NEW}
"""Order numbers: 15. are ET 200S and ET 200pro, 671 and 672 what runs on a PC."""


def slot_of(address: str) -> int:
    """The slot in the address of an S7 device, ``s7://host:port/rack/slot``; 1 where it is left out."""
    slot = address.rstrip("/").rpartition("/")[2]
    return int(slot) if slot.isdecimal() else 1


def family(product: str, slot: int) -> Family:
    """By the order number that begins ``product``, where the CPU tells one; else by the ``slot`` in which it
    answers: an S7-1200 or S7-1500 does in 0 and 1, an S7-300 or S7-400 in 2 and above."""
    order = _ORDER.search(product)
    if order is not None:
        for begins, found in _BEGINS.items():
            if order[1].startswith(begins):
                return found
    return CLASSIC if slot >= 2 else NEW
