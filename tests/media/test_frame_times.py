"""Frames are shown from their time stamps on, and the last one for as long as the file says."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from edit_lists import with_edits
from odd_files import BURSTS, HEIGHT, WIDTH, Frames, Track, flashes, onsets, write_odd

from savg.clip import Clip
from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.audio_track import audio_of
from savg.media.frame_index import index_video
from savg.media.frames import frames_at_rate
from savg.media.mux import with_audio
from savg.media.probe import UNEVEN_FPS, frame_rate, video_info
from savg.video import Video
from tests.videos import make_video

FINE = ClipFormat(frames=50, fps=50, size=32, picture_height=18)
FRAME = 0.041
"""Seconds of a frame at 25 a second, and a millisecond."""

TENTHS = [k / 10 for k in range(11)]
FORMS = {
    # times, white frames, seconds of the last one
    "static end": (TENTHS, [1, 3, 5, 7, 9], 4.0),
    "slides": ([0, 1, 6], [1, 2], 1.0),
    "slides, the last one long": ([0, 1], [1], 5.0),
    "a burst between stills": ([0, *(4 + t for t in TENTHS[:-1])], [1, 3, 5, 7, 9], 5.1),
    "a still, then frames": ([0, *(5 + k / 25 for k in range(6))], [1, 3, 5], 0.8),
    "no common unit": ([0, 1, 1.7, 2.45], [1, 3], 1.35),
}
SUFFIXES = ".mp4", ".mov", ".mkv", ".webm", ".3gp"


def uneven(form: str, codec: str | None = None) -> tuple[Frames, float, list[float]]:
    """Frames, the seconds of all, and when they turn white."""
    times, white, last = FORMS[form]
    frames = Frames(tuple(times), tuple(k in white for k in range(len(times))), last, codec)
    starts = [times[k] for k in white if k - 1 not in white]
    return frames, times[-1] + last, starts


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "heard", [None, 1.0, 0.3], ids=["silent", "with audio", "audio ends early"]
)
def test_uneven_frames(tmp_path: Path, suffix: str, form: str, heard: float | None) -> None:
    frames, seconds, white = uneven(form)
    codec = "libopus" if suffix == ".webm" else "aac"
    audio = [] if heard is None else [Track(codec=codec, seconds=heard * seconds, bursts=white[:1])]
    path = write_odd(tmp_path / f"a{suffix}", frames, audio)
    video = Video.read(path, FINE)
    assert float(video.duration) == pytest.approx(seconds, abs=FRAME)
    assert flashes(video.frames, float(video.fps)) == pytest.approx(white, abs=FRAME)
    assert video_info(path).seconds == pytest.approx(seconds, abs=0.002)
    if heard is not None:
        clip = Clip.read(path, FINE, max_seconds=30)
        assert clip.format.seconds == pytest.approx(seconds, abs=0.05)
        assert flashes(clip.video, FINE.fps) == pytest.approx(white, abs=0.021)


@pytest.mark.parametrize(
    ("name", "form", "codec", "seconds"),
    [
        ("a.gif", "no common unit", None, 3.8),
        ("a.mp4", "a burst between stills", "mpeg4", 10.0),
        ("a.flv", "a burst between stills", None, None),
        ("a.ts", "a burst between stills", None, None),
    ],
)
def test_uneven_frames_elsewhere(tmp_path: Path, name: str, form: str, codec, seconds) -> None:
    """FLV and MPEG-TS do not say how long the last frame lasts."""
    frames, _, white = uneven(form, codec)
    path = write_odd(tmp_path / name, frames, [])
    video = Video.read(path, FINE)
    assert flashes(video.frames, float(video.fps)) == pytest.approx(white, abs=FRAME)
    expected = frames.times[-1] if seconds is None else seconds
    assert float(video.duration) == pytest.approx(expected, abs=0.2 if seconds is None else FRAME)


@pytest.mark.parametrize("form", ["static end", "slides, the last one long"])
@pytest.mark.parametrize("audio", [[], [Track(codec="libopus", seconds=5.0, bursts=(0.1,))]])
def test_vp9_in_mp4_lasts_as_long_as_stated(tmp_path: Path, form: str, audio: list[Track]) -> None:
    """A parser gives its last packet the length of the one before."""
    frames, seconds, white = uneven(form, "libvpx-vp9")
    path = write_odd(tmp_path / "a.mp4", frames, audio)
    video = Video.read(path, FINE)
    assert float(video.duration) == pytest.approx(seconds, abs=FRAME)
    assert flashes(video.frames, float(video.fps)) == pytest.approx(white, abs=FRAME)
    assert video_info(path).seconds == pytest.approx(seconds, abs=0.002)


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_avi_frames_count_from_the_first_slot(tmp_path: Path, codec: str, b_frames: int) -> None:
    """Its H.264 has no presentation times: FFmpeg guesses a decoder's delay."""
    path = tmp_path / "a.avi"
    wave = np.zeros((1, 2 * 16_000), np.int16)
    wave[0, 2 * 8_000 : 2 * 8_640] = 16_000  # a burst at 0.5 s
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, width=WIDTH, height=HEIGHT, pix_fmt="yuv420p")
        stream.codec_context.max_b_frames = b_frames
        sound = container.add_stream("pcm_s16le", rate=16_000, layout="stereo")
        for number in range(25):
            image = np.full((HEIGHT, WIDTH, 3), 235 if number == 12 else 16, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode(None))
        block = av.AudioFrame.from_ndarray(wave, "s16", "stereo")
        block.sample_rate, block.pts = 16_000, 0
        container.mux([*sound.encode(block), *sound.encode(None)])
    clip = Clip.read(path, FINE, max_seconds=30)
    assert flashes(clip.video, FINE.fps) == pytest.approx([0.48], abs=0.001)
    assert onsets(clip.audio, FINE.sample_rate) == pytest.approx([0.5], abs=0.006)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_avi_frames_are_shown_in_their_order(tmp_path: Path, codec: str) -> None:
    """With B-frames, the time stamps of packets are in the order in which frames are coded."""
    path, target = tmp_path / "a.avi", tmp_path / "a.mp4"
    levels = [16 + 10 * number for number in range(20)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, width=WIDTH, height=HEIGHT, pix_fmt="yuv420p")
        stream.codec_context.max_b_frames = 2
        stream.bit_rate = 4_000_000
        for level in levels:
            image = np.full((HEIGHT, WIDTH, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode(None))
    assert not with_audio(path, target, np.zeros((2, 38_400), np.float32), 48_000)
    for file in (path, target):
        shown = [float(frame.mean()) for frame in frames_at_rate(file, Fraction(25))]
        assert shown == pytest.approx(levels, abs=4)
    with pytest.raises(MediaError, match="without a time of their own"):
        index_video(path)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("form", FORMS)
def test_the_frames_are_those_of_ffmpegs_own_conversion(tmp_path: Path, suffix, form) -> None:
    """Its `fps` filter with times rounded up shows what is on screen when a frame begins."""
    frames, _, _ = uneven(form)
    path = write_odd(tmp_path / f"a{suffix}", frames, [])
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path)]
    command += ["-vf", "fps=25:round=up", "-pix_fmt", "gray", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    theirs = np.frombuffer(raw, np.uint8).reshape(-1, HEIGHT, WIDTH).mean(axis=(1, 2)) > 128
    ours = np.array([frame.mean() > 128 for frame in frames_at_rate(path, Fraction(25))])
    assert abs(len(theirs) - len(ours)) <= 1
    length = min(len(theirs), len(ours))
    np.testing.assert_array_equal(ours[:length], theirs[:length])


@pytest.mark.parametrize("fps", [4, 8, 10, 12, 23.976, 24, 25, 29.97, 30, 50])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_steady_rate_stays_as_it_is(tmp_path: Path, fps: float, suffix: str) -> None:
    rate = Fraction(fps).limit_denominator(1001)
    path = make_video(
        tmp_path / f"a{suffix}", seconds=1, fps=rate, width=64, height=48, audio=False
    )
    assert abs(float(frame_rate(path) - rate)) < 0.02


def test_the_rate_of_frames_at_uneven_times(tmp_path: Path) -> None:
    slides = write_odd(tmp_path / "a.mp4", uneven("slides")[0], [])
    assert frame_rate(slides) == 1
    odd = write_odd(tmp_path / "b.mkv", uneven("no common unit")[0], [])
    assert frame_rate(odd) == UNEVEN_FPS
    dropped = Frames(tuple(k / 20 for k in (0, 1, 2, 3, 7, 8, 9)), (True,) * 7)
    assert frame_rate(write_odd(tmp_path / "c.mp4", dropped, [])) == 20


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize(
    ("edits", "times"),
    [
        ([(0.52, 3.48)], [0.48, 1.48, 2.48]),
        ([(0.8, 1.6)], [0.2, 1.2]),
        ([(0.0, 1.2), (1.6, 2.4)], [1.0, 1.6, 2.6]),
        ([(1.8, 2.2), (0.0, 1.4)], [0.2, 1.2, 3.2]),
    ],
    ids=["trimmed", "a part", "without a part", "in another order"],
)
def test_edits_are_followed(tmp_path: Path, suffix: str, edits, times) -> None:
    path = with_edits(write_odd(tmp_path / f"a{suffix}"), edits)
    seconds = sum(length for _, length in edits)
    clip = Clip.read(path, FINE, max_seconds=30)
    assert clip.format.seconds == pytest.approx(seconds, abs=0.05)
    assert flashes(clip.video, FINE.fps) == pytest.approx(times, abs=0.021)
    assert onsets(clip.audio, FINE.sample_rate) == pytest.approx(times, abs=0.015)
    own = audio_of(path, seconds)
    assert own is not None and onsets(own, 48_000) == pytest.approx(times, abs=0.015)
    video = Video.read(path, FINE)
    assert flashes(video.frames, float(video.fps)) == pytest.approx(times, abs=FRAME)


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".mp4", ".mov", ".flv"])
@pytest.mark.parametrize("part", [0.1, 0.3, 0.6])
def test_a_file_that_was_cut_is_refused(tmp_path: Path, suffix: str, part: float) -> None:
    codec = "libopus" if suffix == ".webm" else "aac"
    options = {"movflags": "+faststart"} if suffix in (".mp4", ".mov") else {}
    frames = Frames.steady(25, 10.0)
    track = Track(codec=codec, seconds=10.0)
    path = write_odd(tmp_path / f"a{suffix}", frames, track, options=options)
    data = path.read_bytes()
    header = data.index(b"mdat") if options else 0
    path.write_bytes(data[: header + int((len(data) - header) * part)])
    with pytest.raises(MediaError, match=r"is cut short: only|can be read to its end"):
        Clip.read(path, FINE, max_seconds=30)
    if suffix != ".flv":  # which says only how long all of it is
        with pytest.raises(MediaError, match=r"is cut short: only|can be read to its end"):
            Video.read(path, FINE)


def test_an_avi_that_was_cut_is_refused(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", seconds=10, fps=25, width=64, height=48)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 10])
    with pytest.raises(MediaError, match=r"is cut short: only \d\.\d of its 10\.0 s"):
        Clip.read(path, max_seconds=30)


def test_bursts_and_white_frames_come_together(tmp_path: Path) -> None:
    """The files of these tests are what they say."""
    clip = Clip.read(write_odd(tmp_path / "a.mp4"), FINE, max_seconds=30)
    assert flashes(clip.video, FINE.fps) == pytest.approx(BURSTS, abs=1e-6)
    assert onsets(clip.audio, FINE.sample_rate) == pytest.approx(BURSTS, abs=0.002)
