"""`--set world=NAME`: every recipe that draws synthetic clips draws them from the named worlds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from savg.errors import SavgError
from savg.train.recipe import get_recipe, override, recipe_names
from savg.train.sources import Synthetic


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_takes_a_world(name: str) -> None:
    recipe = get_recipe(name, "tiny")
    count = sum(recipe.synthetic.clips)
    changed = override(recipe, ["world=furnished"])
    assert changed.synthetic.worlds == ("furnished",)
    assert changed.synthetic.clips == (count,)
    if hasattr(recipe, "valid"):
        assert changed.valid.worlds == ("furnished",)
        assert changed.valid.split == "valid"
    assert replace(changed.synthetic, worlds=("demo",)) == replace(
        recipe.synthetic, worlds=("demo",), clips=(count,)
    )


def test_mixes_share_the_clips_equally() -> None:
    seld = override(get_recipe("seld", "full"), ["world=mixed"])
    assert seld.synthetic.worlds == ("furnished", "furnished1", "furnished2", "varied")
    assert seld.synthetic.clips == (5000,) * 4
    three = Synthetic(("demo",), (10,)).with_world("demo, varied,furnished")
    assert three.worlds == ("demo", "varied", "furnished")
    assert sum(three.clips) == 10
    assert max(three.clips) - min(three.clips) == 1


def test_unknown_worlds_and_too_many_are_refused() -> None:
    recipe = get_recipe("yolox", "tiny")
    with pytest.raises(SavgError, match=r"world must be among demo, .*, mixed, got 'moon'\."):
        override(recipe, ["world=moon"])
    with pytest.raises(SavgError, match="one count ≥ 1 for each world"):
        override(recipe, ["world=mixed"])
