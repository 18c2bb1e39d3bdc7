"""Commands that look at the line: peers, net, chain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cmd2 import with_annotated

from gateway.local.checks.line import Heard, Voice, listen
from gateway.local.client import Unanswered
from gateway.local.commands.options import Commands, Json, shell_of
from gateway.local.messages import AskChain, AskNet, Chain, Net
from gateway.local.table import hanging, pairs, table

if TYPE_CHECKING:
    from gateway.local.shell import Shell

_REFUSED = ("stale", "malformed", "wrong_sender", "bad_signature", "retained_refused")
_DROPPED = ("dropped_down", "dropped_full", "dropped_inbox", "handler_errors")


class Surroundings(Commands):
    """Of the line."""

    DEFAULT_CATEGORY = "Line"

    @with_annotated
    def do_peers(self, json: Json = False) -> None:
        """Who is heard on the line: gateways, operators, and by how much their clocks are ahead."""
        shell = shell_of(self)
        heard = _listen(shell)
        neighbours = shell.config.neighbours
        expected = {*neighbours.upstream, *neighbours.downstream.values()}
        rows = [_peer(voice) for _, voice in sorted(heard.voices.items())]
        silent = sorted(expected - heard.voices.keys())
        rows += [(node, "not heard", "", "a neighbour of this station") for node in silent]
        shell.tell(heard.voices, table(("node", "is", "clock", "says"), rows, shell.width), json)
        if json:
            return
        if all(why for why, _ in heard.brokers.values()):
            shell.say("no broker answers, so nobody can be heard; net says why")
        elif not rows:
            shell.say("nobody is heard")

    @with_annotated
    def do_net(self, json: Json = False) -> None:
        """The brokers: up or not, how fast; what was sent and received; and the clocks of the others."""
        shell = shell_of(self)
        try:
            net = shell.ask(AskNet(), Net)
        except Unanswered as unanswered:
            net = Net({}, {}, {})
            shell.fail(unanswered.why, unanswered.do, 3)
        heard = _listen(shell)
        shell.tell({"agent": net, "heard": heard._asdict()}, _net(net, heard, shell.width), json)

    @with_annotated
    def do_chain(self, json: Json = False) -> None:
        """The ledger, as this gateway has it."""
        shell = shell_of(self)
        chain = shell.ask(AskChain(), Chain)
        facts = list(chain.facts.items())
        shell.tell(chain, [chain.absent] if chain.absent else pairs(facts, shell.width), json)


def _listen(shell: Shell) -> Heard:
    own = shell.config.id or shell.station().id
    return listen(shell.config.line, own, shell.config.brokers, shell.config.tls_files)


def _peer(voice: Voice) -> tuple[str, str, str, str]:
    state = voice.state
    if state is None:
        return voice.node, "operator", _clock(voice), ""
    says = [f"lease: {state.holder}" if state.holder else "", state.problem]
    forces = [f"{ref} (does not hold)" if ref in state.overwritten else ref for ref in state.forces]
    says += [f"forces: {', '.join(forces)}" if forces else ""]
    standing = "there" if voice.live and state.online else "gone"
    return voice.node, standing, _clock(voice), "; ".join(filter(None, says))


def _clock(voice: Voice) -> str:
    return f"{voice.ahead / 1e6:+.0f} ms" if voice.live else ""


def _net(net: Net, heard: Heard, width: int) -> Iterator[str]:
    for url, (why, took) in heard.brokers.items():
        joined = {True: "the gateway is connected", False: "the gateway is not connected"}
        agent = joined.get(net.brokers[url], "") if url in net.brokers else ""
        text = why or f"answers in {took / 1e6:.1f} ms"
        yield from hanging(f"{url}  ", "; ".join(filter(None, (text, agent))), width)
    counted = net.counted
    if counted:
        refused = [f"{count} {cause}" for cause, count in net.refused.items()]
        yield from pairs(
            [
                ("sent", f"{counted['published']}, not sent {sum(counted[name] for name in _DROPPED)}"),
                ("received", f"{counted['received']}, refused {sum(counted[name] for name in _REFUSED)}"),
                ("commands", f"refused: {', '.join(refused) or 'none'}"),
            ],
            width,
        )
    live = [voice for voice in heard.voices.values() if voice.live]
    text = ", ".join(f"{voice.node} {_clock(voice)}" for voice in live) or "nobody is heard to compare with"
    yield from hanging("clocks of others against this one: ", text, width)
