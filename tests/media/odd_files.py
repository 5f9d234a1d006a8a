"""Small videos with odd time stamps and tracks: white frames and bursts of audio at known seconds.

Frames of 64×36 pixels are black or white; audio is silent but for bursts of 1 kHz, 40 ms long. Time
stamps are those of the arguments, whatever the codec's own frame rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 64, 36
SECONDS = 4.0
BURSTS = (1.0, 2.0, 3.0)
LEFT, RIGHT = 0.5, 0.125

VIDEO = {".webm": "libvpx-vp9", ".ogv": "libtheora", ".avi": "mpeg4", ".gif": "gif"}
"""Video codecs of containers that take no H.264."""


@dataclass(frozen=True)
class Track:
    """An audio track: bursts of `gains` (one a channel) of full scale at seconds from its begin.

    gaps: seconds from, to which no packet is written; late: seconds added to its time stamps.
    """

    codec: str = "aac"
    rate: int = 48_000
    layout: str = "stereo"
    gains: tuple[float, ...] = (LEFT, RIGHT)
    bursts: tuple[float, ...] = BURSTS
    seconds: float = SECONDS
    gaps: tuple[tuple[float, float], ...] = ()
    late: float = 0.0
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
    stream = container.add_stream(track.codec, rate=track.rate, layout=track.layout)
    stream.disposition = av.stream.Disposition[track.disposition] if track.disposition else 0
    if track.title:
        stream.metadata.update({"title": track.title, "handler_name": track.title})
    samples = track.samples()
    sample_format = stream.codec_context.format.name
    if sample_format.startswith("s16"):
        samples = np.round(samples * 32767).astype(np.int16)
    elif sample_format.startswith("s32"):
        samples = np.round(samples * (2**31 - 1)).astype(np.int32)
    if not sample_format.endswith("p"):
        samples = samples.T.reshape(1, -1)
    block = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), sample_format, track.layout)
    block.sample_rate, block.pts, block.time_base = track.rate, 0, Fraction(1, track.rate)
    for packet in [*stream.encode(block), *stream.encode(None)]:
        time = float(packet.pts * packet.time_base)
        if any(begin <= time < end for begin, end in track.gaps):
            continue
        ticks = round((track.late + shift) / packet.time_base)
        packet.pts += ticks
        packet.dts += ticks
        yield time + track.late, packet
