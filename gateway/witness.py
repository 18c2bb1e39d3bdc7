"""A witness: a node that votes on its line's chain and has no station."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.agentfile import AgentConfig
from gateway.chain import chain_of
from gateway.errors import BadInput, Problem
from gateway.local.access import group_id
from gateway.local.desk import Desk
from gateway.local.recent import LOG
from gateway.local.witnessed import WitnessView
from gateway.net.identity import Identity
from gateway.store.journal import Journal


class Witness:
    """Of the line and chain in ``config``; BadInput where it names no chain, or another node than its key, or
    where one runs already with this state."""

    def __init__(self, config: AgentConfig) -> None:
        problems = []
        if not config.chain:
            problems.append(
                Problem("chain", 0, 0, "a witness needs a chain", "give the path of genesis.json")
            )
        identity = Identity.load(Path(config.key))
        if config.id != identity.node:
            what = f"the witness is {config.id or 'not named'}, its key is that of {identity.node}"
            problems.append(Problem("id", 0, 0, what, f"give id {identity.node}, or the right key"))
        if problems:
            raise BadInput(problems)
        self.node = identity.node
        chain = chain_of(config, identity)
        assert chain is not None
        self.chain = chain
        self.journal = Journal(Path(config.state) / "journal.sqlite")  # of a gateway: one runs here, no other
        self.shell = Desk(
            None, Path(config.state), group_id(config.group), WitnessView(config.line, chain, LOG)
        )
        self.ready, self.ending = asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        """Until ``ending`` is set."""
        self.chain.start()
        answering = asyncio.create_task(self.shell.run())
        self.ready.set()
        await self.ending.wait()
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        await asyncio.to_thread(self.chain.stop)
        self.journal.close()
