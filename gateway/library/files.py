"""The library as it lies on the disk: what came with Twinline, under a person's own ./config."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import yaml

from gateway.config import shipped
from gateway.errors import BadInput, Problem
from gateway.library.library import Library
from gateway.yamlfile import compose, read_text

FOLDER, PATTERNS = "library", "programs/patterns"
State = tuple[tuple[str, int, int], ...]


def load_library() -> Library:
    """The library; BadInput with every problem of its files as such. Read once, until a file changes."""
    places = _places()
    files = [path for place in places for path in sorted((place / FOLDER).glob("*.yaml"))]
    files += [path for place in places for path in sorted((place / PATTERNS).glob("*.st"))]
    return _load(tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files))


@lru_cache(maxsize=4)
def _load(files: State) -> Library:
    problems: list[Problem] = []
    patterns: dict[str, str] = {}
    roots: list[tuple[yaml.Node, str]] = []
    for file, _, _ in files:
        path = Path(file)
        if path.suffix == ".st":
            patterns[path.stem] = file  # a person's own come last
            continue
        try:
            root = compose(read_text(path), file, problems)
        except BadInput as bad:
            problems += bad.problems
            continue
        if root is not None:
            roots.append((root, file))

    def pattern(name: str) -> tuple[str, str] | None:
        return (read_text(Path(patterns[name])), patterns[name]) if name in patterns else None

    library = Library(pattern)
    for root, file in roots:
        library.add(root, file, problems)
    if problems:
        raise BadInput(problems)
    return library


def _places() -> list[Path]:
    """Where configuration lies, a person's own last."""
    own, ours = Path("config"), shipped()
    same = own.is_dir() and own.resolve() == ours.resolve()
    return [own] if same else [ours, own]
