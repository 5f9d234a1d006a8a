"""Depth of images: the scenes' network, Depth Anything in small, and files of maps."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import transformers

from savg.errors import CheckpointError, SavgError
from savg.features.base import BackboneError
from savg.features.depth import DepthAnything, SceneDepth
from savg.hub import Card, save_component
from savg.media.depth_file import read_depth
from savg.models.depth_net import CONFIGS, DepthConfig, DepthNet

IMAGES = np.random.default_rng(0).integers(0, 255, (3, 20, 32, 3), dtype=np.uint8)


def test_the_network_gives_logarithms_of_metres_at_half_the_size() -> None:
    torch.manual_seed(0)
    net = DepthNet(CONFIGS["tiny"])
    depth = net(torch.rand(2, 3, 16, 24))
    assert depth.shape == (2, 8, 12) and depth.exp().min() > 0.1 and depth.exp().max() < 100
    depth.sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    assert sum(p.numel() for p in DepthNet(CONFIGS["demo"]).parameters()) < 300_000
    with pytest.raises(ValueError, match=r"images must be \[N, 3, h, w\] of multiples of 8"):
        net(torch.rand(2, 3, 16, 20))
    for name, value in (("channels", (4, 4, 6)), ("input_size", (16, 20))):
        with pytest.raises(ValueError, match=f"{name} must be"):
            replace(DepthConfig(), **{name: value})  # type: ignore[arg-type]


def test_the_scenes_network_is_loaded_and_takes_images_of_any_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = DepthNet(CONFIGS["tiny"]).eval()
    save_component(net, tmp_path / "depth", "depth", Card("MIT", "random"))
    seen = SceneDepth.load(tmp_path / "depth", "cpu")
    depth = seen(IMAGES)
    assert depth.shape == (3, 8, 12) and len(seen.sha256) == 64
    np.testing.assert_allclose(depth[1:2], seen(IMAGES[1:2]), rtol=1e-4)
    assert np.abs(depth[0] - depth[1]).max() > 1e-4


def depth_anything(folder: Path, kind: str = "relative") -> Path:
    """A tiny random Depth Anything as transformers writes it."""
    torch.manual_seed(0)
    backbone = transformers.Dinov2Config(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14,
        out_features=["stage1", "stage2"], apply_layernorm=True, reshape_hidden_states=False,
    )  # fmt: skip
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone, patch_size=14, reassemble_hidden_size=8, reassemble_factors=[2, 1],
        neck_hidden_sizes=[4, 4], fusion_hidden_size=4, head_hidden_size=4,
        depth_estimation_type=kind, max_depth=10,
    )  # fmt: skip
    transformers.DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    return folder


def test_depth_anything_in_small_says_what_is_far(tmp_path: Path) -> None:
    folder = depth_anything(tmp_path / "relative")
    seen = DepthAnything(str(folder), "cpu", side=28)
    depth = seen(IMAGES)
    assert depth.shape == (3, 28, 42) and depth.max() <= 0 and depth.std() > 0
    assert len(seen.sha256) == 64
    mean, deviation = np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225))
    grey = np.full((1, 28, 28, 3), 128, np.uint8)
    x = torch.tensor((128 / 255 - mean) / deviation).float()[None, :, None, None]
    with torch.inference_mode():
        expected = seen.network(pixel_values=x.expand(1, 3, 28, 28)).predicted_depth
    np.testing.assert_allclose(seen(grey), -expected, atol=1e-5)
    metric = DepthAnything(str(depth_anything(tmp_path / "metric", "metric")), "cpu", side=28)
    assert metric(IMAGES).min() >= 0


def test_weights_that_are_not_here_are_told_and_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="weights nobody/nothing are not in the Hub's cache"):
        DepthAnything("nobody/nothing")(IMAGES)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="does not hold Depth Anything as transformers"):
        DepthAnything(str(tmp_path))(IMAGES)


def test_files_of_depth_maps_are_read(tmp_path: Path) -> None:
    maps = np.random.default_rng(1).random((4, 6, 8)).astype(np.float32)
    np.save(tmp_path / "a.npy", maps)
    np.save(tmp_path / "half.npy", maps[:, None].astype(np.float16))
    np.savez(tmp_path / "b.npz", other=np.zeros(2), depth=maps)
    np.savez(tmp_path / "c.npz", maps)
    for name in ("a.npy", "b.npz", "c.npz"):
        assert np.array_equal(read_depth(tmp_path / name), maps)
    np.testing.assert_allclose(read_depth(tmp_path / "half.npy"), maps, atol=1e-3)
    (tmp_path / "frames").mkdir()
    for index, one in enumerate(maps):
        levels = (one * 65_535).round().astype(np.uint16)
        cv2.imwrite(str(tmp_path / "frames" / f"{index:04}.png"), levels)
    np.testing.assert_allclose(read_depth(tmp_path / "frames") / 65_535, maps, atol=1e-5)
    assert read_depth(tmp_path / "frames" / "0002.png").shape == (1, 6, 8)


def test_files_that_hold_no_depth_are_told(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.zeros(5))
    np.save(tmp_path / "nan.npy", np.full((2, 3, 3), np.nan))
    np.save(tmp_path / "words.npy", np.full((2, 3, 3), "a"))
    cv2.imwrite(str(tmp_path / "colour.png"), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        archive.writestr("depth.npy", b"no array")
    (tmp_path / "empty").mkdir()
    for name, words in (
        ("flat.npy", r"depth maps \[M, height, width\], got \[5\]"),
        ("nan.npy", "finite depths"),
        ("words.npy", "depth maps"),
        ("colour.png", "grey levels"),
        ("broken.png", "grey levels"),
        ("broken.npz", "NumPy archive"),
        ("text.npz", "NumPy archive"),
        ("empty", "must hold 1 to 10000 .png files, got 0"),
        ("a.mp4", "must be a .npy, .npz or .png file"),
        ("none.npy", "no such NumPy array"),
    ):
        with pytest.raises(SavgError, match=words) as caught:
            read_depth(tmp_path / name)
        assert name in str(caught.value)
