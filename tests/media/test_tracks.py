"""Which of several tracks is seen and heard, and which count for a file's length."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from odd_files import Frames, Track, write_odd

from savg.clip import Clip
from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.audio_track import audio_of
from savg.media.probe import video_info
from savg.video import Video

FINE = ClipFormat(frames=50, fps=50, size=32, picture_height=18)
SECONDS = 1.5
FRAMES = Frames.steady(10, SECONDS)
PEAKS = 0.0625, 0.25
STEREO = Track(seconds=SECONDS, bursts=(0.5,), gains=PEAKS)
SILENT = replace(STEREO, gains=(0.0, 0.0))
SUFFIXES = ".mp4", ".mov", ".mkv", ".webm"


def mono(gain: float, **options: object) -> Track:
    return replace(STEREO, layout="mono", gains=(gain,), **options)  # type: ignore[arg-type]


def file(folder: Path, suffix: str, *tracks: Track, frames=FRAMES) -> Path:
    if suffix == ".webm":
        tracks = tuple(replace(track, codec="libopus") for track in tracks)
    return write_odd(folder / f"a{suffix}", frames, tracks)


def peaks(path: Path) -> tuple[list[float], list[float]]:
    """The peaks of both channels of a clip, which lasts as long as the video, and of its own audio."""
    clip, own = Clip.read(path, FINE, max_seconds=30), audio_of(path, SECONDS)
    assert own is not None and clip.format.seconds == pytest.approx(SECONDS, abs=0.1)
    return np.abs(clip.audio).max(axis=1).tolist(), np.abs(own).max(axis=1).tolist()


def near(values: tuple[float, float]):
    return pytest.approx(values, abs=0.015)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "first",
    [
        replace(SILENT, disposition=""),
        mono(0.25, disposition=""),
        replace(SILENT, disposition="comment"),
    ],
    ids=["silent", "mono", "comment"],
)
def test_the_default_track_is_heard(tmp_path: Path, suffix: str, first: Track) -> None:
    path = file(tmp_path, suffix, first, STEREO)
    assert peaks(path) == (near(PEAKS), near(PEAKS))
    assert video_info(path).channels == 2


def test_a_comment_is_heard_only_where_there_is_nothing_else(tmp_path: Path) -> None:
    comment = replace(SILENT, disposition="comment")
    path = file(tmp_path, ".mkv", comment, replace(STEREO, disposition=""))
    assert peaks(path) == (near(PEAKS), near(PEAKS))
    path = file(tmp_path, ".mkv", replace(STEREO, disposition="comment"))
    assert peaks(path) == (near(PEAKS), near(PEAKS))


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".ts"])
def test_stereo_comes_before_mono_where_only_stereo_will_do(tmp_path: Path, suffix: str) -> None:
    path = file(tmp_path, suffix, mono(0.25), replace(STEREO, disposition=""))
    assert peaks(path) == (near(PEAKS), near((0.25, 0.25)))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("titles", [("Left", "Right"), ("mic L", "mic R")])
@pytest.mark.parametrize("swapped", [False, True])
def test_two_marked_mono_tracks_are_a_stereo_pair(
    tmp_path: Path, suffix: str, titles: tuple[str, str], swapped: bool
) -> None:
    tracks = [mono(gain, title=title) for gain, title in zip(PEAKS, titles, strict=True)]
    path = file(tmp_path, suffix, *tracks[:: -1 if swapped else 1])
    assert peaks(path) == (near(PEAKS), near(PEAKS))
    assert video_info(path).channels == 2


def test_mono_tracks_may_be_marked_by_their_channels(tmp_path: Path) -> None:
    sides = zip(PEAKS, ("FL", "FR"), strict=True)
    pair = [replace(mono(gain), layout=side, codec="pcm_s16le") for gain, side in sides]
    path = file(tmp_path, ".mov", *pair)
    assert peaks(path) == (near(PEAKS), near(PEAKS))


def test_a_pair_may_have_gaps_and_begin_apart(tmp_path: Path) -> None:
    left = mono(0.25, title="left", gaps=((0.1, 0.3),))
    right = mono(0.25, title="right", late=0.25, bursts=(0.25,), seconds=1.25)
    own = audio_of(file(tmp_path, ".mkv", left, right), SECONDS, 16_000)
    assert own is not None
    for channel in np.abs(own):
        assert np.flatnonzero(channel > 0.1)[0] == pytest.approx(8000, abs=96)


def test_two_unmarked_mono_tracks_are_no_pair(tmp_path: Path) -> None:
    path = file(tmp_path, ".mkv", mono(0.25), mono(0.0))
    with pytest.raises(MediaError, match="has 1 audio channel: expected stereo"):
        Clip.read(path)


@pytest.mark.parametrize("codec", ["libmp3lame", "libopus"])
def test_a_track_of_an_unknown_codec_is_passed_over(tmp_path: Path, codec: str) -> None:
    path = file(tmp_path, ".mkv", SILENT, replace(STEREO, codec=codec, disposition=""))
    path.write_bytes(path.read_bytes().replace(b"A_AAC", b"A_XYZ"))
    assert peaks(path) == (near(PEAKS), near(PEAKS))


def test_a_file_without_a_known_codec_is_refused(tmp_path: Path) -> None:
    path = file(tmp_path, ".mkv", STEREO)
    path.write_bytes(path.read_bytes().replace(b"A_AAC", b"A_XYZ"))
    with pytest.raises(MediaError, match="uses a codec that cannot be read"):
        Clip.read(path)
    with pytest.raises(MediaError, match="has audio of a kind that cannot be read"):
        audio_of(path, SECONDS)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_the_default_video_is_seen(tmp_path: Path, suffix: str) -> None:
    other = replace(FRAMES, white=(False,) * 15, disposition="")
    path = file(tmp_path, suffix, STEREO, frames=[other, replace(FRAMES, white=(True,) * 15)])
    middle = Video.read(path, FINE).frames[:, 16, 16]
    assert middle.min() > 200


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".ts"])
def test_a_longer_second_track_does_not_count(tmp_path: Path, suffix: str) -> None:
    path = file(tmp_path, suffix, STEREO, replace(STEREO, seconds=6.0, disposition=""))
    assert peaks(path) == (near(PEAKS), near(PEAKS))
    assert video_info(path).seconds == pytest.approx(SECONDS, abs=0.07)


SUBTITLES = "1\n00:00:00,000 --> 00:00:06,000\nStill here.\n"
CHAPTERS = ";FFMETADATA1\n" + "".join(
    f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={begin}\nEND={end}\ntitle=Part\n"
    for begin, end in ((0, 6000), (6000, 90_000))
)


@pytest.mark.parametrize(
    ("suffix", "text", "arguments"),
    [
        (".mkv", SUBTITLES, ["-map", "0", "-map", "1", "-c:s", "srt"]),
        (".mp4", SUBTITLES, ["-map", "0", "-map", "1", "-c:s", "mov_text"]),
        (".mkv", CHAPTERS, ["-map_metadata", "1", "-map_chapters", "1"]),
        (".mp4", CHAPTERS, ["-map_metadata", "1", "-map_chapters", "1"]),
    ],
)
def test_longer_subtitles_and_chapters_do_not_count(
    tmp_path: Path, suffix, text, arguments
) -> None:
    source = file(tmp_path, suffix, STEREO)
    extra = tmp_path / ("a.srt" if text == SUBTITLES else "a.txt")
    extra.write_text(text)
    path = tmp_path / f"b{suffix}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(source), "-i", str(extra)]
    subprocess.run([*command, *arguments, "-c:v", "copy", "-c:a", "copy", str(path)], check=True)
    assert peaks(path) == (near(PEAKS), near(PEAKS))
