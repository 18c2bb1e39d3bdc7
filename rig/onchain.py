"""A session's part in the chain of its line, where that has one: from its beginning to its manifest final."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from rig.backend import RigFault
from rig.chain import NotFinal, RigChain, Settled
from rig.coordinator import Coordinator
from rig.evidence import writing
from rig.notary import Notary, describe
from rig.record import Record
from rig.session import Session


class OnChain:
    """Of the ``session`` whose evidence is in ``folder``; without a ``chain`` nothing is done.

    What the disk refuses is EvidenceFailed everywhere.
    """

    def __init__(self, chain: RigChain | None, session: Session, folder: Path) -> None:
        self._chain, self._session, self._folder = chain, session, folder
        self._notary: Notary | None = None  # once the chain is followed

    def begin(self) -> None:
        """The line has started: the session is recorded, and gets who plans its operations; RigFault."""
        if self._chain is None:
            return
        line = self._session.line
        check_may_run(self._chain)
        self._notary = Notary(self._chain, self._folder, line.id)
        with writing(self._folder):
            self._notary.open()
        if line.bills.operations:
            self._session.coordinator = Coordinator(self._chain, line.bills)

    def inspect(self) -> str:
        """Have recorded what became of the plan; why that is not final, empty if it is. A chain that is slow
        or gone ends nothing."""
        if self._session.coordinator is None:
            return ""
        try:
            with writing(self._folder):
                self._session.coordinator.inspect(self._folder)
        except NotFinal as failed:
            return f"the inspections are not final: {failed}"
        return ""

    def close(self, record: Record, hurry: bool) -> tuple[Settled | NotFinal | None, list[str]]:
        """The manifest's record, None without a chain; and what that says to a person, a line each."""
        final = self._make_final(record, hurry)
        return final, describe(self._folder, final, self._chain)

    def _make_final(self, record: Record, hurry: bool) -> Settled | NotFinal | None:
        if self._chain is None:
            return None
        if self._notary is None:
            return NotFinal("the line did not start")
        try:
            with writing(self._folder):
                return self._notary.close(record, hurry)
        except NotFinal as failed:
            return failed


def check_may_run(chain: RigChain) -> None:
    """RigFault where what the operator opens would mean nothing; where that cannot be told now, the session's
    end says it."""
    with suppress(NotFinal):
        chain.follow()
        if not _dispatches(chain):  # maybe it does since the blocks that we lack
            chain.catch_up()
            if not _dispatches(chain):
                raise RigFault(
                    f"{chain.operator} runs no sessions on the line's chain, so nothing would become final; "
                    f"a commissioner lets it: twinline ledger enroll {chain.operator} --dispatch"
                )


def _dispatches(chain: RigChain) -> bool:
    party = chain.state.parties.get(chain.operator)
    return party is not None and party.dispatcher
