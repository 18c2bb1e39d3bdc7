"""Commands that write: lease, force, release; under the lease that the cell grants, as to a rig."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from cmd2 import with_annotated
from cmd2.annotated import Argument, Option

from gateway.field.refs import TagRef, read_ref
from gateway.field.types import TYPES, Value
from gateway.local.commands.looking import clock, show
from gateway.local.commands.options import Commands, InputName, Json, MaybeInput, shell_of
from gateway.local.holding import PRESENT_S, Holding
from gateway.local.messages import AskLease, LeaseShown
from gateway.local.table import hanging, pairs
from gateway.net.messages import Force, Free
from gateway.station import Station

SEEN_S = 0.25  # in which the gateway reads a force back
_TAKEN = (
    "You hold the lease: the twin drives all inputs of the station now, and who stands there sees it move. "
    f"It ends with 'lease give', with this shell, or after {PRESENT_S / 60:g} minutes without a command; "
    "then the safe state is driven."
)


class Writing(Commands):
    """Of a person who is there."""

    DEFAULT_CATEGORY = "Writing"

    @with_annotated
    def do_lease(
        self,
        action: Annotated[
            Literal["show", "take", "give"], Argument(nargs="?", help_text="Left out: show.")
        ] = "show",
        break_: Annotated[
            bool,
            Option(
                "--break", action="store_true", help_text="With take: from whoever holds it; on the record."
            ),
        ] = False,
        json: Json = False,
    ) -> None:
        """Who may write; take the lease for this shell, or give it back."""
        shell = shell_of(self)
        if action == "take" and shell.lease is None:
            shell.check_station()
            shell.lease = Holding(shell.folder, self._lost, breaks=break_)
            shell.refresh_prompt()
            shell.say(hanging("", _TAKEN, shell.width))
        elif action == "give":
            if shell.lease is None:
                shell.fail("this shell holds no lease", "lease shows who does")
                return
            shell.end_lease()
            shell.say("given back: forces have ended, the safe state is driven")
        else:
            lease = shell.ask(AskLease(), LeaseShown)
            shell.tell(lease, pairs(_lease(lease, shell.lease is not None), shell.width), json)

    @with_annotated
    def do_force(
        self, tag: InputName, value: Annotated[str, Argument(help_text="true, false, 12, 2.5, 16#FF.")]
    ) -> None:
        """Hold an input, or one bit of it, at a value until it is released; needs 'lease take' first."""
        shell = shell_of(self)
        if shell.lease is None:
            shell.fail("this shell holds no lease", "take it first: lease take")
            return
        try:
            ref = read_ref(tag)
            read = _value(ref, value, shell.station())
        except ValueError as error:
            shell.fail(str(error), status=2)
            return
        why = shell.lease.act(Force(ref, read))
        if why:
            shell.fail(f"not forced: {why}")
            return
        time.sleep(SEEN_S)
        found = shell.ask(AskLease(), LeaseShown).overwritten.get(str(ref))
        if found is None:
            shell.say(f"{ref} is held at {show(read)}")
        else:
            shell.fail(f"{ref} does not hold: it is {show(found)}", "find out who writes it")

    @with_annotated
    def do_release(self, tag: MaybeInput = None) -> None:
        """End a force, or all of them: the inputs show again what the twin does."""
        shell = shell_of(self)
        if shell.lease is None:
            shell.fail("this shell holds no lease", "only who forces can release; lease shows who does")
            return
        forced = list(shell.ask(AskLease(), LeaseShown).forces)
        if tag is not None and tag not in forced:
            shell.fail(f"{tag} is not forced", f"forced: {', '.join(forced) or 'nothing'}")
            return
        for each in [tag] if tag is not None else forced:
            why = shell.lease.act(Free(read_ref(each)))
            if why:
                shell.fail(f"{each} is not released: {why}")
                return
            shell.say(f"{each} is released")
        if not forced:
            shell.say("nothing is forced")

    def _lost(self, why: str) -> None:
        """On the lease's own thread: the person is told at once, wherever the prompt stands."""
        shell = shell_of(self)
        shell.lease = None
        shell.refresh_prompt()
        if shell.stdin.isatty():
            shell.add_alert(msg=why, prompt=shell.prompt)
        else:
            shell.fail(why)


def _value(ref: TagRef, text: str, station: Station) -> Value:
    """ValueError("what was wrong; what would be right")."""
    if ref.tag not in station.tags:
        raise ValueError(f"{ref.tag} is no tag of {station.id}; 'tags' shows them")
    if ref.bit >= 0:
        return TYPES["BOOL"].parse(text)
    return station.tags[ref.tag].part(ref).parse(text)


def _lease(lease: LeaseShown, own: bool) -> list[tuple[str, str]]:
    held = f"{lease.holder}, for {lease.left / 1e9:.1f} s unless renewed" if lease.holder else "nobody"
    held = f"this shell, as {held}" if own and lease.holder else held
    return [
        ("held by", held),
        ("since", clock(lease.since)[:8] if lease.since else ""),
        ("token", str(lease.token)),
        ("write gate", lease.gate),
        *((f"force {ref}", _force(ref, value, lease)) for ref, value in lease.forces.items()),
    ]


def _force(ref: str, value: Value, lease: LeaseShown) -> str:
    if ref not in lease.overwritten:
        return show(value)
    return f"{show(value)}, which does not hold: it is {show(lease.overwritten[ref])}"
