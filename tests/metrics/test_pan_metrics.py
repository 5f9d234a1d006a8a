"""Spread of pans, persons and their agreement, on clips with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from savg.annotation import Boxes
from savg.clip import Clip
from savg.format import ClipFormat
from savg.metrics.pan import pan_spread
from savg.metrics.pan_agreement import motion_x, person_x
from savg.metrics.person_share import person_share
from savg.metrics.statistics import correlation

FORMAT = ClipFormat(frames=4, fps=4, sample_rate=8000, size=64, picture_height=36)


def test_clips_without_a_pan_are_left_out_of_the_spread() -> None:
    assert pan_spread([0.5, -0.5, np.nan]) == pytest.approx(0.5)
    assert pan_spread([0.3]) is None


def test_the_surest_person_of_each_frame_counts() -> None:
    boxes = Boxes(
        frames=np.array([0, 0, 2]),
        categories=np.array([0, 0, 0]),
        xyxy=np.array([[0, 0, 20, 9], [40, 0, 60, 9], [20, 0, 40, 9]], float),
        scores=np.array([0.4, 0.9, 0.5]),
    )
    assert person_x(boxes, 4) == pytest.approx((50 + 30) / 2)
    assert np.isnan(person_x(Boxes.empty(), 4))
    assert person_share([boxes, Boxes.empty()], 4) == pytest.approx(2 / 8)
    assert person_share([], 4) is None


@pytest.mark.parametrize("x", [8, 30, 52])
def test_motion_x_is_where_something_moves(x) -> None:
    rng = np.random.default_rng(x)
    video = np.zeros((4, 64, 64, 3), np.uint8)
    video[:, 14:50] = rng.integers(0, 255, (36, 64, 3)) // 2  # a still, textured room
    for frame in range(4):
        top = 20 + 3 * frame
        video[frame, top : top + 8, x - 2 : x + 2] = 250
    clip = Clip(video, np.zeros((2, 8000), np.float32), FORMAT)
    assert motion_x(clip) == pytest.approx(x, abs=1.5)
    assert motion_x(clip.mirrored()) == pytest.approx(64 - motion_x(clip), abs=0.1)


def test_a_still_has_no_motion() -> None:
    clip = Clip(np.full((4, 64, 64, 3), 90, np.uint8), np.zeros((2, 8000), np.float32), FORMAT)
    assert np.isnan(motion_x(clip))


def test_correlation_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(40)
    y = 0.4 * x + rng.standard_normal(40)
    expected = stats.pearsonr(x, y)
    result = correlation(x, y)
    assert result.r == pytest.approx(expected.statistic, abs=1e-12)
    assert result.p == pytest.approx(expected.pvalue, abs=0.01)
    assert result.clips == 40


def test_correlation_leaves_out_missing_values() -> None:
    x = [1.0, np.nan, 2.0, 3.0, 4.0]
    y = [2.0, 5.0, 4.0, np.nan, 8.0]
    result = correlation(x, y, permutations=100)
    assert result.r == pytest.approx(1.0) and result.clips == 3
    assert correlation([1, 1, 1], [1, 2, 3]).r is None
    assert correlation([], []).clips == 0
    with pytest.raises(ValueError, match="one length"):
        correlation([1.0], [1.0, 2.0])


def test_unrelated_values_are_rarely_significant() -> None:
    rng = np.random.default_rng(5)
    p = [
        correlation(rng.standard_normal(20), rng.standard_normal(20), permutations=200).p
        for _ in range(100)
    ]
    assert np.mean(np.array(p) < 0.05) < 0.13
