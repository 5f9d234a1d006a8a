"""Small videos with odd time stamps and tracks: white frames and bursts of audio at known seconds.

Frames of 64×36 pixels are black or white; audio is silent but for bursts of 1 kHz, 40 ms long. Time
stamps are those of the arguments, whatever the codec's own frame rate.

Example:
    path = write_odd(tmp_path / "gap.mkv", audio=Track(codec="libopus", gaps=((1.2, 1.9),)))
    assert onsets(audio_of(path, 4.0), 48_000) == pytest.approx(BURSTS, abs=0.006)
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 64, 36
SECONDS = 4.0
BURSTS = (1.0, 2.0, 3.0)
LEFT, RIGHT = 0.5, 0.125

VIDEO = {
    ".webm": "libvpx-vp9",
    ".avi": "mpeg4",
    ".gif": "gif",
    ".asf": "msmpeg4v3",
    ".wmv": "msmpeg4v3",
}
"""Video codecs of containers that take no H.264."""

_BY_FFMPEG = {"libvorbis": ("libvorbis",), "dca": ("dca", "-strict", "-2")}
"""Audio encoders that PyAV's FFmpeg lacks."""


@dataclass(frozen=True)
class Track:
    """An audio track: bursts of `gains` (one a channel) of full scale at seconds from its begin.

    gaps: seconds from, to which no packet is written; late: seconds added to its time stamps; jitter:
    seconds by which every third packet's time stamp is late.
    """

    codec: str = "aac"
    rate: int = 48_000
    layout: str = "stereo"
    gains: tuple[float, ...] = (LEFT, RIGHT)
    bursts: tuple[float, ...] = BURSTS
    seconds: float = SECONDS
    gaps: tuple[tuple[float, float], ...] = ()
    late: float = 0.0
    jitter: float = 0.0
    disposition: str = "default"
    title: str = ""

    def samples(self) -> NDArray[np.float32]:
        """float32 [channels, T]."""
        time = np.arange(round(self.seconds * self.rate)) / self.rate
        on = np.zeros(len(time), bool)
        for burst in self.bursts:
            on |= (time >= burst) & (time < burst + 0.04)
        tone = np.sin(2 * np.pi * 1000 * time) * on
        return np.outer(self.gains, tone).astype(np.float32)


@dataclass(frozen=True)
class Frames:
    """A video track: a frame at each of `times`, white where `white` says; last: seconds that the last
    one lasts, by default as long as the one before."""

    times: tuple[float, ...]
    white: tuple[bool, ...]
    last: float | None = None
    codec: str | None = None
    late: float = 0.0
    disposition: str = "default"
    grey: int = 235

    @classmethod
    def steady(cls, fps: float = 25, seconds: float = SECONDS, **options: Any) -> Frames:
        """Frames at a constant rate, white for 0.12 s from each burst on."""
        times = tuple(i / fps for i in range(round(seconds * fps)))
        white = tuple(any(b - 1e-6 <= t < b + 0.119 for b in BURSTS) for t in times)
        return cls(times, white, **options)


STEADY = Frames.steady()
TRACK = Track()


def write_odd(
    path: Path,
    frames: Frames | Sequence[Frames] = STEADY,
    audio: Track | Sequence[Track] = TRACK,
    *,
    shift: float = 0.0,
    options: dict[str, str] | None = None,
) -> Path:
    """A file of these tracks, its packets in order of time; shift: seconds added to all time stamps."""
    videos = [frames] if isinstance(frames, Frames) else frames
    tracks = [audio] if isinstance(audio, Track) else audio
    with av.open(str(path), "w", options=options or {}) as container:
        packets: list[tuple[float, Any]] = []
        for spec in videos:
            packets += _video_packets(container, spec, shift)
        for track in tracks:
            packets += _audio_packets(container, track, shift)
        container.start_encoding()
        for _, packet in sorted(packets, key=lambda pair: pair[0]):
            container.mux(packet)
    return path


def _video_packets(container: Any, spec: Frames, shift: float) -> Iterator[tuple[float, Any]]:
    codec = spec.codec or VIDEO.get(Path(container.name).suffix.lower(), "libx264")
    stream = container.add_stream(codec, rate=25)
    stream.width, stream.height = WIDTH, HEIGHT
    stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
    stream.codec_context.max_b_frames = 0
    if codec == "libx264":
        stream.options = {"preset": "ultrafast", "tune": "zerolatency"}
    stream.codec_context.time_base = Fraction(1, 1000)
    stream.disposition = av.stream.Disposition[spec.disposition] if spec.disposition else 0
    packets = []
    for number, white in enumerate(spec.white):
        image = np.full((HEIGHT, WIDTH, 3), spec.grey if white else 16, np.uint8)
        frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format=stream.pix_fmt)
        frame.pts, frame.time_base = number * 40, Fraction(1, 1000)
        packets += stream.encode(frame)
    packets += stream.encode(None)
    ends = (*spec.times[1:], spec.times[-1] + (spec.last or _lasts(spec.times)))
    for packet, time, end in zip(packets, spec.times, ends, strict=True):
        packet.time_base = Fraction(1, 90_000)
        packet.pts = packet.dts = round((time + spec.late + shift) * 90_000)
        packet.duration = round((end - time) * 90_000)
        yield time + spec.late, packet


