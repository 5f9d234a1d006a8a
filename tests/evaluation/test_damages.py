"""Known damages: each does what it says, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from savg.clip import Clip
from savg.evaluation.damages import DAMAGES, damaged, moved_sideways
from savg.format import SAVGBENCH
from savg.geometry import stereo_gains

SMALL = SAVGBENCH.with_size(64)


@pytest.fixture(scope="module")
def clip() -> Clip:
    rng = np.random.default_rng(0)
    video = rng.integers(0, 256, (SMALL.frames, 64, 64, 3)).astype(np.uint8)
    return Clip(video, rng.normal(0, 0.05, (2, SMALL.samples)).astype(np.float32), SMALL)


@pytest.mark.parametrize("azimuth", [-40.0, 0.0, 25.0])
@pytest.mark.parametrize("degrees", [-60.0, -10.0, 20.0])
def test_a_source_moves_by_so_many_degrees(azimuth: float, degrees: float) -> None:
    mono = np.random.default_rng(1).normal(0, 0.1, 16_000)
    there = (stereo_gains(azimuth)[:, None] * mono).astype(np.float32)
    moved = moved_sideways(there, degrees)
    expected = stereo_gains(azimuth + degrees)[:, None] * mono
    np.testing.assert_allclose(moved, expected, atol=2e-6)


def test_only_the_correlated_part_moves() -> None:
    rng = np.random.default_rng(2)
    direct, apart = rng.normal(0, 0.1, (2, 48_000))
    apart -= direct * (apart @ direct) / (direct @ direct)
    stereo = np.stack([direct + apart, direct - apart]).astype(np.float32)
    moved = moved_sideways(stereo, 30.0)
    np.testing.assert_allclose((moved[0] + moved[1]) / 2, direct, atol=1e-6)
    np.testing.assert_allclose((moved[0] - moved[1]) / 2, apart + 0.5 * direct, atol=1e-6)
    silent = np.zeros((2, 10), np.float32)
    assert not moved_sideways(silent, 30.0).any()


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_changes_its_part_alone_and_more_the_severer(name: str, clip: Clip) -> None:
    damage, apart = DAMAGES[name], []
    for level in damage.levels:
        worse = damaged(clip, name, level, index=3)
        same, other = ("video", "audio") if damage.changes == "audio" else ("audio", "video")
        assert np.array_equal(getattr(worse, same), getattr(clip, same))
        a, b = (np.asarray(getattr(c, other), float) for c in (worse, clip))
        apart.append(float(np.square(a - b).mean()))
        again = damaged(clip, name, level, index=3)
        assert np.array_equal(again.audio, worse.audio) and np.array_equal(again.video, worse.video)
        assert damage.title(level).startswith(damage.label)
    assert apart[0] > 0
    if name not in ("pan", "shift"):  # of noise, any delay is as far away as any other
        assert apart == sorted(apart)


def test_levels_mean_what_their_units_say(clip: Clip) -> None:
    late = damaged(clip, "shift", 0.5).audio
    assert not late[:, :8000].any() and np.array_equal(late[:, 8000:], clip.audio[:, :-8000])
    noise = damaged(clip, "noise", 10.0).audio - clip.audio
    ratio = 10 * np.log10(np.square(clip.audio).mean() / np.square(noise).mean())
    assert ratio == pytest.approx(10, abs=0.1)
    quiet = damaged(clip, "silence", 25.0).audio
    assert (quiet == 0).all(axis=0).mean() == pytest.approx(0.25, abs=1e-4)
    assert not damaged(clip, "silence", 100.0).audio.any()
    swapped = damaged(clip, "swapped", 1.0).audio
    assert np.array_equal(swapped[0], clip.audio[1]) and np.array_equal(swapped[1], clip.audio[0])
    mono = damaged(clip, "mono", 1.0).audio
    assert np.array_equal(mono[0], mono[1])
    np.testing.assert_allclose(mono[0], clip.audio.mean(axis=0), atol=1e-7)
    shown = damaged(clip, "dropped", 50.0).video
    repeated = [np.array_equal(a, b) for a, b in zip(shown[1:], shown[:-1], strict=True)]
    assert sum(repeated) == round(0.5 * 19) and np.array_equal(shown[0], clip.video[0])
    grain = damaged(clip, "grain", 10.0).video.astype(float) - clip.video
    inner = (clip.video > 60) & (clip.video < 195)
    assert grain[inner].std() == pytest.approx(10, rel=0.02)


def test_loud_audio_stays_within_full_scale() -> None:
    loud = np.ones((2, SMALL.samples), np.float32)
    video = np.zeros((SMALL.frames, 64, 64, 3), np.uint8)
    for name in ("pan", "noise"):
        worse = damaged(Clip(video, loud, SMALL), name, DAMAGES[name].levels[-1])
        assert np.abs(worse.audio).max() <= 1
