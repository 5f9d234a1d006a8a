"""Directions in training: what labels and boxes say, what is withheld, and weights without a branch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from savg.annotation import Boxes, ClipLabels
from savg.errors import CheckpointError
from savg.format import SAVGBENCH
from savg.hub import Card, save_component
from savg.models.direction import row
from savg.models.joint_config import CONFIGS as JOINT
from savg.models.joint_unet import JointUNet
from savg.train.direction_data import direction_of, withheld
from savg.train.joint import CONFIGS, JointRecipe
from savg.train.start import start_from
from savg.train.video import CONFIGS as VIDEO


def labels(*rows: tuple[int, int, float]) -> ClipLabels:
    frames, classes, x = zip(*rows, strict=True)
    return ClipLabels(np.array(frames), np.array(classes), np.array(x), np.full(len(rows), 100.0))


def test_a_clip_is_told_its_sound_its_path_and_its_people() -> None:
    # An instrument goes from the left edge at 0.05 s to the middle at 4.95 s; somebody speaks once.
    moving = labels((0, 9, 0.0), (49, 9, 128.0), (20, 1, 250.0))
    frames = np.array([0, 0, 1, 1, 2])
    boxes = Boxes(frames, np.zeros(5, int), np.tile([10.0, 20.0, 30.0, 90.0], (5, 1)))
    told = direction_of(moving, boxes, SAVGBENCH, 3)
    assert told[:2].tolist() == [1, 2]
    torch.testing.assert_close(told[2:], torch.tensor([-1.0, -0.5, 0.0]), atol=1e-3, rtol=0)
    nothing = direction_of(
        ClipLabels(*(np.zeros(0) for _ in range(4))), Boxes.empty(), SAVGBENCH, 3
    )
    assert nothing.isnan().all()


def test_each_condition_is_withheld_from_its_share_and_some_clips_are_told_nothing() -> None:
    many = row(3, 1, 2, (0.5,)).expand(4000, -1)
    some = withheld(many, 0.2, torch.Generator().manual_seed(0))
    gone = some.isnan()[:, :3].float()
    expected = 1 - 0.8**2  # by itself, or with all others
    assert gone.mean(0).tolist() == pytest.approx([expected] * 3, abs=0.03)
    assert float(gone.all(1).float().mean()) == pytest.approx(0.2 + 0.8 * 0.2**3, abs=0.03)
    assert torch.equal(some[:, 2].isnan(), some[:, 4].isnan())
    assert not many.isnan().any()


def test_undirected_weights_start_a_directed_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain = JointUNet(JOINT["tiny"]).eval()
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    save_component(plain, tmp_path / "plain", "joint_unet", Card("MIT", "random"))
    recipe = CONFIGS["tiny"]
    assert recipe.model.direction
    network = recipe.build().eval()
    start_from(network, recipe, str(tmp_path / "plain"))
    video, audio = torch.randn(1, 4, 3, 8, 16), torch.randn(1, 2, 400)
    shifts, t = [0] * len(plain.shifting), torch.tensor([5])
    told = row(recipe.model.direction, 0, 1, (0.3,))[None]
    for before, after in zip(
        plain(video, audio, t, shifts), network(video, audio, t, shifts, told), strict=True
    ):
        assert torch.equal(before, after)
    save_component(network, tmp_path / "directed", "joint_unet", Card("MIT", "random"))
    silent = VIDEO["tiny"].build()
    start_from(silent, VIDEO["tiny"], str(tmp_path / "directed"))
    undirected = replace(recipe, model=replace(recipe.model, direction=0))
    with pytest.raises(CheckpointError, match="does not fit the recipe's network: see direction"):
        start_from(undirected.build(), undirected, str(tmp_path / "directed"))


def test_errors_of_figures_can_weigh_more() -> None:
    recipe = replace(CONFIGS["tiny"], figure_weight=5.0)
    codec, size = recipe.codec, recipe.codec.size
    box = Boxes(np.array([1]), np.zeros(1, int), np.array([[0.0, 64.0, 128.0, 192.0]]))
    weights = recipe.figures(box)
    assert weights.shape == recipe.shapes[0]
    torch.testing.assert_close(weights[0], torch.ones_like(weights[0]))
    rows = slice(size // 4 - codec.first_row, 3 * size // 4 - codec.first_row)
    torch.testing.assert_close(
        weights[1, :, rows, : size // 2], torch.full_like(weights[1, :, rows, : size // 2], 5.0)
    )
    torch.testing.assert_close(
        weights[1, :, :, size // 2 :], torch.ones_like(weights[1, :, :, size // 2 :])
    )

    def of_video(recipe: JointRecipe, *more: torch.Tensor) -> float:
        torch.manual_seed(0)
        batch = tuple(torch.randn(1, *shape) for shape in recipe.shapes)
        told = row(recipe.model.direction)[None]
        torch.manual_seed(1)
        with torch.no_grad():
            _, parts = recipe.loss(recipe.build().eval(), (*batch, told, *more), 0, 0)
        return float(parts["video"])

    # The errors of a new network are alike everywhere.
    ratio = of_video(recipe, weights[None]) / of_video(CONFIGS["tiny"])
    assert ratio == pytest.approx(float(weights.mean()), rel=0.1) and ratio > 1.1
