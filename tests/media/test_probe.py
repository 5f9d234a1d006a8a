"""What a video file says of itself."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest
from videos import make_video, rotated

from savg.errors import MediaError
from savg.media.container import nominal_rate
from savg.media.probe import VideoInfo, plays_in_browsers, video_info

H264 = ("libx264", "aac")
PCM = "pcm_s16le"


def test_sizes_are_of_frames_as_they_are_shown(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=2, width=128, height=64, fps=12, codecs=H264)
    assert video_info(path) == VideoInfo(128, 64, Fraction(12), 2.0, 2)
    silent = make_video(tmp_path / "b.mp4", width=128, height=64, codecs=H264, audio=False)
    assert video_info(rotated(silent, tmp_path / "c.mp4")) == VideoInfo(
        64, 128, Fraction(4), 1.0, 0
    )
    (tmp_path / "t.mp4").write_bytes(silent.read_bytes()[:400])
    with pytest.raises(MediaError, match=r"t\.mp4"):
        video_info(tmp_path / "t.mp4")


@pytest.mark.parametrize(
    ("suffix", "codecs", "plays"),
    [
        ("mp4", H264, True),
        ("avi", ("mpeg4", PCM), False),
        ("mkv", ("libx264", "pcm_s16le"), False),
    ],
)
def test_what_every_browser_plays(tmp_path: Path, suffix: str, codecs, plays: bool) -> None:
    assert plays_in_browsers(make_video(tmp_path / f"a.{suffix}", codecs=codecs)) is plays


def test_a_video_without_audio_counts_as_one_to_be_coded_anew(tmp_path: Path) -> None:
    assert not plays_in_browsers(make_video(tmp_path / "a.mp4", codecs=H264, audio=False))


def test_a_codec_that_nobody_knows_plays_nowhere(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", codecs=H264)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    assert not plays_in_browsers(path)


def test_a_rate_of_one_frame_in_hours_is_not_zero() -> None:
    rate = Fraction(8, 524289)
    assert nominal_rate(SimpleNamespace(guessed_rate=rate, average_rate=rate)) == rate
