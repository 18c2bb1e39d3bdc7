"""Configuration is found in the documented order, and what is missing says where it was looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import config
from gateway.config import find_config, shipped
from gateway.errors import BadInput

NAME = "lines/press.yaml"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's folder as the working directory, with nothing in it yet."""
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where ``gateway`` lies, as far as the search can tell."""
    folder = tmp_path / "install" / "gateway"
    folder.mkdir(parents=True)
    monkeypatch.setattr(config, "__file__", str(folder / "config.py"))
    return folder


def put(folder: Path, name: str = NAME) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("version: 1\n")
    return path


def test_the_checkout_serves_where_nothing_else_does(own: Path, package: Path) -> None:
    expected = put(package.parent / "config")
    assert find_config(NAME) == expected


def test_the_wheel_goes_before_a_stranger_named_config(own: Path, package: Path) -> None:
    put(package.parent / "config")
    expected = put(package / "_config")
    assert find_config(NAME) == expected


def test_an_own_file_shadows_the_shipped_one_and_only_that(own: Path, package: Path) -> None:
    mine, theirs = put(own / "config"), put(package / "_config", "stations/press.yaml")
    put(package / "_config")
    assert find_config(NAME).resolve() == mine
    assert find_config("stations/press.yaml") == theirs


def test_a_name_as_written_in_the_checkout_is_found_from_anywhere(own: Path, package: Path) -> None:
    expected = put(package / "_config")
    assert find_config(f"config/{NAME}") == expected


def test_a_folder_is_found_too(own: Path, package: Path) -> None:
    put(package / "_config")
    assert find_config("lines") == package / "_config" / "lines"


def test_a_path_that_was_given_goes_before_all(own: Path, package: Path) -> None:
    put(own / "config")
    given = put(own, "else/where.yaml")
    assert find_config(NAME, given) == given


def test_a_given_path_that_is_missing_is_not_replaced_by_another(own: Path, package: Path) -> None:
    put(own / "config")
    with pytest.raises(BadInput, match=r"^else/where\.yaml: is not there"):
        find_config(NAME, Path("else/where.yaml"))


def test_what_is_nowhere_names_every_place_and_the_nearest(own: Path, package: Path) -> None:
    put(package / "_config")
    with pytest.raises(BadInput) as caught:
        find_config("lines/pres.yaml")
    text = str(caught.value)
    assert "config/lines/pres.yaml or" in text
    assert str(package / "_config" / "lines" / "pres.yaml") in text
    assert text.endswith("did you mean config/lines/press.yaml?")


def test_what_resembles_nothing_has_no_suggestion(own: Path, package: Path) -> None:
    with pytest.raises(BadInput, match=r"give a path that exists$"):
        find_config("zzz")


def test_in_this_checkout_it_is_the_folder_beside_the_packages() -> None:
    assert shipped() == Path(__file__).resolve().parents[2] / "config"
