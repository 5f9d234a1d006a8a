"""Videos: frames by time from real files, silent ones included."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from savg.annotation import Boxes
from savg.errors import Cancelled, MediaError
from savg.format import ClipFormat
from savg.media.audio_file import read_audio, write_audio
from savg.media.frame_sampling import choose_frames
from savg.media.probe import frame_rate
from savg.video import Video
from tests.videos import make_video, rotated
from tests.videos_by_brightness import grey, numbers, write_silent

H264 = ("libx264", "aac")
FORMAT = ClipFormat(frames=4, fps=4, sample_rate=16_000, size=32, picture_height=18)


def test_a_silent_video_is_read_at_its_own_rate(tmp_path: Path) -> None:
    path = write_silent(tmp_path / "a.mp4", grey(10), [Fraction(i, 5) for i in range(10)])
    assert frame_rate(path) == 5
    video = Video.read(path, FORMAT)
    assert video.fps == 5 and video.duration == 2 and video.frames.shape == (10, 32, 32, 3)
    assert numbers(video.frames) == list(range(10))


def test_fast_videos_are_thinned_to_what_networks_look_at(tmp_path: Path) -> None:
    path = write_silent(tmp_path / "a.mp4", grey(25), [Fraction(i, 50) for i in range(25)])
    video = Video.read(path, FORMAT)
    assert video.fps == 25 and len(video.frames) == 13
    assert numbers(video.frames) == list(range(0, 25, 2))


def test_times_are_those_of_the_rule_for_features() -> None:
    video = Video(np.stack(grey(20, 32, 32)), Fraction(4))
    slow, fast = choose_frames(4, 20, 5, (8, 25)).indices
    assert (video.at(8, 0, 40) == slow).all()
    assert (video.at(25, 0, 125) == fast).all()
    assert (video.at(8, 2, 8) == slow[16:24]).all()
    assert (video.at(8, 4, 16) == [*slow[32:], *[19] * 8]).all()  # its last frame stays


def test_a_mirrored_video_and_its_boxes() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), dtype=np.uint8)
    boxes = Boxes([1], [0], [[10.0, 20.0, 30.0, 60.0]])
    mirrored = Video(frames, Fraction(4), boxes).mirrored()
    assert (mirrored.frames == frames[:, :, ::-1]).all()
    assert mirrored.boxes.xyxy.tolist() == [[226.0, 20.0, 246.0, 60.0]]


def test_wrong_files_and_frames_are_named(tmp_path: Path) -> None:
    write_audio(tmp_path / "s.wav", np.zeros((2, 1600), np.float32), 16_000)
    assert read_audio(tmp_path / "s.wav")[1] == 16_000
    with pytest.raises(MediaError, match=r"s\.wav has no frames"):
        Video.read(tmp_path / "s.wav")
    (tmp_path / "t.mp4").write_text("no video")
    with pytest.raises(MediaError, match=r"t\.mp4"):
        Video.read(tmp_path / "t.mp4")
    with pytest.raises(MediaError, match="no such"):
        Video.read(tmp_path / "none.mp4")
    path = write_silent(tmp_path / "a.mp4", grey(10), [Fraction(i, 5) for i in range(10)])
    with pytest.raises(MediaError, match=r"at most 1 s long"):
        Video.read(path, FORMAT, max_seconds=1)
    with pytest.raises(ValueError, match="size, size, 3"):
        Video(np.zeros((2, 8, 9, 3), np.uint8), Fraction(4))
    with pytest.raises(ValueError, match="uint8"):
        Video(np.zeros((2, 8, 8, 3), np.float32), Fraction(4))


def test_a_turned_video_is_upright(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", width=128, height=64, codecs=H264, audio=False)
    video = Video.read(rotated(source, tmp_path / "rotated.mp4"))
    dark = video.frames[:, :, :60].max()  # a tall frame has black at both sides
    assert dark == 0 and video.frames[:, :, 128].max() > 20


def test_reading_stops_when_the_watcher_raises(tmp_path: Path) -> None:
    def stop(seconds: float) -> None:
        if seconds >= 1.0:
            raise Cancelled

    with pytest.raises(Cancelled):
        Video.read(make_video(tmp_path / "a.mkv", seconds=2, fps=12), watch=stop)
