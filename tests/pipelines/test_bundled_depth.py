"""The bundled depth network: what it sees, and that trainings and pipelines take it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from savg.features.depth import SceneDepth
from savg.paths import assets_dir
from savg.pipelines.depth_condition import GRID, GridEmbedding, depth_of, moments, normalised
from savg.pipelines.flow_sampling import Window
from savg.pipelines.progress import Progress
from savg.pipelines.stereosync import StereoSyncPipeline
from savg.train.depth import CONFIGS
from savg.train.sources import Synthetic
from savg.train.stereosync_parts import depth_from
from savg.video import Video


@pytest.fixture(scope="module")
def scenes() -> tuple[np.ndarray, np.ndarray]:
    """Images and true depths of scenes that nothing is trained on, nor the benchmark measures."""
    drawn = Synthetic(("furnished",), (4,), "test", first=600, held_out=True)
    rows = list(CONFIGS["demo"].rows(drawn))
    return np.stack([row["images"] for row in rows]), np.stack([row["depths"] for row in rows])


def test_it_sees_the_depth_of_rooms_that_it_does_not_know(
    scenes: tuple[np.ndarray, np.ndarray],
) -> None:
    images, true = scenes
    found = SceneDepth.load("demo", "cpu")(images)
    assert found.shape == true.shape
    constant = np.full_like(true, np.exp(np.median(np.log(true))))  # of these very scenes
    errors = [float((np.abs(one - true) / true).mean()) for one in (found, constant)]
    assert errors[0] < errors[1] and errors[0] < 0.2, errors
    correlations = [
        np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(found, true, strict=True)
    ]
    assert np.mean(correlations) > 0.6


def test_training_takes_the_bundled_network() -> None:
    depth, sha256 = depth_from("demo", GRID, 16)
    assert depth is not None and isinstance(depth.source, SceneDepth)
    assert sha256 == SceneDepth.load(assets_dir() / "demo" / "depth", "cpu").sha256


def test_the_bundled_pipeline_sees_depth_for_weights_that_take_it(
    scenes: tuple[np.ndarray, np.ndarray],
) -> None:
    """Its own weights were trained without; those that are exported into it may take it."""
    plain = StereoSyncPipeline.from_pretrained("demo", "cpu", "float32")
    assert isinstance(plain.depth, SceneDepth) and plain.embedding is None
    network = replace(plain.cards["network"], facts={"depth": GRID})
    trained = replace(plain, cards={**plain.cards, "network": network})
    video = Video(np.repeat(scenes[0][:1, :, :72], 20, axis=0), Fraction(4))
    conditions = []
    for pipeline in (plain, trained):
        steering = pipeline._steering(video, None, None, None, "own", Progress(None, 1))
        conditions.append(pipeline.conditions(Window(video, 0, 0, 0), steering).depth)
    assert conditions[0] is None and conditions[1] is not None
    seen = depth_of(video, trained.depth)(moments(0.0, 5.0, 1))  # type: ignore[arg-type]
    expected = GridEmbedding(16)(normalised(seen))
    np.testing.assert_allclose(conditions[1][0].numpy(), expected, atol=1e-5)
