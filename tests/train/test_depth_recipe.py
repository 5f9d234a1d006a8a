"""The depth network's recipe: what it is taught, its loss, and where it can learn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from savg.errors import SavgError
from savg.models.depth_net import DepthConfig
from savg.train.depth import DepthData, DepthRecipe
from savg.train.optim import draws
from savg.train.recipe import get_recipe
from savg.train.sources import Synthetic


@pytest.fixture(scope="module")
def recipe() -> DepthRecipe:
    tiny = get_recipe("depth", "tiny")
    assert isinstance(tiny, DepthRecipe)
    model = DepthConfig(channels=(8, 8, 8), input_size=(24, 40))
    return replace(tiny, model=model, degradation=replace(tiny.degradation, share=0.0), tint=0.0)


@pytest.fixture(scope="module")
def data(recipe: DepthRecipe, tmp_path_factory: pytest.TempPathFactory) -> DepthData:
    return recipe.open("synthetic", tmp_path_factory.mktemp("run"))


def test_images_come_with_their_depth(recipe: DepthRecipe, data: DepthData) -> None:
    assert len(data) == 4 and data.train["images"].shape == (4, 24, 40, 3)
    depths = data.train["depths"]
    assert depths.shape == (4, 12, 20) and depths.min() > 0.3 and depths.max() < 30
    assert np.ptp(depths, axis=(1, 2)).min() > 0.1
    assert not np.array_equal(data.valid["images"][0], data.train["images"][0])
    mirrored = 0
    for step in range(10):
        drawn = draws(4, 2, step, 0)
        images, found = recipe.batch(data, drawn)
        for draw, image, depth in zip(drawn, images, found, strict=True):
            plain = data.train["images"][draw.index].transpose(2, 0, 1)
            flipped = not np.array_equal(image.numpy(), plain)
            mirrored += flipped
            step_of = -1 if flipped else 1
            assert np.array_equal(image.numpy(), plain[..., ::step_of])
            assert np.array_equal(depth.numpy(), depths[draw.index][:, ::step_of])
    assert 3 <= mirrored <= 17


def test_the_loss_is_zero_for_the_truth_and_counts_steps(recipe: DepthRecipe) -> None:
    depth = torch.rand(2, 12, 20) + 1
    batch = (torch.zeros(2, 3, 24, 40, dtype=torch.uint8), depth)

    def loss(wrong: torch.Tensor) -> float:
        return float(recipe.loss(lambda _: depth.log() + wrong, batch, 0, 0)[0])  # type: ignore[arg-type]

    assert loss(torch.zeros_like(depth)) == pytest.approx(0, abs=1e-6)
    assert loss(torch.full_like(depth, 0.3)) == pytest.approx(0.3, abs=1e-5)
    stripes = torch.zeros_like(depth)
    stripes[..., ::2] = 0.6
    assert loss(stripes) == pytest.approx(0.3 + recipe.edges * 0.6, abs=1e-5)


def test_it_learns_a_few_frames(recipe: DepthRecipe, data: DepthData, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = recipe.build()
    before = recipe.evaluate(model, data, tmp_path / "a.png")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(40):
        optimizer.zero_grad()
        recipe.loss(model, recipe.batch(data, draws(4, 2, step, 0)), step, 0)[0].backward()
        optimizer.step()
    after = recipe.evaluate(model, data, tmp_path / "b.png")
    assert after["relative_error"] < before["relative_error"]
    assert 0 <= before["within_a_quarter"] <= after["within_a_quarter"] <= 1


def test_only_furnished_scenes_know_depth(recipe: DepthRecipe, tmp_path: Path) -> None:
    with pytest.raises(SavgError, match="--data synthetic"):
        recipe.open(str(tmp_path), tmp_path)
    drawn = replace(recipe, synthetic=Synthetic(worlds=("demo",), clips=(1,)))
    with pytest.raises(SavgError, match=r"world must be a furnished one, .* got 'demo'"):
        drawn.open("synthetic", tmp_path)
