"""Commands for when something is wrong: selftest, probe, logs, bundle."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cmd2 import Choices, with_annotated
from cmd2.annotated import Argument, Option

from gateway.local.checks.finding import Finding
from gateway.local.checks.run import selftest
from gateway.local.commands.options import Commands, Json, shell_of
from gateway.local.messages import AskLogs, Logs
from gateway.local.plain import as_json
from gateway.local.table import hanging

_COLUMN = 18


def _devices(commands: Commands) -> Choices:
    return Choices.from_values(shell_of(commands).station().reached)


class Support(Commands):
    """Of who looks for what is wrong."""

    DEFAULT_CATEGORY = "When something is wrong"

    @with_annotated
    def do_selftest(self, json: Json = False) -> None:
        """Check all from the disk to the devices: one line each, ok, or what is wrong and what to do."""
        shell = shell_of(self)
        found: list[Finding] = []
        for finding in selftest(shell.file):
            found.append(finding)
            if not json:
                shell.say(
                    hanging(f"{finding.standing:<5}  {finding.check:<{_COLUMN}} ", str(finding), shell.width)
                )
        if json:
            shell.say(as_json(found))
        wrong = sum(finding.standing == "WRONG" for finding in found)
        if wrong:
            shell.fail(f"{wrong} of {len(found)} checks found something wrong; begin with the first")

    @with_annotated
    def do_probe(
        self,
        what: Annotated[
            str | None, Argument(nargs="?", choices_provider=_devices, help_text="A device, or any URL.")
        ] = None,
        expect: Annotated[
            str, Option("--expect", metavar="ADDRESS=VALUE", help_text="A value seen on the machine.")
        ] = "",
        security: Annotated[str, Option("--security", metavar="POLICY", help_text="OPC UA.")] = "",
        json: Json = False,
    ) -> None:
        """Ask a device what it is and what can be read of it (the controller, if none is named)."""
        from gateway.field.probe.probe import command

        shell = shell_of(self)
        if what is None or "://" not in what:
            shell.check_station()
        devices = shell.config.addresses | {}
        name = what or shell.station().controller.name
        if "://" in name:
            url = name
        elif name in shell.station().reached:
            moved = shell.station().placed(shell.station().id, devices).moved(shell.config.ports)
            url = moved.reached[name].address
        else:
            shell.fail(f"{name} is no device", f"there are: {', '.join(shell.station().reached)}", 2)
            return
        expected = [expect] if expect else []
        if command(url, expected, "2 s", json, shell.say, security):
            shell.fail("it does not answer as asked", "selftest looks for the cause")

    @with_annotated
    def do_logs(
        self,
        count: Annotated[int, Argument(nargs="?", help_text="So many of the last lines (20).")] = 20,
        json: Json = False,
    ) -> None:
        """The last lines of the gateway's log, since it was started."""
        shell = shell_of(self)
        logs = shell.ask(AskLogs(count), Logs)
        lines: Iterable[str] = logs.lines
        if shell.stdout.isatty():  # else a line is a line, to be searched
            lines = (part for line in logs.lines for part in hanging("", line, shell.width))
        shell.tell(logs, lines, json)

    @with_annotated
    def do_bundle(
        self, file: Annotated[Path | None, Argument(nargs="?", help_text="Where to.")] = None
    ) -> None:
        """Write one file for support, with all that the shell knows; keys are not in it."""
        from gateway.local.bundle import bundle

        shell = shell_of(self)
        into = file or Path(f"twinline-{shell.name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.zip")
        members: list[str] = []
        try:
            bundle(shell.file, shell.config, into, members.append)
        except OSError as error:
            shell.fail(f"{into}: {error.strerror or error}", "name a place that can be written")
            return
        shell.say(hanging("", f"{into} holds {', '.join(members)}", shell.width))
