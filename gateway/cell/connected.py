"""Which devices of a station are connected, and in words when one comes or goes; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.station import Device


class Connected:
    """Of ``devices``, by name; ``tell`` gets the words. ``lost`` are those that are not connected, and why:
    all at first."""

    def __init__(self, devices: Mapping[str, Device], tell: Callable[[str], None]) -> None:
        self.lost: dict[str, str] = dict.fromkeys(devices, "")
        self._devices, self._tell = devices, tell

    @property
    def all(self) -> bool:
        """Whether every device is connected."""
        return not self.lost

    def see(self, link: bool, lost: Mapping[str, str]) -> list[str]:
        """These are ``lost`` now; without a ``link`` and none said, all are. Those that were not before."""
        lost = lost or ({} if link else dict.fromkeys(self._devices, ""))
        gone: list[str] = []
        if not lost and not self.lost:
            return gone
        for name, device in self._devices.items():
            if (name in lost) == (name in self.lost):
                continue
            what = f"the {device.role}" if device.role in ("controller", "plant") else f"device {name}"
            if name not in lost:
                self._tell(f"{what} is connected")
                continue
            gone.append(name)
            self._tell(f"{what} is not connected" + (f": {lost[name]}" if lost[name] else ""))
        self.lost = dict(lost)
        return gone
