"""Distances and trajectories of sounds and persons, against hand-worked cases and plain resampling."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from spatial_clips import FRAMES, boxes_at, compute, items, sounds_at

from savg.annotation import Boxes, SoundEvents
from savg.metrics.base import Item, Observation
from savg.metrics.person_position import person_centres
from savg.metrics.registry import metric_class
from savg.metrics.statistics import pooled_median_interval, ratio_interval


def walker(xs: np.ndarray) -> Boxes:
    """A person whose x in the 20 frames is given."""
    n = len(xs)
    corners = np.stack([xs - 10, np.full(n, 60.0), xs + 10, np.full(n, 190.0)], axis=1)
    return Boxes(np.arange(n), np.zeros(n), corners, np.full(n, 0.9))


def test_nearest_and_surest() -> None:
    boxes = Boxes([0, 0, 2], [0, 0, 0], [[0, 0, 20, 9], [190, 0, 210, 9], [90, 0, 110, 9]])
    scored = Boxes(boxes.frames, boxes.categories, boxes.xyxy, np.array([0.4, 0.8, 0.9]))
    events = SoundEvents([0, 0, 10], [0, 0, 0], [30.0, 150.0, 0.0])
    nearest, surest = person_centres(events, scored)
    assert nearest[:2].tolist() == [10.0, 200.0] and surest[:2].tolist() == [200.0, 200.0]
    assert np.isnan(nearest[2]) and np.isnan(surest[2])  # label frame 10 is video frame 4
    large = Boxes([0, 0], [0, 0], [[0, 0, 20, 9], [100, 0, 140, 9]])
    assert person_centres(events.select(np.array([0])), large).surest.tolist() == [120.0]
    objects = Boxes([0], [62], [[20, 0, 40, 9]])
    assert np.isnan(person_centres(events, objects).nearest).all()


def test_distances_by_hand() -> None:
    clips = items(
        (sounds_at(100), boxes_at((110, 0))), (sounds_at(100), boxes_at((70, 0), (180, 0)))
    )
    error, bias = compute("pixel_error", clips), compute("pixel_bias", clips)
    assert error.value == pytest.approx(20) and bias.value == pytest.approx(10)
    assert (error.low, error.high) == (10, 30) and (bias.low, bias.high) == (-10, 30)
    assert error.notes["median"]["value"] == 20 and bias.notes["median"]["value"] == 10
    assert error.notes["events"] == 100 and error.notes["without_person"] == 0
    # at 100 px 14.61° to the left, at 110 px 9.51°, at 70 px 28.37°
    assert error.notes["distance_degrees"] == pytest.approx((5.10 + 13.76) / 2, abs=0.01)
    # at the centre: 18 px from the first, 52 from the nearest of the second; swapped, 156: 46 and 24
    assert error.nulls["centre"] == pytest.approx((18 + 52) / 2)
    assert error.nulls["swapped"] == pytest.approx((46 + 24) / 2)
    assert error.nulls["shuffled"] == pytest.approx(20)
    assert metric_class("pixel_error").cells(clips[0]) == {
        "sound_x": 100.0, "person_x": 110.0, "pixel_bias_px": -10.0, "pixel_error_px": 10.0
    }  # fmt: skip


def test_mirrored_clips_have_the_opposite_bias() -> None:
    rng = np.random.default_rng(0)
    pairs = [
        (sounds_at(rng.uniform(0, 256, FRAMES)), walker(rng.uniform(0, 256, 20))) for _ in range(4)
    ]
    mirrored = [(events.mirrored(), boxes.mirrored()) for events, boxes in pairs]
    for name, sign in (("pixel_bias", -1), ("pixel_error", 1), ("trajectory_pooled", 1)):
        a, b = compute(name, items(*pairs)), compute(name, items(*mirrored))
        assert b.value == pytest.approx(sign * a.value)


def test_sounds_that_follow_a_walker() -> None:
    path = np.linspace(40, 220, 20)
    at_events = np.interp(np.arange(FRAMES) / 10, np.arange(20) / 4, path)
    follows = Item("follows", Observation(sounds_at(at_events), walker(path)))
    against = Item("against", Observation(sounds_at(256 - at_events), walker(path)))
    still = Item("still", Observation(sounds_at(at_events), walker(np.full(20, 90.0))))
    within = compute("trajectory_within", [follows, still])
    assert within.value > 0.99 and within.notes["moving_clips"] == 1
    assert within.n == 1 and within.notes["clips"] == 2
    assert compute("trajectory_within", [against]).value < -0.99
    assert compute("trajectory_within", [still]).value is None
    trembling = Item("a", Observation(sounds_at(at_events), walker(90 + path / 40)))
    assert compute("trajectory_within", [trembling]).value is None
    stays = Item("b", Observation(sounds_at(128), walker(path)))
    assert compute("trajectory_within", [follows, stays]).value == pytest.approx(0.5, abs=0.01)
    cells = metric_class("trajectory_within").cells
    assert cells(still) == {"trajectory_r": None} and cells(follows)["trajectory_r"] > 0.99
    both = compute("trajectory_pooled", [follows, still])
    video = np.minimum(np.rint(np.arange(FRAMES) * 0.4), 19).astype(int)
    persons = np.concatenate([path[video], np.full(FRAMES, 90.0)])
    expected = stats.pearsonr(np.tile(at_events, 2), persons).statistic
    assert both.value == pytest.approx(expected) and both.nulls["swapped"] == -both.value


def test_shuffled_sounds_do_not_correlate() -> None:
    rng = np.random.default_rng(2)
    pairs = []
    for _ in range(24):
        x = rng.uniform(20, 236)
        pairs.append((sounds_at(x + rng.normal(0, 5, FRAMES)), boxes_at((x, 0))))
    result = compute("trajectory_pooled", items(*pairs))
    assert result.value > 0.98 and abs(result.nulls["shuffled"]) < 0.2
    assert 0.95 < result.low <= result.value <= result.high


def test_intervals_of_sums_and_medians_are_plain_resampling() -> None:
    rng = np.random.default_rng(1)
    values = [rng.normal(size=n) for n in (3, 0, 8, 5, 1)]
    drawn = [np.concatenate([values[i] for i in rows]) for rows in
             np.random.default_rng(4).integers(0, 5, (300, 5))]  # fmt: skip
    drawn = [d for d in drawn if len(d)]
    sums, counts = [float(v.sum()) for v in values], [len(v) for v in values]
    expected = np.quantile([d.mean() for d in drawn], [0.025, 0.975])
    assert ratio_interval(sums, counts, 4, 300) == pytest.approx(tuple(expected))
    expected = np.quantile([np.median(d) for d in drawn], [0.025, 0.975])
    assert pooled_median_interval(values, 4, 300) == pytest.approx(tuple(expected))
    assert ratio_interval([], [], 0) == pooled_median_interval([], 0) == (None, None)


def test_n_is_the_number_of_clips_that_are_used() -> None:
    path = np.linspace(40, 220, 20)
    at_events = np.interp(np.arange(FRAMES) / 10, np.arange(20) / 4, path)
    used = Item("used", Observation(sounds_at(at_events), walker(path)))
    mute = Item("mute", Observation(SoundEvents.empty(), walker(path)))
    result = compute("trajectory_pooled", [used, mute])
    assert result.n == 1 and result.notes["clips"] == 2
    none = compute("trajectory_pooled", [mute])
    assert (none.value, none.n, none.notes["clips"]) == (None, 0, 1)
    none = compute("trajectory_within", [mute])
    assert (none.value, none.n, none.notes["clips"]) == (None, 0, 1)
