"""Small files that ask for much: what would be allocated is bounded, whatever a header says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import pytest
from odd_files import Frames, Track, joined, write_odd

from savg.clip import Clip
from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.audio_track import audio_of
from savg.media.frames import frame_at
from savg.media.probe import frame_rate, video_info
from savg.video import Video
from tests.videos import make_video

FINE = ClipFormat(frames=50, fps=50, size=32, picture_height=18)
MEMORY = 400
"""Megabytes beyond those of a process that has read an ordinary file."""

READERS: dict[str, Callable[[Path], object]] = {
    "clip": lambda path: Clip.read(path, max_seconds=60).audio.shape,
    "clip of five seconds": lambda path: Clip.read(path).audio.shape,
    "video": lambda path: Video.read(path, FINE).frames.shape,
    "own audio": lambda path: np.shape(audio_of(path, 8.0)),
    "facts": video_info,
    "rate": frame_rate,
    "frame": lambda path: frame_at(path, 3).shape,
}


def read_all(path: Path) -> dict[str, object]:
    """What each reader makes of a file: a result or a sentence."""
    answers: dict[str, object] = {}
    for name, read in READERS.items():
        try:
            answers[name] = read(path)
        except MediaError as error:
            answers[name] = str(error)
    return answers


def memory_of(ordinary: Path, *paths: Path) -> float:
    """Megabytes that all readers take for files beyond an ordinary one, in a process of their own."""
    code = (
        "import resource; from pathlib import Path; from test_media_bounds import read_all\n"
        "peaks = []\n"
        "for name in sys.argv[1:]:\n"
        "    read_all(Path(name)); peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        "print((peaks[-1] - peaks[0]) / 1024)"
    )
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[2]), *sys.path]
    code = f"import sys; sys.path[:0] = {folders!r}\n{code}"
    run = subprocess.run(
        [sys.executable, "-c", code, str(ordinary), *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(run.stdout.split()[-1])


def changed(path: Path, change: Callable[[Any], None]) -> Path:
    """The file with its audio packets changed."""
    target = path.with_stem(f"{path.stem}-changed")
    with av.open(str(path)) as source, av.open(str(target), "w") as out:
        streams = {s.index: out.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.size:
                if packet.stream.type == "audio":
                    change(packet)
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    return target


def late_audio(folder: Path, suffix: str = ".mp4", late: float = 20_000.0) -> Path:
    return write_odd(folder / f"late{suffix}", Frames.steady(8, 2.0), Track(seconds=2.0, late=late))


def audio_with_a_gap_of_hours(folder: Path, suffix: str = ".mkv") -> Path:
    def change(packet: Any) -> None:
        if packet.pts * packet.time_base > 1:
            packet.pts += round(20_000 / packet.time_base)
            packet.dts = packet.pts

    path = write_odd(folder / f"gap{suffix}", Frames.steady(8, 2.0), Track(seconds=2.0))
    return changed(path, change)


def audio_whose_time_stands_still(folder: Path) -> Path:
    def change(packet: Any) -> None:
        packet.pts = packet.dts = 0

    path = write_odd(
        folder / "still.mkv", audio=Track(codec="pcm_s16le", rate=8_000, seconds=200.0)
    )
    return changed(path, change)


def wide_pixels(folder: Path, aspect: str = "300/1") -> Path:
    path = make_video(folder / "a.mp4", width=1920, height=1080, codecs=("libx264", "aac"))
    target = folder / "wide.mp4"
    wide, high = map(int, aspect.split("/"))
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-c", "copy"]
    command += ["-aspect", f"{1920 * wide}:{1080 * high}", str(target)]
    subprocess.run(command, check=True)
    return target


def sizes(folder: Path, *sizes: tuple[int, int], seconds: float = 1.0) -> Path:
    """Frames of these sizes, each for some seconds, at 10 a second."""
    parts = [
        make_video(
            folder / f"{width}.ts",
            width=width,
            height=height,
            seconds=seconds,
            fps=10,
            codecs=("libx264", "mp2"),
            sample_rate=48_000,
        )
        for width, height in sizes
    ]
    return joined(folder / "sizes.ts", *parts)


def test_memory_stays_that_of_an_ordinary_file(tmp_path: Path) -> None:
    hostile = [
        late_audio(tmp_path),
        audio_with_a_gap_of_hours(tmp_path),
        audio_whose_time_stands_still(tmp_path),
        write_odd(tmp_path / "a.mkv", Frames.steady(8, 2.0, late=20_000.0), Track(seconds=2.0)),
        wide_pixels(tmp_path),
        sizes(tmp_path, (64, 36), (4800, 2704), seconds=0.2),
    ]
    assert memory_of(write_odd(tmp_path / "ordinary.mp4"), *hostile) < MEMORY


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("late", [100.0, 1000.0, 20_000.0])
def test_audio_that_begins_hours_late_is_silence(tmp_path: Path, suffix: str, late: float) -> None:
    path = late_audio(tmp_path, suffix, late)
    answers = read_all(path)
    assert answers["clip"] == (2, 32_000)
    assert answers["clip of five seconds"] == (2, 80_000)
    assert answers["own audio"] == (2, 384_000)
    assert answers["video"] == (16, 32, 32, 3)
    assert not Clip.read(path).audio.any()


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_audio_with_a_gap_of_hours(tmp_path: Path, suffix: str) -> None:
    assert read_all(audio_with_a_gap_of_hours(tmp_path, suffix))["own audio"] == (2, 384_000)


def test_audio_whose_time_stands_still(tmp_path: Path) -> None:
    assert read_all(audio_whose_time_stands_still(tmp_path))["own audio"] == (2, 384_000)


def test_frames_that_begin_hours_late(tmp_path: Path) -> None:
    path = write_odd(tmp_path / "a.mkv", Frames.steady(8, 2.0, late=20_000.0), Track(seconds=2.0))
    answers = read_all(path)
    assert answers["own audio"] == (2, 384_000) and answers["video"] == (16, 32, 32, 3)


def test_more_audio_before_the_first_frame_than_a_clip_lasts(tmp_path: Path) -> None:
    frames = Frames.steady(8, 2.0, late=100.0)
    path = write_odd(
        tmp_path / "a.mkv", frames, Track(codec="pcm_s16le", rate=8_000, seconds=102.0)
    )
    with pytest.raises(MediaError, match=r"has more than 60 s of audio before its first frame\."):
        audio_of(path, 8.0)


@pytest.mark.parametrize("aspect", ["300/1", "20/1"])
def test_pixels_that_are_too_wide(tmp_path: Path, aspect: str) -> None:
    answers = read_all(wide_pixels(tmp_path, aspect))
    sentence = (
        r"has frames of 1920×1080 that are shown as \d{5,6}×1080: expected at most \d+ pixels\."
    )
    assert all(re.search(sentence, str(answers[name])) for name in READERS)


def test_pixels_that_are_narrow(tmp_path: Path) -> None:
    height, width, _ = frame_at(wide_pixels(tmp_path, "1/300"), 0).shape
    assert height == 1080 and 1 <= width < 10


def test_frames_that_grow_beyond_the_limit(tmp_path: Path) -> None:
    path = sizes(tmp_path, (64, 36), (4800, 2704), seconds=0.2)
    for name in ("clip", "video"):
        sentence = f"{path} has frames of 4800×2704: expected at most 4096×2304."
        assert read_all(path)[name] == sentence


def test_frames_that_change_their_size_within_it(tmp_path: Path) -> None:
    shapes = (160, 96), (96, 160), (64, 36)
    path = sizes(tmp_path, *shapes)
    video, clip = Video.read(path, FINE), Clip.read(path, FINE, max_seconds=30)
    for frames, fps in ((video.frames, video.fps), (clip.video, FINE.fps)):
        for second, (width, height) in enumerate(shapes):
            shown = frames[round((second + 0.5) * fps)].max(axis=2) > 12
            rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
            assert len(columns) / len(rows) == pytest.approx(width / height, rel=0.1)


def test_frames_of_one_pixel(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=8)
        stream.width = stream.height = 1
        stream.pix_fmt = "bgr0"
        for _ in range(8):
            frame = av.VideoFrame.from_ndarray(np.full((1, 1, 3), 200, np.uint8), "rgb24")
            container.mux(stream.encode(frame.reformat(format="bgr0")))
        container.mux(stream.encode(None))
    assert Video.read(path, FINE).frames.shape == (8, 32, 32, 3)
    assert frame_at(path, 0).shape == (1, 1, 3)


@pytest.mark.parametrize("seconds", [30.0, 2500.0])
def test_one_frame_for_long(tmp_path: Path, seconds: float) -> None:
    """A rate of less than a frame in 2,002 s is no rate of zero."""
    path = write_odd(tmp_path / "a.mkv", Frames((0.0,), (True,), seconds), Track(seconds=2.0))
    answers = read_all(path)
    assert answers["frame"] == (36, 64, 3)
    if seconds > 120:
        assert answers["video"] == f"{path} must be at most 120 s long, got a longer video."
        assert "expected a clip of at most 60 s" in str(answers["clip"])
    else:
        assert answers["clip"] == (2, 480_000)
        assert isinstance(answers["video"], tuple) and answers["rate"] >= 1


@pytest.mark.parametrize("rate", [1, 10, 999])
def test_audio_of_a_rate_that_none_has_is_refused(tmp_path: Path, rate: int) -> None:
    """A few samples would become hours of audio."""
    path = write_odd(tmp_path / "a.mov", audio=Track(codec="pcm_s16le"))
    data = path.read_bytes()
    place = data.index(b"sowt") + 28
    path.write_bytes(data[:place] + rate.to_bytes(2, "big") + data[place + 2 :])
    for read in (lambda: Clip.read(path, FINE), lambda: audio_of(path, 8.0)):
        with pytest.raises(MediaError, match=rf"audio of {rate} samples a second: expected 1000"):
            read()


def test_audio_of_too_many_channels_is_one_sentence(tmp_path: Path) -> None:
    path = write_odd(tmp_path / "a.mov", audio=Track(codec="pcm_s16le"))
    data = path.read_bytes()
    place = data.index(b"sowt") + 20
    path.write_bytes(data[:place] + (255).to_bytes(2, "big") + data[place + 2 :])
    for read in (lambda: Clip.read(path, FINE), lambda: audio_of(path, 8.0)):
        with pytest.raises(MediaError, match=r"a\.mov .*\.$"):
            read()
