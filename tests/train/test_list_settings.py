"""--list-settings: every setting of every recipe, with its type, value and meaning."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from savg.train.__main__ import main
from savg.train.recipe import get_recipe, override, recipe_names
from savg.train.settings import meanings, settings


@dataclass
class Base:
    """One of them.

    steps: how many (at least 1: see `width`); low, high: the two bounds; width is a share.
    """

    steps: int = 1
    low: float = 0.0
    high: float = 1.0
    width: float = 0.5


@dataclass
class Further(Base):
    """Another one. extra: more of it. Steps are taken one by one."""

    extra: int | None = None
    untold: bool = False


def test_meanings_are_read_from_the_docstrings_of_a_class_and_its_bases() -> None:
    assert meanings(Further) == {
        "extra": "more of it",
        "steps": "how many (at least 1: see `width`)",
        "low": "the two bounds",
        "high": "the two bounds",
        "width": "a share",
    }


@pytest.mark.parametrize("name", recipe_names())
def test_every_setting_is_listed_under_a_name_that_set_takes(name: str) -> None:
    recipe = get_recipe(name, "full")
    rows = settings(recipe)
    assert len({row.name for row in rows}) == len(rows) > 40
    for row in rows:
        if row.kind in ("int", "float", "bool", "tuple", "str"):
            value = row.value if row.value != "''" else ""
            assert override(recipe, [f"{row.name}={value}"]) == recipe, row
    assert [row.name for row in rows if not row.meaning] == []


def test_the_command_needs_no_folder(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["seld", "--list-settings", "--config", "tiny", "--steps", "77", "--set", "lr=0.25"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("optim.steps "))
    assert row.split() == ["optim.steps", "int", "77", "optimiser", "steps"]
    assert any(line.split()[:3] == ["optim.lr", "float", "0.25"] for line in lines)
    assert main(["seld", "--list-settings", "--set", "nothing=1"]) == 1
    assert "no setting 'nothing'" in capsys.readouterr().err
