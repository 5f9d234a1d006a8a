"""StereoSync's recipe: the person who sounds, mirroring, what is frozen, its two stages, one clip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from savg.annotation import Boxes, ClipLabels
from savg.errors import CheckpointError, SavgError
from savg.format import ClipFormat
from savg.hub import Card, save_component
from savg.models.stereosync import StereoSync
from savg.train.optim import draws
from savg.train.recipe import get_recipe
from savg.train.stereosync import StereoSyncRecipe
from savg.train.stereosync_data import SteeredSet, followed, mirrored, statistics

CARD = Card("MIT", "random")
EMPTY = ClipLabels(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def recipe() -> StereoSyncRecipe:
    tiny = get_recipe("stereosync", "tiny")
    assert isinstance(tiny, StereoSyncRecipe)
    return tiny


@pytest.fixture(scope="module")
def data(recipe: StereoSyncRecipe, tmp_path_factory: pytest.TempPathFactory) -> SteeredSet:
    return recipe.open("synthetic", tmp_path_factory.mktemp("run"))


def test_the_person_who_sounds_is_followed() -> None:
    frames = np.repeat(np.arange(8), 2)
    corners = np.tile([[10, 90, 30, 150], [200, 90, 240, 150.0]], (8, 1))
    boxes, format = Boxes(frames, np.zeros(16), corners), ClipFormat(frames=8, fps=4)
    for x, first in ((25.0, 10), (180.0, 200)):
        labels = ClipLabels(np.arange(20), np.zeros(20), np.full(20, x), np.full(20, 70.0))
        person = followed(boxes, labels, format)
        assert person is not None and person.xyxy[0, 0] == pytest.approx(first, abs=2)
    largest = followed(boxes, EMPTY, format)
    assert largest is not None and largest.xyxy[0, 0] == pytest.approx(200, abs=2)
    assert followed(Boxes.empty(), EMPTY, format) is None


def test_a_mirrored_clip_is_mirrored_as_a_whole(recipe: StereoSyncRecipe, data: SteeredSet) -> None:
    plain, flipped = recipe._item(data, 0, False), recipe._item(data, 0, True)
    left, right = plain[0].chunk(2, dim=1)
    assert torch.equal(flipped[0], torch.cat((right, left), dim=1))
    assert not torch.equal(plain[0], flipped[0])
    known = ~plain[1].isnan().any(dim=1)
    assert known.any()
    torch.testing.assert_close(flipped[1][known][:, 0], 256 - plain[1][known][:, 2])
    assert torch.equal(plain[2], flipped[2]) and torch.equal(plain[3], flipped[3])
    boxes = np.array([[10, 1, 30, 2], [np.nan] * 4], np.float32)
    assert mirrored(boxes, 256)[0].tolist() == [226, 1, 246, 2]
    assert np.isnan(mirrored(boxes, 256)[1]).all()


def test_latents_are_normalised_alike_in_both_channels(
    recipe: StereoSyncRecipe, data: SteeredSet
) -> None:
    mean, deviation = statistics(data)
    means = data.maps["moments"][:, 0].reshape(3, 2, 2, -1)  # clips, channels, values, latents
    means = np.moveaxis(means, 2, 0).reshape(2, -1)
    for half in (slice(0, 2), slice(2, 4)):
        np.testing.assert_allclose(mean[0, half, 0], means.mean(1), atol=1e-5)
        np.testing.assert_allclose(deviation[0, half, 0], means.std(1), atol=1e-4)
    model = recipe.build()
    recipe.fit(model, data)
    assert isinstance(model, StereoSync) and torch.equal(model.latent_mean, mean)


@pytest.mark.parametrize("stage", ["base", "branch"])
def test_a_step_changes_what_its_stage_trains_and_nothing_else(
    recipe: StereoSyncRecipe, data: SteeredSet, stage: str
) -> None:
    recipe = replace(recipe, stage=stage, optim=replace(recipe.optim, weight_decay=0.1))  # type: ignore[arg-type]
    torch.manual_seed(0)
    model = recipe.build()
    recipe.fit(model, data)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = recipe.optimizer(model)
    recipe.loss(model, recipe.batch(data, draws(3, 2, 0, 0)), 0, 0)[0].backward()
    optimizer.step()
    changed = {k for k, value in model.state_dict().items() if not torch.equal(before[k], value)}
    own = ("network.",) if stage == "base" else ("control.", "tokens.")
    assert changed and all(key.startswith(own) for key in changed)
    assert "control.conv_outs.0.weight" in changed or stage == "base"


def test_the_branch_begins_with_a_trained_base(
    recipe: StereoSyncRecipe, data: SteeredSet, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    base = replace(recipe, stage="base").build()
    assert isinstance(base, StereoSync)
    base.latent_mean.fill_(3.0)
    torch.nn.init.normal_(base.network.transformer.layers[0].self_attn.to_out.weight)
    save_component(base, tmp_path / "base", "stereosync", CARD)
    model = recipe.build()
    replace(recipe, base=str(tmp_path / "base")).fit(model, data)
    assert isinstance(model, StereoSync)
    for key, value in base.network.state_dict().items():
        assert torch.equal(model.network.state_dict()[key], value)
    copied = model.control.transformer.layers[0].self_attn.to_out.weight
    assert torch.equal(copied, base.network.transformer.layers[0].self_attn.to_out.weight)
    assert bool((model.latent_mean == 3).all())
    with pytest.raises(SavgError, match="base must be the folder of a network of stage=base"):
        replace(recipe, base="").fit(model, data)
    other = replace(recipe.model, audio=replace(recipe.model.audio, fourier=10))
    save_component(StereoSync(other), tmp_path / "other", "stereosync", CARD)
    with pytest.raises(CheckpointError, match="transformer must be"):
        replace(recipe, base=str(tmp_path / "other")).fit(model, data)


def test_the_branch_learns_one_clip(recipe: StereoSyncRecipe, data: SteeredSet) -> None:
    """From conditions alone: the transformer, which is of random weights, stays as it is."""
    torch.manual_seed(0)
    recipe = replace(recipe, drop=0.0, optim=replace(recipe.optim, lr=1e-2))
    model = recipe.build()
    recipe.fit(model, data)
    optimizer = recipe.optimizer(model)
    item = [value[None].repeat(8, *[1] * value.ndim) for value in recipe._item(data, 0, False)]
    losses = []
    for step in range(120):
        optimizer.zero_grad()
        loss = recipe.loss(model, tuple(item), step, step)[0]
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-15:]) < 0.75 * np.mean(losses[:5])


def test_wrong_settings_are_told(recipe: StereoSyncRecipe, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stage must be 'base' or 'branch', got 'x'"):
        replace(recipe, stage="x")  # type: ignore[arg-type]
    tokens = replace(recipe.model.tokens, audio_width=3)
    wrong = replace(recipe, model=replace(recipe.model, tokens=tokens))
    with pytest.raises(CheckpointError, match="must have 3 values, got 16"):
        wrong.open("synthetic", tmp_path)
