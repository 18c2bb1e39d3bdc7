"""``python -m rig`` is the command ``twinline``."""

from rig.cli import main

main()
