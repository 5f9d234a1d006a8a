"""Depth as a condition: windows' maps, what embeds them, and when a pipeline follows them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from savg.cli import v2a_steering
from savg.errors import CheckpointError, SavgError
from savg.features.depth import SceneDepth
from savg.hub import Card
from savg.models.depth_net import CONFIGS, DepthNet
from savg.pipelines import depth_condition as module
from savg.pipelines.clip_images import OpenClipImages
from savg.pipelines.depth_condition import (
    EVA_CLIP,
    GRID,
    DepthMaps,
    GridEmbedding,
    ImageEmbedding,
    depth_of,
    embedding_of,
    moments,
    normalised,
    picture,
)
from savg.pipelines.registry import AUDIO
from savg.pipelines.stereosync import StereoSyncPipeline, tiny
from savg.video import Video
from tests.pipelines.test_stereosync_pipeline import steered, video

NEAR_LEFT = np.tile(np.linspace(1, 9, 32, dtype=np.float32), (3, 24, 1))
"""Three maps of something near at the left."""


def test_depths_are_known_up_to_scale_and_offset() -> None:
    maps = normalised(NEAR_LEFT)
    assert maps.min() == 0 and maps.max() == 1
    np.testing.assert_allclose(normalised(NEAR_LEFT * 7 - 3), maps, atol=1e-6)
    assert not normalised(np.full((2, 3, 3), 4.0, np.float32)).any()


def test_a_grid_is_about_square_and_holds_means() -> None:
    shapes = {n: GridEmbedding(n).shape for n in (16, 6, 768, 7)}
    assert shapes == {16: (4, 4), 6: (2, 3), 768: (24, 32), 7: (1, 7)}
    cells = GridEmbedding(6)(normalised(NEAR_LEFT))
    assert cells.shape == (3, 6)
    assert cells[0].reshape(2, 3)[0].tolist() == sorted(cells[0][:3].tolist())
    one = np.zeros((1, 4, 6), np.float32)
    one[0, 2:, 4:] = 1
    assert GridEmbedding(6)(one)[0].tolist() == [0, 0, 0, 0, 0, 1]


def test_images_of_maps_go_to_open_clip_in_the_published_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[np.ndarray] = []

    class Fake(OpenClipImages):
        def __init__(self) -> None: ...

        def __call__(self, frames: np.ndarray, at_once: int = 16) -> torch.Tensor:
            seen.append(frames)
            return torch.ones(len(frames), 5)

    monkeypatch.setattr(module.OpenClipImages, "from_pretrained", lambda name, device, side: Fake())
    embedding = ImageEmbedding(EVA_CLIP, 5)
    assert embedding(normalised(NEAR_LEFT)).shape == (3, 5)
    assert seen[0].shape == (3, 256, 344, 3) and seen[0].dtype == np.uint8
    assert seen[0][0, 0, 0].tolist() == [0] * 3 and seen[0][0, 0, -1].tolist() == [255] * 3
    with pytest.raises(CheckpointError, match="depth maps must have 768 values, got 5"):
        ImageEmbedding(EVA_CLIP, 768)(normalised(NEAR_LEFT))


def test_maps_of_a_file_are_spread_over_the_video_and_seen_ones_are_of_its_picture() -> None:
    one = video(4)
    maps = np.arange(8, dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32)
    found = depth_of(one, DepthMaps(maps))(moments(2.0, 2.0, 4))
    assert found[:, 0, 0].tolist() == [4, 5, 6, 7]
    frames = np.zeros((8, 16, 16, 3), np.uint8)
    frames[:, 4:12, 1:] = np.arange(1, 9)[:, None, None, None]
    assert picture(frames).shape == (8, 8, 15, 3)
    assert picture(frames * 0).shape == frames.shape
    calls = []

    class Seen(SceneDepth):
        def __call__(self, images: np.ndarray) -> np.ndarray:
            calls.append(images)
            return images[..., 0].astype(np.float32)

    seen = Seen(DepthNet(CONFIGS["tiny"]))
    found = depth_of(Video(frames, Fraction(4)), seen)(moments(1.0, 1.0, 2))
    assert calls[0].shape == (2, 8, 15, 3) and found[:, 0, 0].tolist() == [6, 8]


@pytest.fixture(scope="module")
def plain() -> StereoSyncPipeline:
    return tiny()


@pytest.fixture(scope="module")
def pipeline(plain: StereoSyncPipeline) -> StereoSyncPipeline:
    """A pipeline whose network says that it was trained with depth, and which sees it."""
    torch.manual_seed(0)
    cards = {**plain.cards, "depth": Card("MIT", "random")}
    cards["network"] = replace(cards["network"], facts={"depth": GRID})
    return replace(plain, cards=cards, depth=SceneDepth(DepthNet(CONFIGS["tiny"])))


def test_depth_is_followed_where_the_network_was_trained_with_it(
    plain: StereoSyncPipeline, pipeline: StereoSyncPipeline
) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (8, 16, 16, 3), dtype=np.uint8)
    one = replace(video(), frames=frames)
    results = [
        steered(pipeline, one, depth=depth)
        for depth in (None, "own", DepthMaps(NEAR_LEFT), DepthMaps(NEAR_LEFT[..., ::-1]))
    ]
    for i, result in enumerate(results):
        assert all(np.abs(result - other).max() > 1e-7 for other in results[:i])
    same = steered(pipeline, one, depth=DepthMaps(NEAR_LEFT * 2 + 5))
    np.testing.assert_allclose(same, results[2], atol=1e-5)
    assert np.array_equal(steered(plain, one), steered(plain, one, depth=None))
    with pytest.raises(SavgError, match="these weights were trained without it"):
        steered(plain, one, depth=DepthMaps(NEAR_LEFT))
    with pytest.raises(SavgError, match="depth must be 'own', DepthMaps or None, got 'x'"):
        steered(pipeline, one, depth="x")
    with pytest.raises(SavgError, match=r"Depth maps must be \[M, height, width\], got \[3\]"):
        DepthMaps(np.zeros(3, np.float32))


def test_it_is_saved_and_loaded_with_its_network(
    pipeline: StereoSyncPipeline, tmp_path: Path
) -> None:
    pipeline.save_pretrained(tmp_path / "p")
    loaded = AUDIO.load(tmp_path / "p", device="cpu", dtype="float32")
    assert loaded.describe()["depth"] == "depth"
    assert np.array_equal(steered(loaded, video()), steered(pipeline, video()))  # type: ignore[arg-type]


def test_names_of_embeddings() -> None:
    assert embedding_of(None, 6) is None and isinstance(embedding_of(GRID, 6), GridEmbedding)
    assert isinstance(embedding_of(EVA_CLIP, 768), ImageEmbedding)
    with pytest.raises(CheckpointError, match="depth must be 'grid' or a network of open_clip's"):
        embedding_of(["grid"], 6)


def test_the_command_reads_maps(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", NEAR_LEFT)
    assert np.array_equal(v2a_steering._depth(str(tmp_path / "d.npy")).maps, NEAR_LEFT)
    assert v2a_steering.OPTIONS["depth"] in StereoSyncPipeline.options
