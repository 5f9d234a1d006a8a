"""New audio for videos whose frames stay as they are."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from videos import make_video, rotated

from savg.clip import Clip
from savg.errors import Cancelled
from savg.format import ClipFormat
from savg.media.frames import frames_at_rate
from savg.media.mux import with_audio
from savg.media.probe import frame_rate
from tests.videos_by_brightness import grey, numbers, write_silent

H264 = ("libx264", "aac")


def tone(seconds: float = 2.0, left: float = 0.5, right: float = 0.1) -> np.ndarray:
    wave = np.sin(2 * np.pi * 440 * np.arange(round(seconds * 16_000)) / 16_000)
    return np.stack([left * wave, right * wave]).astype(np.float32)


def packets(path: Path) -> list[tuple[float, bool, bytes]]:
    """Time, key flag and bytes of every frame's packet, in the file's order."""
    with av.open(str(path)) as container:
        return [
            (float(p.pts * p.time_base), p.is_keyframe, bytes(p))
            for p in container.demux(video=0)
            if p.size
        ]


def levels(path: Path) -> tuple[float, float, int]:
    """RMS of both channels, and the number of audio streams."""
    with av.open(str(path)) as container:
        count = len(container.streams.audio)
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    left, right = np.concatenate(blocks, axis=1).std(axis=1)
    return float(left), float(right), count


def test_frames_that_browsers_show_are_copied_untouched(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=2, fps=12, codecs=H264)
    assert with_audio(path, tmp_path / "b.mp4", tone(), 16_000) is True
    assert packets(tmp_path / "b.mp4") == packets(path)
    left, right, streams = levels(tmp_path / "b.mp4")
    assert streams == 1 and left / right == pytest.approx(5, rel=0.05)
    assert left == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_a_copy_begins_at_nought_wherever_its_source_begins(tmp_path: Path) -> None:
    """A transport stream begins at 1.4 s; its frames and their rate are the same afterwards."""
    path = make_video(tmp_path / "a.ts", seconds=2, fps=10, codecs=H264)
    with av.open(str(path)) as container:
        assert container.streams.video[0].start_time > 0
    assert with_audio(path, tmp_path / "b.mp4", tone(), 16_000) is True
    with av.open(str(tmp_path / "b.mp4")) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([i / 10 for i in range(20)], abs=1e-3)


@pytest.mark.parametrize(
    ("suffix", "codecs", "size"),
    [("avi", ("mpeg4", "pcm_s16le"), (96, 64)), ("mkv", ("libx264rgb", "aac"), (97, 65))],
)
def test_other_frames_are_coded_anew(tmp_path, suffix, codecs, size) -> None:
    width, height = size
    path = tmp_path / f"a.{suffix}"
    if codecs[0] == "libx264rgb":
        with av.open(str(path), "w") as container:
            video = container.add_stream("libx264rgb", rate=5)
            video.width, video.height, video.pix_fmt = width, height, "rgb24"
            for i in range(10):
                grey = np.full((height, width, 3), 20 + 10 * i, np.uint8)
                container.mux(video.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
            container.mux(video.encode(None))
    else:
        make_video(path, seconds=2, fps=5, width=width, height=height, codecs=codecs)
    assert with_audio(path, tmp_path / "b.mp4", tone(), 16_000) is False
    frames = np.stack(list(frames_at_rate(tmp_path / "b.mp4", Fraction(5))))
    assert frames.shape == (10, height // 2 * 2, width // 2 * 2, 3)
    assert np.abs(frames.mean((1, 2, 3)) - [20 + 10 * i for i in range(10)]).max() < 3
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_turned_frames_become_upright(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", width=128, height=64, codecs=H264, audio=False)
    path = rotated(path, tmp_path / "rotated.mp4")
    assert next(frames_at_rate(path, Fraction(4))).shape == (128, 64, 3)
    assert with_audio(path, tmp_path / "b.mp4", tone(1), 16_000) is False
    assert next(frames_at_rate(tmp_path / "b.mp4", Fraction(4))).shape == (128, 64, 3)
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert next(container.decode(video=0)).rotation == 0


@pytest.mark.parametrize("codecs", [H264, ("mpeg4", "pcm_s16le")])
def test_a_stopped_writing_leaves_nothing(tmp_path: Path, codecs: tuple[str, str]) -> None:
    path = make_video(tmp_path / "a.mkv", seconds=2, fps=12, codecs=codecs)
    calls: list[float] = []

    def stop(seconds: float) -> None:
        calls.append(seconds)
        if len(calls) == 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        with_audio(path, tmp_path / "b.mp4", tone(), 16_000, stop)
    assert len(calls) == 5 and sorted(p.name for p in tmp_path.iterdir()) == ["a.mkv"]


def test_audio_longer_and_shorter_than_the_frames(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=2, codecs=H264)
    for seconds in (1.0, 3.0):
        with_audio(path, tmp_path / "b.mp4", tone(seconds), 16_000)
        assert frame_rate(tmp_path / "b.mp4") == 4
        with av.open(str(tmp_path / "b.mp4")) as container:
            audio = container.streams.audio[0]
            assert float(audio.duration * audio.time_base) == pytest.approx(seconds, abs=0.1)


def test_new_audio_leaves_the_frames(tmp_path: Path) -> None:
    path = write_silent(tmp_path / "a.mp4", grey(10, 49, 65), [Fraction(i, 5) for i in range(10)])
    t = np.arange(32_000) / 16_000
    audio = np.stack([0.5 * np.sin(2 * np.pi * 440 * t), 0.1 * np.sin(2 * np.pi * 440 * t)])
    with_audio(path, tmp_path / "b.mp4", audio.astype(np.float32), 16_000)
    assert frame_rate(tmp_path / "b.mp4") == 5
    frames = np.stack(list(frames_at_rate(tmp_path / "b.mp4", Fraction(5))))
    assert frames.shape == (10, 48, 64, 3) and numbers(frames) == list(range(10))
    clip = Clip.read(tmp_path / "b.mp4", ClipFormat(frames=8, fps=4))
    left, right = clip.audio.std(axis=1)
    assert left == pytest.approx(0.5 / np.sqrt(2), rel=0.03)
    assert right == pytest.approx(0.1 / np.sqrt(2), rel=0.05)
