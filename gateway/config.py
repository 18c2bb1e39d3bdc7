"""Where configuration is found: a path that was given, then ./config, then what came with Twinline."""

from __future__ import annotations

import difflib
from pathlib import Path

from gateway.errors import BadInput, Problem


def find_config(name: str, explicit: Path | None = None) -> Path:
    """The file or folder ``name`` of the configuration, e.g. ``lines/starter.yaml``.

    ``config/lines/starter.yaml``, as one writes it in the checkout, means the same. A person's own
    ``./config`` shadows, file by file, what the wheel or the checkout brings. With ``explicit`` that
    path is the one, and nothing else is tried. BadInput names every place looked at.
    """
    if explicit is not None:
        if explicit.exists():
            return explicit
        raise BadInput([Problem(str(explicit), 0, 0, "is not there", "check the path")])
    name = Path(name).as_posix().removeprefix("config/")
    places = (Path("config"), shipped())
    for place in places:
        if (place / name).exists():
            return place / name
    tried = " or ".join(str(place / name) for place in places)
    raise BadInput([Problem(name, 0, 0, f"is in no configuration: no {tried}", _nearest(name, places))])


def shipped() -> Path:
    """The folder that came with Twinline: in an installed wheel, else in the checkout."""
    here = Path(__file__).resolve().parent
    # First the wheel's: beside an installed package, ``config`` may be anybody's.
    wheel = here / "_config"
    return wheel if wheel.is_dir() else here.parent / "config"


def _nearest(name: str, places: tuple[Path, ...]) -> str:
    known = {path.relative_to(place).as_posix() for place in places for path in place.rglob("*")}
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"did you mean config/{near[0]}?" if near else "give a path that exists"
