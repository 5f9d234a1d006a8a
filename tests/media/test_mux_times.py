"""Times and lengths of videos with new audio, against FFmpeg's own conversion to a constant rate."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from savg.errors import MediaError
from savg.media import mux
from savg.media.mux import with_audio
from savg.media.probe import video_info
from tests.painted_videos import FFMPEG, ffmpeg, joined, painted, player_frame, shown_quarters

RATE = 16_000

TIMES = {
    "slides": ([0, 1, 6], 7.0),
    "still at the end": ([k / 10 for k in range(11)], 5.0),
    "burst": ([0, *(4 + k / 10 for k in range(10)), 5], 10.0),
    "phone": ([0, 0.033, 0.067, 0.134, 0.151, 0.2, 0.233, 0.3, 0.41, 0.43, 0.5], 0.6),
    "even": ([k / 25 for k in range(25)], 1.0),
    "ntsc": ([k * 1001 / 30_000 for k in range(30)], 1.001),
    "fast": ([k / 120 for k in range(120)], 1.0),
    "one frame": ([0], 3.0),
}
"""Seconds at which frames come, and at which the last one ends."""

CODECS = [
    ("libx264", "mp4"),
    ("libx264", "mov"),
    ("libx264", "mkv"),
    ("mpeg4", "mp4"),
    ("ffv1", "mkv"),
]


def write_timed(path: Path, codec: str, times: list[float], end: float, bframes: int = 0) -> Path:
    """A silent video of bright and dark frames in turn; the last lasts until `end`."""
    ticks = [round(time * 30_000) for time in (*times, end)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        if codec == "libx264":
            stream.options = {"bf": str(bframes), "g": "12"}
        stream.codec_context.time_base = Fraction(1, 30_000)
        packets = []
        for number, tick in enumerate(ticks[:-1]):
            image = np.full((48, 64, 3), 40 + 160 * (number % 2), np.uint8)
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 30_000)
            packets += stream.encode(frame)
        for packet in [*packets, *stream.encode(None)]:
            packet.duration = ticks[ticks.index(packet.pts) + 1] - packet.pts
            container.mux(packet)
    return path


def on_screen(path: Path, fps: int = 60) -> np.ndarray:
    """Whether each frame of FFmpeg's conversion to `fps` is bright."""
    command = [FFMPEG, "-v", "error", "-i", str(path), "-map", "0:v", "-vf", f"fps={fps}"]
    command += ["-f", "rawvideo", "-pix_fmt", "gray", "-"]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(data, np.uint8).reshape(-1, 48, 64).mean(axis=(1, 2)) > 120


def changes(shown: np.ndarray, fps: int = 60) -> list[float]:
    return [float(k) / fps for k in np.flatnonzero(np.diff(shown.astype(int))) + 1]


def lengths(path: Path) -> tuple[float, float]:
    """Seconds of frames and of audio that a file states."""
    with av.open(str(path)) as container:
        streams = container.streams.video[0], container.streams.audio[0]
        video, audio = (float(stream.duration * stream.time_base) for stream in streams)
    return video, audio


def resounded(source: Path, target: Path) -> bool:
    """The video with new audio as long as it is."""
    audio = np.zeros((2, round(video_info(source).seconds * RATE)), np.float32)
    return with_audio(source, target, audio, RATE)


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize(("codec", "suffix"), CODECS)
def test_frames_come_in_time_and_the_last_one_stays(tmp_path, codec, suffix, name) -> None:
    times, end = TIMES[name]
    source = write_timed(tmp_path / f"a.{suffix}", codec, times, end)
    copied = resounded(source, tmp_path / "b.mp4")
    assert copied == (codec == "libx264")
    seconds = end if suffix != "mkv" else video_info(source).seconds
    assert lengths(tmp_path / "b.mp4") == pytest.approx((seconds, seconds), abs=0.034)
    expected, written = changes(on_screen(source)), changes(on_screen(tmp_path / "b.mp4"))
    if name != "fast":
        assert written == pytest.approx(expected, abs=1 / 60 + 1e-6)
        assert written == pytest.approx(times[1:], abs=1 / 60 + 1e-3)
    assert len(on_screen(tmp_path / "b.mp4")) == pytest.approx(60 * seconds, abs=2.1)


