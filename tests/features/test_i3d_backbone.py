"""The backbone of FVD: whole clips, any length and size, each by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from savg.cli import main
from savg.device import choose
from savg.errors import CheckpointError
from savg.features import i3d as module
from savg.features.base import BackboneError
from savg.features.i3d import I3dBackbone, official_logits
from savg.features.networks import NETWORKS_VARIABLE
from savg.features.registry import backbone_class
from savg.hub import Card, save_component
from savg.models import i3d
from savg.models.i3d import I3dConfig, prepare
from savg.paths import file_sha256
from tests.features.video_clips import assert_independent, moving_clip
from tests.models.test_i3d import SMALL, small

CLASSES = 12


@pytest.fixture
def place(tmp_path: Path, monkeypatch) -> Path:
    """A folder of networks with a small I3D."""
    monkeypatch.setenv(NETWORKS_VARIABLE, str(tmp_path))
    save_component(small(), tmp_path / "i3d", "i3d", Card("MIT", "a test"))
    return tmp_path


def backbone(dtype: str) -> I3dBackbone:
    return I3dBackbone(small(), "0" * 64, choose("cpu", dtype))


@pytest.mark.usefixtures("bfloat16_units")
@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-4), ("bfloat16", 0.05)])
def test_features_are_those_of_the_clip_alone(dtype: str, rtol: float) -> None:
    assert_independent(backbone(dtype), CLASSES, rtol)


@torch.no_grad()
def test_features_are_the_logits_of_all_frames() -> None:
    clip = moving_clip(0, 11)
    video = torch.from_numpy(clip.video)[None]
    expected = small()(prepare(video)).numpy()
    np.testing.assert_allclose(backbone("float32")([clip])[0], expected, atol=1e-4)
    logits = official_logits(small(), video.repeat(9, 1, 1, 1, 1))
    assert logits.dtype == torch.float32
    np.testing.assert_allclose(logits.numpy(), expected.repeat(9, 0), atol=1e-5)


def test_short_and_long_clips(monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_FRAMES", 12)
    short, twice = moving_clip(0, 5, speed=0), moving_clip(0, 9, speed=0)
    long, first = moving_clip(1, 21), moving_clip(1, 11)
    short, twice, long, first = backbone("float32")([short, twice, long, first])
    np.testing.assert_allclose(short, twice, atol=1e-6)  # of a still
    assert long.shape == (2, CLASSES)
    np.testing.assert_allclose(long[:1], first, atol=1e-5)


def test_it_loads_what_was_imported(place: Path) -> None:
    assert backbone_class("i3d") is I3dBackbone and I3dBackbone.missing() == ""
    loaded = I3dBackbone.load(device="cpu")
    facts = loaded.provenance
    json.dumps(facts)
    assert facts["sha256"] == file_sha256(place / "i3d" / "model.safetensors")
    assert facts["precision"] == str(choose("cpu").dtype).removeprefix("torch.")
    assert {"backbone", "input"} <= set(facts) and facts["input"]["size"] == 224
    assert loaded([moving_clip(0)])[0].shape == (1, CLASSES)


def test_the_published_file_is_imported_where_it_is_looked_for(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv(NETWORKS_VARIABLE, str(tmp_path / "networks"))
    monkeypatch.setattr(i3d, "FORMAT", replace(i3d.FORMAT, from_published=lambda _: SMALL))
    assert "rgb_imagenet.pt" in I3dBackbone.missing()
    for name in ("rgb_imagenet.pt", "i3d_pretrained_400.pt"):
        torch.save(small().state_dict(), tmp_path / name)
        assert main(["weights", "import", str(tmp_path / name), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"i3d": str(tmp_path / "networks" / "i3d")}
        assert I3dBackbone.missing() == ""
    clip = moving_clip(0, 9)
    backbone = I3dBackbone.load(device="cpu")
    expected = I3dBackbone(small(), backbone.sha256, choose("cpu"))([clip])[0]
    np.testing.assert_allclose(backbone([clip])[0], expected, atol=1e-6)


def test_what_is_missing_or_wrong(tmp_path: Path, monkeypatch, place: Path) -> None:
    empty = str(tmp_path / "empty")
    assert "i3d_pretrained_400.pt or rgb_imagenet.pt" in I3dBackbone.missing(empty)
    with pytest.raises(BackboneError, match=r"weights import i3d_pretrained_400\.pt --out"):
        I3dBackbone.load(empty)
    (place / "i3d" / "config.json").write_text(
        (place / "i3d" / "config.json").read_text().replace('"i3d"', '"seld"', 1)
    )
    with pytest.raises(CheckpointError, match="expected weights of kind 'i3d', found 'seld'"):
        I3dBackbone.load()
    assert I3dConfig().num_classes == 400
