"""Small files that ask for much: late audio, stretched pixels, sizes that change, huge frames."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np


def late_audio(path: Path, seconds: float = 20_000.0, suffix: str = "mkv") -> None:
    """A second of frames, and audio that begins hours later."""
    with av.open(str(path), "w", format="matroska" if suffix == "mkv" else suffix) as file:
        frames, audio = _video(file, 64, 64, 8), _audio(file)
        _write_frames(file, frames, [_image(64, 64)] * 8)
        _write_audio(file, audio, start=round(seconds * 48_000))


def stretched_pixels(path: Path, aspect: int = 300) -> None:
    """Frames of an ordinary size whose pixels are hundreds of times as wide as high."""
    with av.open(str(path), "w", format="mp4") as file:
        frames = _video(file, 1280, 720, 8)
        frames.codec_context.sample_aspect_ratio = Fraction(aspect, 1)
        audio = _audio(file)
        _write_frames(file, frames, [_image(1280, 720)] * 8)
        _write_audio(file, audio)


def growing_frames(path: Path, width: int = 7680, height: int = 4320) -> None:
    """Small frames, and then huge ones in the same stream."""
    parts = []
    for place, (w, h) in enumerate(((64, 64), (width, height), (64, 64))):
        part = path.with_suffix(f".{place}.ts")
        with av.open(str(part), "w", format="mpegts") as file:
            frames, audio = _video(file, w, h, 8), _audio(file)
            _write_frames(file, frames, [_image(w, h)] * 4, first=4 * place)
            _write_audio(file, audio, start=24_000 * place, seconds=0.5)
        parts.append(part.read_bytes())
        part.unlink()
    path.write_bytes(b"".join(parts))


def huge_frames(path: Path, side: int = 15_000) -> None:
    """A few empty frames of hundreds of megapixels."""
    with av.open(str(path), "w", format="mov") as file:
        frames = _video(file, side, side, 2, codec="png")
        frames.pix_fmt = "gray"
        image = av.VideoFrame.from_ndarray(np.zeros((side, side), np.uint8), format="gray")
        audio = _audio(file)
        _write_frames(file, frames, [image] * 2)
        _write_audio(file, audio)


def slow_frames(path: Path, rate: Fraction = Fraction(1, 2500)) -> None:
    """One frame in forty minutes."""
    with av.open(str(path), "w", format="matroska") as file:
        frames, audio = _video(file, 64, 64, rate), _audio(file)
        _write_frames(file, frames, [_image(64, 64)] * 3)
        _write_audio(file, audio)


def many_tracks(path: Path, count: int = 60) -> None:
    """More audio tracks than anybody wants."""
    with av.open(str(path), "w", format="matroska") as file:
        frames = _video(file, 64, 64, 8)
        tracks = [_audio(file) for _ in range(count)]
        _write_frames(file, frames, [_image(64, 64)] * 8)
        for track in tracks:
            _write_audio(file, track)


def long_video(path: Path, seconds: int = 7200) -> None:
    """Two hours of nothing, in a small file."""
    with av.open(str(path), "w", format="matroska") as file:
        frames, audio = _video(file, 64, 64, 1), _audio(file)
        _write_frames(file, frames, [_image(64, 64)] * seconds)
        _write_audio(file, audio)


HOSTILE: dict[str, Callable[[Path], None]] = {
    "late.mkv": late_audio,
    "late.mov": lambda path: late_audio(path, suffix="mov"),
    "stretched.mp4": stretched_pixels,
    "growing.ts": growing_frames,
    "huge.mov": huge_frames,
    "slow.mkv": slow_frames,
    "tracks.mkv": many_tracks,
    "long.mkv": long_video,
}


def _video(file: Any, width: int, height: int, rate: Any, codec: str = "libx264") -> Any:
    stream = file.add_stream(codec, rate=rate)
    stream.width, stream.height = width, height
    if codec == "libx264":
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast"}
    return stream


def _audio(file: Any) -> Any:
    return file.add_stream("aac", rate=48_000, layout="stereo")


def _image(width: int, height: int) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.zeros((height * 3 // 2, width), np.uint8), "yuv420p")


def _write_frames(file: Any, stream: Any, images: list[av.VideoFrame], first: int = 0) -> None:
    for number, image in enumerate(images, first):
        image.pts, image.time_base = number, 1 / Fraction(stream.codec_context.framerate)
        file.mux(stream.encode(image))
    file.mux(stream.encode())


def _write_audio(file: Any, stream: Any, start: int = 0, seconds: float = 1.0) -> None:
    for place in range(start, start + round(seconds * 48_000), 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, place, Fraction(1, 48_000)
        file.mux(stream.encode(frame))
    file.mux(stream.encode())