def test_more_than_sixty_frames_a_second_are_thinned(tmp_path) -> None:
    source = write_timed(tmp_path / "a.mkv", "ffv1", *TIMES["fast"])
    resounded(source, tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        frames = [frame.time for frame in container.decode(video=0)]
    assert frames == pytest.approx([k / 60 for k in range(60)], abs=1e-4)


@pytest.mark.parametrize(
    ("suffix", "name", "bframes"),
    [(suffix, "phone", 0) for suffix in ("mp4", "mkv", "ts")]
    + [(suffix, name, 3) for suffix in ("mp4", "ts") for name in ("even", "ntsc")],
)
def test_a_copy_keeps_every_packet(tmp_path, suffix, name, bframes) -> None:
    source = write_timed(tmp_path / f"a.{suffix}", "libx264", *TIMES[name], bframes)
    assert resounded(source, tmp_path / "b.mp4") is True
    with av.open(str(source)) as one, av.open(str(tmp_path / "b.mp4")) as other:
        first, second = ([f for f in file.decode(video=0)] for file in (one, other))
    assert len(first) == len(second) == len(TIMES[name][0])
    for before, after in zip(first, second, strict=True):
        assert (before.to_ndarray() == after.to_ndarray()).all()
        assert after.time == pytest.approx(before.time - first[0].time, abs=2e-3)


def test_a_last_frame_that_a_copy_cannot_keep_is_coded_anew(tmp_path) -> None:
    """The packet of the last frame is not the last one, and the last frame stays long."""
    source = write_timed(tmp_path / "a.mkv", "libx264", *TIMES["slides"], 2)
    assert video_info(source).seconds == pytest.approx(7.0, abs=0.01)
    assert resounded(source, tmp_path / "b.mp4") is False
    assert lengths(tmp_path / "b.mp4") == pytest.approx((7.0, 7.0), abs=0.03)
    assert changes(on_screen(tmp_path / "b.mp4")) == pytest.approx([1, 6], abs=1 / 60 + 1e-6)


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_joined_recordings_go_on(tmp_path, codec) -> None:
    """Two transport streams put one after the other, so that time stamps start anew."""
    parts = []
    for number in range(2):
        part = tmp_path / f"{number}.ts"
        ffmpeg(
            "-f",
            "lavfi",
            "-i",
            "color=black:s=64x48:r=25:d=2",
            "-vf",
            "drawbox=c=white:t=fill:enable='between(t,1,1.19)'",
            "-c:v",
            codec,
            "-an",
            part,
        )
        parts.append(part.read_bytes())
    source = tmp_path / "a.ts"
    source.write_bytes(b"".join(parts))
    resounded(source, tmp_path / "b.mp4")
    assert lengths(tmp_path / "b.mp4") == pytest.approx((4, 4), abs=0.05)
    shown = changes(on_screen(tmp_path / "b.mp4"))
    assert shown == pytest.approx([1, 1.2, 3, 3.2], abs=0.05)


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_frames_that_change_their_size_are_fitted(tmp_path, codec) -> None:
    """160×96, then 96×160, then 64×36, each 0.4 s: all in 160×96, none stretched."""
    sizes = [(160, 96), (96, 160), (64, 36)]
    parts = [
        painted(
            tmp_path / f"{k}.ts",
            "-c:v",
            codec,
            "-pix_fmt",
            "yuv420p",
            "-bf",
            "0",
            size=size,
            seconds=0.4,
            fps=25,
        )
        for k, size in enumerate(sizes)
    ]
    source = joined(tmp_path / "a.ts", *parts)
    assert resounded(source, tmp_path / "b.mp4") is False
    for number, (width, height) in enumerate(sizes):
        frame = player_frame(tmp_path / "b.mp4", 0.4 * number + 0.2)
        assert frame.shape == (96, 160, 3)
        letters, ratio = shown_quarters(frame)
        assert letters == "RGBW" and ratio == pytest.approx(width / height, rel=0.1)


def test_time_stamps_in_hundredths_lose_no_frame(tmp_path) -> None:
    """A GIF of 30 frames a second: delays of 3, 3 and 4 hundredths."""
    source = tmp_path / "a.gif"
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "color=black:s=64x48:r=30:d=1",
        "-vf",
        "drawbox=c=white:t=fill:enable='mod(n,2)'",
        source,
    )
    resounded(source, tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        frames = [
            (f.time, f.to_ndarray(format="gray").mean() > 120) for f in container.decode(video=0)
        ]
    assert [bright for _, bright in frames] == [False, True] * 15
    assert [time for time, _ in frames] == pytest.approx([k / 30 for k in range(30)], abs=0.011)


def test_a_frame_that_stays_for_an_hour_is_coded_once(tmp_path) -> None:
    source = write_timed(tmp_path / "a.mkv", "ffv1", [0, 0.033, 0.05, 3600], 3601)
    seen: list[float] = []
    with_audio(source, tmp_path / "b.mp4", np.zeros((2, RATE), np.float32), RATE, seen.append)
    assert len(seen) == 4
    with av.open(str(tmp_path / "b.mp4")) as container:
        stream = container.streams.video[0]
        assert float(stream.duration * stream.time_base) == pytest.approx(3601, abs=1)
        times = [frame.time for frame in container.decode(stream)]
    assert times == pytest.approx([0, 0.033, 0.05, 3600], abs=1 / 60)


def test_a_video_of_many_hours_is_refused(tmp_path) -> None:
    source = write_timed(tmp_path / "a.mkv", "ffv1", [0, 1, 30_000], 30_001)
    with pytest.raises(
        MediaError, match=r"a\.mkv lasts 3\d{4} s: expected a video of at most 21600"
    ):
        with_audio(source, tmp_path / "b.mp4", np.zeros((2, RATE), np.float32), RATE)
    assert not (tmp_path / "b.mp4").exists()


def test_packets_that_an_mp4_cannot_hold_are_coded_anew(tmp_path, monkeypatch) -> None:
    source = write_timed(tmp_path / "a.mp4", "libx264", *TIMES["even"])
    real, calls = mux._mux_copy, []

    def refuse_third(out, packet) -> None:  # type: ignore[no-untyped-def]
        calls.append(packet)
        if len(calls) == 3:
            raise mux._UnfitPacketError
        real(out, packet)

    monkeypatch.setattr(mux, "_mux_copy", refuse_third)
    assert resounded(source, tmp_path / "b.mp4") is False and len(calls) == 3
    assert changes(on_screen(tmp_path / "b.mp4")) == changes(on_screen(source))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_a_packet_that_the_muxer_refuses_is_unfit(tmp_path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
        packet = av.Packet(b"\0" * 8)
        packet.pts, packet.dts, packet.duration = 0, 5, 1
        packet.time_base, packet.stream = Fraction(1, 10), stream
        with pytest.raises(mux._UnfitPacketError):
            mux._mux_copy(container, packet)
