"""Small hand-made STARSS23 recordings for tests: a 360° video, Ambisonics and labels that agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import soundfile

from savg.geometry import foa_gains

VIDEO_FPS = Fraction(30000, 1001)


@dataclass(frozen=True)
class Sounding:
    """A sound of `label` at an azimuth between two moments in seconds."""

    first: float
    last: float
    label: int = 0
    azimuth: float = 0.0
    elevation: float = 0.0
    gain: float = 0.002
    source: int = 0


def write_take(
    root: Path,
    name: str,
    sounds: Sequence[Sounding],
    *,
    seconds: float = 8.0,
    video_seconds: float | None = None,
    size: tuple[int, int] = (256, 128),
    group: str = "dev-train-sony",
    columns: int = 5,
    channels: int = 4,
    options: dict[str, str] | None = None,
    seed: int = 0,
) -> None:
    """Write foa_dev, video_dev and metadata_dev of one recording below `root`."""
    for folder, suffix, write in (
        ("foa_dev", ".wav", lambda p: write_audio(p, sounds, seconds, channels, seed)),
        ("video_dev", ".mp4", lambda p: write_panorama(p, video_seconds or seconds, size, options)),
        ("metadata_dev", ".csv", lambda p: write_labels(p, sounds, columns)),
    ):
        path = root / folder / group / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)


def write_labels(path: Path, sounds: Sequence[Sounding], columns: int = 5) -> None:
    """Rows of 4, 5 or 6 columns."""
    rows = []
    for sound in sounds:
        for frame in range(round(sound.first * 10), round(sound.last * 10)):
            direction = [f"{sound.azimuth:g}", f"{sound.elevation:g}"]
            source = [] if columns == 4 else [str(sound.source)]
            distance = ["200"] if columns == 6 else []
            rows.append((frame, [str(frame), str(sound.label), *source, *direction, *distance]))
    rows.sort(key=lambda row: row[0])
    path.write_text("".join(",".join(cells) + "\n" for _, cells in rows))


def write_audio(
    path: Path, sounds: Sequence[Sounding], seconds: float, channels: int = 4, seed: int = 0
) -> None:
    """24 kHz Ambisonics: noise from each sound's direction, and a little diffuse noise."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * 24_000)
    wave = rng.normal(0.0, 2e-5, (4, samples))
    for sound in sounds:
        first, last = round(sound.first * 24_000), min(round(sound.last * 24_000), samples)
        burst = rng.normal(0.0, sound.gain, max(last - first, 0))
        wave[:, first:last] += foa_gains(sound.azimuth, sound.elevation)[:, None] * burst
    soundfile.write(path, wave[:channels].T, 24_000, subtype="PCM_24")


def write_panorama(
    path: Path,
    seconds: float,
    size: tuple[int, int] = (256, 128),
    options: dict[str, str] | None = None,
) -> None:
    """A video of 29.97 frames a second of a soft pattern that rotates, with each frame's number."""
    width, height = size
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    pattern = cv2.resize(coarse, size)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=VIDEO_FPS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "veryfast", "g": "24", **(options or {})}
        for index in range(round(seconds * VIDEO_FPS)):
            frame = np.roll(pattern, index, axis=1).copy()
            cv2.putText(frame, str(index), (width // 3, height // 2), 0, 1.0, (255, 255, 255), 2)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode(None))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
