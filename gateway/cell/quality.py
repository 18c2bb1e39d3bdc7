"""What is known of each value: after a loss it is bad, with its last value, and never silently old; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from gateway.field.tags import Tag

Quality = Literal["good", "uncertain", "bad"]


class Qualities:
    """The tags that are not good, in ``now``: all at first, before any device was heard."""

    def __init__(self, tags: Iterable[Tag]) -> None:
        self._device = {tag.name: tag.device for tag in tags}
        self.now: dict[str, Quality] = dict.fromkeys(self._device, "bad")
        self._told: object = None

    def see(
        self, lost: Mapping[str, str], refused: Mapping[str, str], uncertain: Collection[str]
    ) -> dict[str, Quality]:
        """What changed: ``lost`` devices, tags that are ``refused``, and those a device itself doubts."""
        told = (frozenset(lost), frozenset(refused), frozenset(uncertain))
        if told == self._told:
            return {}
        self._told = told
        now: dict[str, Quality] = {tag: "uncertain" for tag in uncertain if tag in self._device}
        now |= {tag: "bad" for tag in refused if tag in self._device}
        now |= {tag: "bad" for tag, device in self._device.items() if device in lost}
        before, self.now = self.now, now
        return {
            tag: now.get(tag, "good")
            for tag in self._device
            if now.get(tag, "good") != before.get(tag, "good")
        }
