"""``python -m gateway.local [GATEWAY] [-c COMMAND]...``: the shell, where only the gateway is installed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gateway.errors import BadInput


def main() -> int:
    """The command line; the exit status is that of the shell."""
    from gateway.local.main import shell

    parser = argparse.ArgumentParser(prog="python -m gateway.local", description=__doc__)
    parser.add_argument("gateway", type=Path, nargs="?", help="gateway.json or its folder")
    parser.add_argument("-c", dest="commands", action="append", default=[], metavar="COMMAND")
    given = parser.parse_args()
    try:
        return shell(given.gateway, given.commands)
    except BadInput as bad:
        print(bad, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
