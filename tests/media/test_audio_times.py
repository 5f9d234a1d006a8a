"""Audio is heard when its time stamps say, in clips and in video-to-audio alike.

Gaps, early and late tracks, and audio whose channels or rate change midway, over containers and codecs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from odd_files import BURSTS, SECONDS, Frames, Track, flashes, joined, onsets, write_odd

from savg.clip import Clip
from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.audio_track import audio_of

FINE = ClipFormat(frames=50, fps=50, size=32, picture_height=18)
CLOSE = 0.006
"""Seconds by which audio may be early or late."""

FILES = [
    ("a.mkv", "aac"),
    ("a.mkv", "libvorbis"),
    ("a.mkv", "libopus"),
    ("a.mkv", "flac"),
    ("a.mkv", "ac3"),
    ("a.mkv", "libmp3lame"),
    ("a.mkv", "pcm_s16le"),
    ("a.webm", "libopus"),
    ("a.webm", "libvorbis"),
    ("a.mp4", "aac"),
    ("a.mp4", "libopus"),
    ("a.mp4", "libmp3lame"),
    ("a.mov", "aac"),
    ("a.mov", "pcm_s16le"),
    ("a.3gp", "aac"),
    ("a.ts", "mp2"),
    ("a.ts", "aac"),
    ("a.ts", "ac3"),
    ("a.flv", "aac"),
    ("a.asf", "libmp3lame"),
]


def heard(path: Path, seconds: float = SECONDS) -> tuple[list[float], list[float]]:
    """When bursts are heard in a clip and in a video's own audio."""
    own = audio_of(path, seconds)
    assert own is not None
    clip = Clip.read(path, FINE, max_seconds=30)
    return onsets(clip.audio, FINE.sample_rate), onsets(own, 48_000)


@pytest.mark.parametrize(("name", "codec"), [f for f in FILES if f != ("a.mov", "pcm_s16le")])
@pytest.mark.parametrize("gaps", [((1.2, 1.9),), ((1.2, 1.24), (1.4, 1.7), (2.3, 2.7))])
def test_a_gap_is_silence(tmp_path: Path, name: str, codec: str, gaps) -> None:
    path = write_odd(tmp_path / name, audio=Track(codec=codec, gaps=gaps))
    for times in heard(path):
        assert times == pytest.approx(BURSTS, abs=CLOSE)
    clip = Clip.read(path, FINE, max_seconds=30)
    assert clip.format.seconds == pytest.approx(SECONDS, abs=0.1)
    assert flashes(clip.video, FINE.fps) == pytest.approx(BURSTS, abs=0.02)


def test_one_lost_packet_after_the_other_adds_up_to_nothing(tmp_path: Path) -> None:
    gaps = tuple((1.1 + k / 10, 1.119 + k / 10) for k in range(7))
    path = write_odd(tmp_path / "a.webm", audio=Track(codec="libopus", gaps=gaps))
    for times in heard(path):
        assert times == pytest.approx(BURSTS, abs=CLOSE)


def test_a_long_gap_swallows_what_was_in_it(tmp_path: Path) -> None:
    path = write_odd(tmp_path / "a.mkv", audio=Track(gaps=((1.2, 2.8),)))
    for times in heard(path):
        assert times == pytest.approx([1.0, 3.0], abs=CLOSE)


@pytest.mark.parametrize(
    ("name", "codec", "late"),
    [(*file, late) for file in FILES for late in (0.045, -0.04)]
    + [(*file, late) for file in FILES[::5] for late in (0.03, -0.32, 1.5, -1.2)],
)
def test_audio_may_begin_before_or_after_the_first_frame(
    tmp_path: Path, name: str, codec: str, late: float
) -> None:
    own = tuple(burst - late for burst in BURSTS if burst >= late)
    track = Track(codec=codec, bursts=own, seconds=SECONDS - late, late=max(late, 0.0))
    path = write_odd(tmp_path / name, Frames.steady(late=max(-late, 0.0)), track)
    for times in heard(path):
        assert times == pytest.approx([burst for burst in BURSTS if burst >= late], abs=CLOSE)


def test_jitter_of_time_stamps_leaves_audio_whole(tmp_path: Path) -> None:
    """Recorders write the time at which a block came; audio without a gap has none of silence."""
    steady = write_odd(tmp_path / "a.mkv", audio=Track(codec="pcm_s16le"))
    expected = audio_of(steady, SECONDS)
    jittered = write_odd(tmp_path / "b.mkv", audio=Track(codec="pcm_s16le", jitter=0.02))
    np.testing.assert_array_equal(audio_of(jittered, SECONDS), expected)


LATER = {"rate": 44_100}, {"rate": 32_000}, {"layout": "mono", "gains": (0.5,)}
SURROUND = {"layout": "5.1", "gains": (0.5, 0.125, 0.0, 0.0, 0.0, 0.0)}


@pytest.mark.parametrize(
    ("codec", "change"),
    [("mp2", change) for change in LATER]
    + [("aac", SURROUND), ("ac3", SURROUND), ("aac", LATER[2])],
)
def test_channels_and_rate_may_change_midway(tmp_path: Path, codec: str, change) -> None:
    first = Track(codec=codec)
    parts = [
        write_odd(tmp_path / "1.ts", audio=first),
        write_odd(tmp_path / "2.ts", audio=replace(first, **change), shift=SECONDS),
    ]
    path = joined(tmp_path / "a.ts", *parts)
    expected = [*BURSTS, *(SECONDS + burst for burst in BURSTS)]
    for times in heard(path, 2 * SECONDS):
        assert times == pytest.approx(expected, abs=0.03)
    own = audio_of(path, 2 * SECONDS)
    assert own is not None
    right = 0.5 if change.get("layout") == "mono" else 0.125
    assert np.abs(own[:, 200_000:]).max(axis=1) == pytest.approx([0.5, right], abs=0.03)


def test_audio_that_becomes_stereo_is_one_sentence_for_a_clip(tmp_path: Path) -> None:
    mono = Track(layout="mono", gains=(0.5,))
    parts = [write_odd(tmp_path / "1.ts", audio=mono), write_odd(tmp_path / "2.ts", shift=SECONDS)]
    path = joined(tmp_path / "a.ts", *parts)
    with pytest.raises(MediaError, match="has 1 audio channel: expected stereo"):
        Clip.read(path)
    own = audio_of(path, 2 * SECONDS)
    assert own is not None
    assert np.abs(own[:, :180_000]).max(axis=1) == pytest.approx([0.5, 0.5], abs=0.03)
    assert np.abs(own[:, 200_000:]).max(axis=1) == pytest.approx([0.5, 0.125], abs=0.04)
