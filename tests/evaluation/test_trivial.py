"""Trivial baselines: gains by the level law, no clicks, and what a metric says of them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from savg.annotation import Boxes
from savg.clip import Clip
from savg.data.scenes import World, draw_scene, render
from savg.evaluation.observe import Detectors
from savg.evaluation.trivial import WAY, centred, followed_x, panned_by_boxes
from savg.format import ClipFormat
from savg.metrics.base import Item, MetricResult, Observation
from savg.metrics.spatial import SpatialAvAlign

SMALL = ClipFormat().with_size(64)


def tone(left: float = 0.2, right: float = 0.2) -> Clip:
    """A still with 440 Hz of those amplitudes."""
    wave = np.sin(2 * np.pi * 440 * np.arange(SMALL.samples) / SMALL.sample_rate)
    audio = (np.array([[left], [right]]) * wave).astype(np.float32)
    return Clip(np.zeros((SMALL.frames, 64, 64, 3), np.uint8), audio, SMALL)


def person(*xs: float, frames: list[int] | None = None, scores: list[float] | None = None) -> Boxes:
    n = len(xs)
    xyxy = np.array([[x - 10, 60, x + 10, 190] for x in xs]).reshape(-1, 4)
    return Boxes(
        np.array(frames if frames is not None else range(n)),
        np.zeros(n),
        xyxy,
        None if scores is None else np.array(scores),
    )


def test_centred_is_the_mono_mix_twice() -> None:
    clip = tone(0.4, 0.1)
    result = centred(clip)
    np.testing.assert_array_equal(result.audio[0], result.audio[1])
    np.testing.assert_allclose(result.audio[0], clip.audio.mean(axis=0), atol=1e-7)
    assert result.video is clip.video


@pytest.mark.parametrize("x", [0.0, 40.0, 128.0, 256.0])
def test_levels_are_those_of_coincident_stereo(x: float) -> None:
    """left / right = (1 + sin a) / (1 − sin a), tan a = (128 − x) / 128 · tan 50°."""
    panned = panned_by_boxes(tone(), person(*[x] * 20))
    left, right = np.abs(panned.audio).max(axis=1)
    sine = np.sin(np.arctan((128 - x) / 128 * np.tan(np.deg2rad(50))))
    assert left == pytest.approx(0.2 * (1 + sine), rel=1e-4)
    assert right == pytest.approx(0.2 * (1 - sine), rel=1e-3)


def test_a_walk_has_no_click_and_gaps_are_bridged() -> None:
    still = panned_by_boxes(tone(), person(*[128.0] * 20)).audio
    walk = person(10.0, 246.0, frames=[4, 6])
    audio = panned_by_boxes(tone(), walk).audio
    # no step between samples is larger than the tone's own at twice the gain, and a little
    assert np.abs(np.diff(audio)).max() <= 1.9 * np.abs(np.diff(still)).max()
    with np.errstate(invalid="ignore", divide="ignore"):
        balance = (audio[0] - audio[1]) / (audio[0] + audio[1])
    at = {second: balance[int(second * SMALL.sample_rate) + 9] for second in (0.0, 1.0, 1.25, 4.9)}
    assert at[0.0] == pytest.approx(at[1.0], abs=1e-3) and at[1.0] > 0.7
    assert at[1.25] == pytest.approx(0.0, abs=0.01) and at[4.9] == pytest.approx(-at[1.0], abs=1e-3)


def test_loud_audio_is_turned_down_and_nobody_is_the_centre() -> None:
    loud = panned_by_boxes(tone(1.0, 1.0), person(*[0.0] * 20))
    assert np.abs(loud.audio).max() == pytest.approx(1.0)
    nobody = panned_by_boxes(tone(0.4, 0.0), Boxes.empty())
    np.testing.assert_array_equal(nobody.audio, centred(tone(0.4, 0.0)).audio)


def test_one_person_is_followed() -> None:
    one = person(40.0, 200.0, 90.0, frames=[0, 0, 99], scores=[0.9, 0.5, 0.9])
    assert followed_x(one, 2)[0] == 40 and np.isnan(followed_x(one, 2)[1])
    sizes = Boxes([0, 0], [0, 0], [[0, 0, 9, 9], [100, 0, 140, 99]])
    assert followed_x(sizes, 1).tolist() == [120.0]
    objects = Boxes([0], [62], [[0, 0, 9, 9]])
    assert np.isnan(followed_x(objects, 1)).all() and len(followed_x(Boxes.empty(), 3)) == 3
    # two people with scores that take turns: the sound stays with one
    frames = np.repeat(np.arange(6), 2)
    turns = person(*[40.0, 200.0] * 6, frames=frames.tolist(), scores=[0.8, 0.7, 0.7, 0.8] * 3)
    assert len(set(followed_x(turns, 6).tolist())) == 1
    # one who is sure for long is changed to, however far
    sure = person(*[40.0, 200.0] * 20, frames=np.repeat(np.arange(20), 2).tolist(),
                  scores=[0.9, 0.1] * 10 + [0.1, 0.9] * 10)  # fmt: skip
    assert followed_x(sure, 20).tolist() == [40.0] * 10 + [200.0] * 10


def test_the_followed_boxes_are_the_best_of_all() -> None:
    """Against every choice of a box a frame."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        frames, x, scores = np.repeat(np.arange(5), 3), rng.uniform(0, 256, 15), rng.random(15)
        boxes = person(*x, frames=frames.tolist(), scores=scores.tolist())
        totals = {
            chosen: scores[list(chosen)].sum() - np.abs(np.diff(x[list(chosen)])).sum() / WAY
            for chosen in product(*(range(3 * f, 3 * f + 3) for f in range(5)))
        }
        best = max(totals, key=lambda chosen: totals[chosen])
        np.testing.assert_allclose(followed_x(boxes, 5), x[list(best)])


def spatial(items: list[Item]) -> MetricResult:
    metric = SpatialAvAlign()
    for item in items:
        metric.update(item)
    return metric.compute()


def test_what_the_metric_says_of_them() -> None:
    """The bundled detectors on synthetic scenes: panned by boxes is near 1, the centre is its null."""
    detectors = Detectors.load()
    centre, panned = [], []
    for seed in (0, 1, 3):
        clip = render(draw_scene(seed, World.demo())).clip
        boxes = detectors.persons(clip)
        for items, other in ((centre, centred(clip)), (panned, panned_by_boxes(clip, boxes))):
            items.append(Item(str(seed), Observation(detectors.sounds(other), boxes)))
    by_boxes, by_centre = spatial(panned), spatial(centre)
    assert by_boxes.value > 0.95 and by_boxes.nulls["centre"] < 0.6
    assert by_boxes.notes["corrected"]["value"] > 0.9
    assert by_centre.value == pytest.approx(by_centre.nulls["centre"], abs=0.02)
    assert any("uninformative" in sentence for sentence in by_centre.notes["warnings"])
