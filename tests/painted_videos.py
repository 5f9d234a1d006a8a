"""Videos whose quarters have known colours, in any container, codec, orientation and coding."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()

COLOURS = {"R": (200, 30, 30), "G": (30, 200, 30), "B": (30, 30, 200), "W": (220, 220, 220)}
"""Top left, top right, bottom left, bottom right."""

WEIGHTS = {
    "smpte170m": (0.299, 0.114),
    "bt470bg": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020nc": (0.2627, 0.0593),
    "smpte240m": (0.212, 0.087),
    "fcc": (0.30, 0.11),
}
"""Shares of red and blue in the luma of FFmpeg's matrices."""


def quarters(values: list[tuple[int, ...]], width: int, height: int) -> np.ndarray:
    """An image [height, width, channels] of four quarters."""
    image = np.zeros((height, width, len(values[0])), np.uint8)
    for i, value in enumerate(values):
        y, x = divmod(i, 2)
        image[y * height // 2 : (y + 1) * height // 2, x * width // 2 : (x + 1) * width // 2] = (
            value
        )
    return image


def ycc(rgb: tuple[int, ...], matrix: str, full: bool = False) -> tuple[int, ...]:
    """The 8-bit Y, Cb, Cr of a colour, by the matrix's definition."""
    red, blue = WEIGHTS[matrix]
    r, g, b = (value / 255 for value in rgb)
    y = red * r + (1 - red - blue) * g + blue * b
    chroma = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
    scale = (255, 255, 0) if full else (219, 224, 16)
    values = scale[2] + scale[0] * y, *(128 + scale[1] * c for c in chroma)
    return tuple(min(255, round(value)) for value in values)


def rgb_of(values: tuple[float, ...], matrix: str, full: bool = False) -> tuple[float, ...]:
    """The colour (0 … 255) of 8-bit Y, Cb, Cr, by the matrix's definition."""
    red, blue = WEIGHTS[matrix]
    y = values[0] / 255 if full else (float(values[0]) - 16) / 219
    cb, cr = ((float(value) - 128) / (255 if full else 224) for value in values[1:])
    r, b = y + cr * (2 - 2 * red), y + cb * (2 - 2 * blue)
    return tuple(255 * v for v in (r, (y - red * r - blue * b) / (1 - red - blue), b))


def painted(
    path: Path,
    *arguments: str,
    size: tuple[int, int] = (160, 96),
    matrix: str = "smpte170m",
    full: bool = False,
    tags: str = "",
    seconds: float = 0.5,
    fps: int = 10,
) -> Path:
    """A video of the four quarters, coded as `matrix` says; tags: those of FFmpeg's setparams;
    arguments: for FFmpeg's output, such as its codec."""
    image = quarters([ycc(c, matrix, full) for c in COLOURS.values()], *size)
    frame = np.ascontiguousarray(image.transpose(2, 0, 1)).tobytes()
    command = [FFMPEG, "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv444p"]
    command += ["-color_range", "pc" if full else "tv", "-s", f"{size[0]}x{size[1]}"]
    command += ["-r", str(fps), "-i", "-", "-vf", f"setparams={tags}" if tags else "null"]
    command += [*arguments, str(path)]
    subprocess.run(command, input=frame * round(seconds * fps), check=True)
    return path


def ffmpeg(*arguments: str | Path) -> None:
    """Run FFmpeg's command line."""
    subprocess.run([FFMPEG, "-v", "error", "-y", *map(str, arguments)], check=True)


def with_matrix(source: Path, target: Path, degrees: int = 0, mirror: str = "") -> Path:
    """A copy with a display matrix: flipped ("h", "v" or nothing), then turned counter-clockwise."""
    options = ["-display_rotation", str(degrees)]
    options += {"h": ["-display_hflip"], "v": ["-display_vflip"]}.get(mirror, [])
    ffmpeg(*options, "-i", source, "-map", "0", "-c", "copy", target)
    return target


def joined(target: Path, *parts: Path) -> Path:
    """The packets of several files one after the other, with time stamps that go on."""
    names = target.with_suffix(".txt")
    names.write_text("".join(f"file '{part}'\n" for part in parts))
    ffmpeg("-f", "concat", "-safe", "0", "-i", names, "-c", "copy", target)
    return target


def player_frame(path: Path, second: float = 0.0) -> np.ndarray:
    """A frame [height, width, 3] as FFmpeg's command line shows it, display matrix included."""
    run = [FFMPEG, "-v", "error", "-i", str(path), "-ss", str(second), "-frames:v", "1"]
    run += ["-pix_fmt", "rgb24", "-f", "image2pipe", "-c:v", "ppm", "-"]
    _, size, _, pixels = subprocess.run(run, capture_output=True, check=True).stdout.split(b"\n", 3)
    width, height = map(int, size.split())
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


def shown_quarters(image: np.ndarray) -> tuple[str, float]:
    """The colours of the quarters of what is not black, by their letters, and its width over height."""
    shown = image.max(2) > 15
    rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
    part = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(int)
    letters = ""
    for value in quarter_values(part):
        letters += min(COLOURS, key=lambda name: np.abs(value - COLOURS[name]).sum())
    return letters, part.shape[1] / part.shape[0]


def quarter_values(image: np.ndarray) -> list[np.ndarray]:
    """The mean values in the middle of each quarter."""
    height, width = image.shape[:2]
    high, wide = height // 8, width // 8
    return [
        image[y - high : y + high, x - wide : x + wide].mean(axis=(0, 1))
        for y in (height // 4, 3 * height // 4)
        for x in (width // 4, 3 * width // 4)
    ]


def worst_colour(image: np.ndarray) -> float:
    """The largest difference, of 255, between the quarters' colours and what they should be."""
    pairs = zip(quarter_values(image), COLOURS.values(), strict=True)
    return max(float(np.abs(value - colour).max()) for value, colour in pairs)
