"""What all printed pages share: the look, the foot of each sheet, and that no text of a file is markup."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rig.report import wording


def look(foot: str, more: str = "") -> dict[str, Markup | str]:
    """``style`` and ``style_hash`` for a page: the common style sheet, ``more`` of its own, and ``foot`` at
    the foot of every printed sheet."""
    escaped = re.sub(r"[^A-Za-z0-9 -]", lambda found: f"\\{ord(found[0]):x} ", wording.one_line(foot))
    sheet = files("rig.report").joinpath("report.css").read_text(encoding="utf-8")
    style = f'{sheet}{more}@page {{ @bottom-left {{ content: "{escaped}"; }} }}\n'
    return {
        "style": Markup(style),
        "style_hash": b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    }


def environment(package: str) -> Environment:
    """For the templates that lie in ``package``."""
    return Environment(
        loader=PackageLoader(package, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: wording.clean(value) if type(value) is str else value,
    )
