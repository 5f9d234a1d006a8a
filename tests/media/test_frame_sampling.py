"""Bringing videos to 8 and 25 fps: our rule by its definition, the published one by its golden case."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from savg.media.frame_sampling import choose_frames, nearest_frames
from savg.models.mmaudio_lengths import CLIP_FPS, SYNC_FPS
from tests.goldens import case

RATES = CLIP_FPS, SYNC_FPS


@pytest.mark.parametrize("row", range(6))
def test_the_published_rule(row: int) -> None:
    golden = case("mmaudio_frame_sampling")
    facts = golden.meta["combos"][row]
    chosen = choose_frames(
        Fraction(facts["fps"]),
        facts["source_frames"],
        facts["asked_duration"],
        RATES,
        "published",
        Fraction(facts["time_base"]),
    )
    clip, sync = chosen.indices
    np.testing.assert_array_equal(clip, golden[f"out__clip_index_{row}"])
    np.testing.assert_array_equal(sync, golden[f"out__sync_index_{row}"])
    assert float(chosen.seconds) == facts["duration_used"]


@pytest.mark.parametrize("fps", [4, 8, 12.5, 25, 30, Fraction(30_000, 1001), 60])
@pytest.mark.parametrize("rate", [8, 25])
def test_ours_takes_the_frame_shown_at_the_middle(fps, rate: int) -> None:
    frames = int(5 * fps)
    indices = nearest_frames(fps, frames, rate, 5)
    assert len(indices) == 5 * rate
    for k, index in enumerate(indices):
        middle = Fraction(2 * k + 1, 2 * rate)
        exact = Fraction(fps).limit_denominator(2000)
        assert index == min(middle * exact // 1, frames - 1)
        if index < frames - 1:  # no other frame's middle is nearer
            middles = (np.arange(frames) + 0.5) / float(exact)
            assert abs(middles[index] - middle) <= np.abs(middles - float(middle)).min() + 1e-9


def test_a_clip_keeps_its_five_seconds() -> None:
    chosen = choose_frames(4, 20, 5.0, RATES)
    clip, sync = chosen.indices
    np.testing.assert_array_equal(clip, np.repeat(np.arange(20), 2))
    assert len(sync) == 125 and chosen.seconds == 5
    assert set(np.bincount(sync)) == {6, 7}
    (same,) = choose_frames(25, 125, 5, (25,)).indices
    np.testing.assert_array_equal(same, np.arange(125))


def test_a_short_video_holds_its_last_frame() -> None:
    clip, sync = choose_frames(10, 30, 5, RATES).indices
    assert clip[-1] == sync[-1] == 29 and len(clip) == 40
    np.testing.assert_array_equal(clip[24:], 29)


def test_nonsense_is_refused() -> None:
    for arguments in ((25, 0, 5), (0, 10, 5), (25, 10, 0)):
        with pytest.raises(ValueError, match="frames must be ≥ 1"):
            choose_frames(*arguments, RATES)
    with pytest.raises(ValueError, match="rule"):
        choose_frames(25, 125, 5, RATES, "previous")
