"""Ids for other people's names: small letters and hyphens, unique, the same at every import; pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence

from gateway.yamlfile import identifier

LONGEST = 32
_GERMAN = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ẞ": "Ss"}
)
_HUMP = re.compile(r"(?<=[a-zäöüß0-9])(?=[A-ZÄÖÜ])|(?<=[A-ZÄÖÜ])(?=[A-ZÄÖÜ][a-zäöüß])")
_OTHER = re.compile(r"[^a-z0-9]+")


def is_id(text: str) -> bool:
    """Whether ``text`` is an id already."""
    try:
        identifier(text)
    except ValueError:
        return False
    return True


def slug(text: str) -> str:
    """``Tür_Zu`` as ``tuer-zu``, ``PartAtStop`` as ``part-at-stop``; "" where no letter or digit is left."""
    words = _HUMP.sub("-", unicodedata.normalize("NFC", text)).translate(_GERMAN)
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode()
    return _OTHER.sub("-", plain.lower()).strip("-")


def candidates(paths: Sequence[tuple[str, ...]]) -> list[str]:
    """An id for each path, not yet unique: without the parents that all share, 32 characters at most."""
    shared = _shared([path[:-1] for path in paths])
    return [_candidate(path[shared:]) for path in paths]


def unique(wanted: Sequence[str], taken: Collection[str]) -> list[str]:
    """``wanted`` with -2, -3 … where an id is taken, or wanted by an earlier one."""
    used = set(taken)
    counts: dict[str, int] = {}
    ids = []
    for base in wanted:
        number, name = counts.get(base, 1), base
        while name in used:
            number += 1
            tail = f"-{number}"
            name = base[: LONGEST - len(tail)].rstrip("-") + tail
        counts[base] = number
        used.add(name)
        ids.append(name)
    return ids


def _candidate(path: tuple[str, ...]) -> str:
    if len(path) == 1 and is_id(path[0]):
        return path[0]
    words = "-".join(filter(None, map(slug, path))).split("-")
    while len(words) > 1 and len("-".join(words)) > LONGEST:
        words.pop(0)  # what comes last says most
    name = "-".join(words) or "tag"
    if not name[0].isalpha():
        name = f"t{name}"
    return name[:LONGEST].rstrip("-")


def _shared(parents: list[tuple[str, ...]]) -> int:
    first = parents[0] if parents else ()
    for count, parts in enumerate(zip(*parents, strict=False)):
        if len(set(parts)) > 1:
            return count
    return min((len(each) for each in parents), default=len(first))