def _lasts(times: tuple[float, ...]) -> float:
    return times[-1] - times[-2] if len(times) > 1 else 0.04


def _audio_packets(container: Any, track: Track, shift: float) -> Iterator[tuple[float, Any]]:
    if track.codec in _BY_FFMPEG:
        stream, packets = _by_ffmpeg(container, track)
    else:
        stream = container.add_stream(track.codec, rate=track.rate, layout=track.layout)
        blocks = _blocks(track, stream.codec_context.format.name)
        packets = [packet for block in blocks for packet in stream.encode(block)]
    stream.disposition = av.stream.Disposition[track.disposition] if track.disposition else 0
    if track.title:
        stream.metadata.update({"title": track.title, "handler_name": track.title})
    for number, packet in enumerate(packets):
        time = float(packet.pts * packet.time_base)
        if any(begin <= time < end for begin, end in track.gaps):
            continue
        jitter = track.jitter if number % 3 == 2 else 0.0
        ticks = round((track.late + jitter + shift) / packet.time_base)
        packet.pts += ticks
        packet.dts += ticks
        yield time + track.late, packet


def _blocks(track: Track, sample_format: str) -> Iterator[av.AudioFrame | None]:
    """The samples in blocks of 20 ms, as an encoder takes them, and None for its end."""
    samples = track.samples()
    if len(samples) > 7:  # PyAV writes no more planes
        sample_format = sample_format.removesuffix("p")
    if sample_format.startswith("s16"):
        samples = np.round(samples * 32767).astype(np.int16)
    elif sample_format.startswith("s32"):
        samples = np.round(samples * (2**31 - 1)).astype(np.int32)
    step = track.rate // 50
    for start in range(0, samples.shape[1], step):
        part = samples[:, start : start + step]
        if not sample_format.endswith("p"):
            part = part.T.reshape(1, -1)
        block = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), sample_format, track.layout)
        block.sample_rate, block.pts, block.time_base = track.rate, start, Fraction(1, track.rate)
        yield block
    yield None


def _by_ffmpeg(container: Any, track: Track) -> tuple[Any, list[Any]]:
    """A stream, and its packets as FFmpeg's own program encodes them."""
    with tempfile.TemporaryDirectory() as folder:
        encoded = Path(folder) / "audio.mkv"
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "f32le"]
        command += ["-ar", str(track.rate), "-ac", str(len(track.gains)), "-i", "-"]
        command += ["-c:a", *_BY_FFMPEG[track.codec], str(encoded)]
        subprocess.run(command, input=track.samples().T.tobytes(), check=True)
        with av.open(str(encoded)) as source:
            stream = container.add_stream_from_template(source.streams.audio[0])
            packets = [packet for packet in source.demux(audio=0) if packet.size]
            for packet in packets:
                packet.stream = stream
        return stream, packets


def joined(target: Path, *parts: Path) -> Path:
    """The files one after the other, as recorders and `cat` leave them; the parts are removed."""
    target.write_bytes(b"".join(part.read_bytes() for part in parts))
    for part in parts:
        part.unlink()
    return target


def onsets(audio: NDArray[np.floating[Any]], rate: int) -> list[float]:
    """Seconds at which bursts begin: 0.2 s or more after the last loud sample [2, T]."""
    level = np.abs(audio).max(axis=0)
    loud = np.flatnonzero(level > max(0.3 * level.max(initial=0.0), 0.02))
    apart = np.diff(loud, prepend=-rate) > 0.2 * rate
    return [float(second) for second in loud[apart] / rate]


def flashes(frames: NDArray[np.uint8], fps: float) -> list[float]:
    """Seconds at which frames [F, h, w, 3] turn white."""
    level = frames.reshape(len(frames), -1).mean(axis=1)
    white = level > (level.min() + level.max()) / 2 if np.ptp(level) > 20 else level > 300
    return [float(k / fps) for k in np.flatnonzero(white & ~np.roll(white, 1)) if k or white[0]]
