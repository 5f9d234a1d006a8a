"""The audio of videos: sides, length and beginning, from files of many kinds."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from videos import make_video

from savg.errors import MediaError
from savg.media.audio_track import AudioTrack, audio_of


def test_a_videos_own_audio_keeps_its_sides_and_length(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", seconds=2, channels=2)
    audio = audio_of(path, 2.0)
    assert audio.shape == (2, 96_000) and audio.dtype == np.float32
    left, right = audio[:, 4800:].std(axis=1)
    assert left == pytest.approx(0.3 / np.sqrt(2), rel=0.02)
    assert left / right == pytest.approx(4, rel=0.02)
    longer = audio_of(path, 3.0)
    assert longer.shape == (2, 144_000) and not longer[:, 97_000:].any()
    assert audio_of(path, 0.5).shape == (2, 24_000)


def test_mono_goes_to_both_channels_as_it_is(tmp_path: Path) -> None:
    audio = audio_of(make_video(tmp_path / "a.mkv", channels=1), 1.0)
    assert (audio[0] == audio[1]).all()
    assert audio[0].std() == pytest.approx(0.3 / np.sqrt(2), rel=0.02)


def test_many_channels_are_mixed_down(tmp_path: Path) -> None:
    audio = audio_of(make_video(tmp_path / "a.mkv", channels=6), 1.0)
    assert audio.shape == (2, 48_000) and audio[0].std() > audio[1].std() > 0


def test_late_audio_stays_late(tmp_path: Path) -> None:
    audio = audio_of(make_video(tmp_path / "a.mkv", seconds=2, audio_late=0.5), 2.0)
    assert not audio[:, :23_000].any() and audio[0, 25_000:].std() > 0.1


def test_a_silent_video_has_none(tmp_path: Path) -> None:
    assert audio_of(make_video(tmp_path / "a.mkv", audio=False), 1.0) is None
    (tmp_path / "t.mp4").write_text("no video")
    with pytest.raises(MediaError, match=r"t\.mp4"):
        audio_of(tmp_path / "t.mp4", 1.0)


def test_rate_and_channels_may_change_midway() -> None:
    track = AudioTrack(16_000)
    for rate, layout, channels in (
        (16_000, "stereo", 2),
        (48_000, "stereo", 2),
        (16_000, "5.1", 6),
    ):
        samples = np.full((channels, rate), 0.25, np.float32)
        block = av.AudioFrame.from_ndarray(samples, "fltp", layout)
        block.sample_rate = rate
        track.add(block)
    assert track.seconds == 3.0 and track.end == 3.0
    audio = track.samples(0.0, 48_000)
    assert track.joined().shape[0] == 2 and abs(track.joined().shape[1] - 48_000) < 100
    assert np.abs(audio[:, 100:15_900] - 0.25).max() < 0.01
    assert np.abs(audio[:, 16_100:31_900] - 0.25).max() < 0.01
