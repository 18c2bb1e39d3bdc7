"""The safe state as it comes about, in words: what stands in its way, and that it is driven; pure."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping

from gateway.cell.gate import Gate


class Safing:
    """Of the inputs at ``gate``; ``tell`` gets the words.

    ``driven``: the devices hold their safe values by now, and that is to be told.
    """

    def __init__(self, gate: Gate, tell: Callable[[str], None]) -> None:
        self.driven = False
        self._gate, self._tell = gate, tell
        self._told: frozenset[str] = frozenset()  # what stood in the way so far

    def end(self, refused: Container[str]) -> None:
        """Tell that it is driven, if that is to be told, and what the controller has ``refused``."""
        if not self.driven:
            return
        self.driven = False
        missing = sorted(tag for tag in self._gate.inputs if tag in refused)
        but = f", but for what the controller refuses: {', '.join(missing)}" if missing else ""
        self._tell(f"the safe state is driven{but}")

    def look(self, refused: Mapping[str, str], lost: Container[str]) -> None:
        """What stands in its way is told once, with what devices say to it (``refused``, by tag); not that
        some of them are ``lost``."""
        gate = self._gate
        if gate.state != "safing":
            self._told = frozenset()
            return
        unknown = [tag for tag in gate.unknown() if gate.inputs[tag].device not in lost]
        undriven = frozenset((*gate.refused, *unknown))
        if undriven - self._told:
            told = [f"{tag} is refused{_reason(refused.get(tag, ''))}" for tag in sorted(gate.refused)]
            told += [f"{tag} has no number now, for its formula's tags are not known" for tag in unknown]
            self._tell(f"not driven yet, and tried again: {'; '.join(told)}")
        self._told |= undriven


def _reason(why: str) -> str:
    return f": {why}" if why else ""
