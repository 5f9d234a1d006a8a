"""The stand-in without a download: means and changes of the person detector's pyramid."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from savg.clip import Clip
from savg.detectors.persons import prepare
from savg.features import yolox as module
from savg.features.networks import NETWORKS_VARIABLE
from savg.features.registry import backbone_class
from savg.features.yolox import YoloxBackbone
from savg.hub import Card, save_component
from savg.models.yolox import CONFIGS, Yolox
from savg.paths import file_sha256
from tests.features.video_clips import assert_independent, moving_clip

WIDTH = 288


@pytest.fixture(scope="module")
def backbone() -> YoloxBackbone:
    return YoloxBackbone.load(device="cpu")


def test_it_is_always_there(backbone: YoloxBackbone, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(NETWORKS_VARIABLE, str(tmp_path))
    assert backbone_class("yolox") is YoloxBackbone
    assert YoloxBackbone.missing() == YoloxBackbone.missing(str(tmp_path)) == ""
    facts = backbone.provenance
    json.dumps(facts)
    assert len(facts["sha256"]) == 64 and "bundled" in facts["backbone"]
    assert YoloxBackbone.load(str(tmp_path), "cpu").provenance == facts


def test_features_are_those_of_the_clip_alone(backbone: YoloxBackbone) -> None:
    assert_independent(backbone, WIDTH, 1e-4)


@torch.no_grad()
def test_features_by_hand(backbone: YoloxBackbone, monkeypatch) -> None:
    monkeypatch.setattr(module, "FRAMES_AT_ONCE", 3)
    clip = moving_clip(0, 7, 256)
    images, _ = prepare(clip.video, clip.format, backbone.network.config)
    frames = [
        backbone.network.neck(backbone.network.backbone(torch.from_numpy(i[None]).float()))
        for i in images
    ]
    means, changes = [], []
    for level in range(3):
        cells = np.concatenate([frame[level].numpy() for frame in frames]).astype(np.float64)
        means.append(cells.mean((0, 2, 3)))
        changes.append(np.abs(cells[1:] - cells[:-1]).mean((0, 2, 3)))
    expected = np.concatenate(means + changes)
    np.testing.assert_allclose(backbone([clip])[0][0], expected, rtol=1e-3, atol=1e-4)


def test_motion_counts(backbone: YoloxBackbone) -> None:
    still, moving, single = (
        moving_clip(0, 9, 256, speed=0),
        moving_clip(0, 9, 256, speed=8),
        moving_clip(0, 1, 256),
    )
    (still, moving, single) = (f[0] for f in backbone([still, moving, single]))
    half = WIDTH // 2
    assert np.abs(still[half:]).max() < 1e-4 and np.abs(single[half:]).max() == 0
    assert moving[half:].min() > 0
    np.testing.assert_allclose(still[:half], single[:half], atol=1e-4)
    shuffled = moving_clip(0, 9, 256, speed=8)
    order = np.array([0, 4, 8, 3, 7, 2, 6, 1, 5])
    (other,) = backbone([Clip(shuffled.video[order], shuffled.audio, shuffled.format)])
    np.testing.assert_allclose(other[0, :half], moving[:half], atol=1e-3)
    assert np.abs(other[0, half:] - moving[half:]).max() > 0.01


def test_another_detector_is_named(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_component(Yolox(CONFIGS["test"]), tmp_path / "yolox", "yolox", Card("MIT", "a test"))
    other = YoloxBackbone.load(str(tmp_path), "cpu")
    facts = other.provenance
    assert "imported" in facts["backbone"] and str(tmp_path) not in json.dumps(facts)
    assert facts["sha256"] == file_sha256(tmp_path / "yolox" / "model.safetensors")
    assert other([moving_clip(0)])[0].shape == (1, 6 * CONFIGS["test"].neck_out)
