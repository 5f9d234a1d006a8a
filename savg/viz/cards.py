"""Still parts of composed videos: text in a box, spectrograms with axes; uint8 [height, width, 3] RGB.

Text is drawn in the font that comes with Pillow, so that every machine draws the same; it has ASCII
letters alone, to which `to_ascii` reduces any text.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from savg.clip import Clip
from savg.viz.spectrogram import RANGE_DB, log_spectrogram

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

INK: Colour = (240, 240, 240)
DIM: Colour = (150, 156, 166)
PAPER: Colour = (16, 18, 22)

_ASCII = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—−", "-"),
        **dict.fromkeys("“”„«»", '"'),
        **dict.fromkeys("‘’‚", "'"),
        "…": "...",
        "°": " deg",
        "×": "x",
        "·": "-",
        "→": "->",
        "≥": ">=",
        "≤": "<=",
        "ß": "ss",
        "æ": "ae",
        "ø": "o",
    }
)

_LEFT, _TOP, _BOTTOM, _GAP = 58, 30, 34, 26
"""Pixels beside, above and below a spectrogram, and between the two channels'."""

_TICKS_HZ = (100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)


def to_ascii(text: str) -> str:
    """Text in ASCII: accents are dropped, dashes and quotes become straight, the rest becomes "?"."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_ASCII))
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    return "".join(c if c.isprintable() and c.isascii() else "?" for c in " ".join(letters.split()))


def card(text: str, width: int, height: int, size: int, colour: Colour = INK) -> Image:
    """Text of `size` pixels in the middle of a dark box [height, width, 3], wrapped; cut with "..."."""
    canvas = PillowImage.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size)
    line = round(1.3 * size)
    lines = _wrapped(to_ascii(text), width - size, max(1, height // line), draw, font)
    top = (height - line * len(lines)) / 2
    for row, words in enumerate(lines):
        middle = (width / 2, top + line * (row + 0.5))
        draw.text(middle, words, font=font, fill=colour, anchor="mm")
    return np.asarray(canvas, np.uint8).copy()


def _wrapped(text: str, width: float, max_lines: int, draw: ImageDraw.ImageDraw, font) -> list[str]:
    """At most `max_lines` lines of words, each at most `width` pixels long."""
    lines = [""]
    words = text.split(" ")
    for place, word in enumerate(words):
        longer = f"{lines[-1]} {word}".strip()
        if draw.textlength(longer, font=font) <= width or not lines[-1]:
            lines[-1] = longer
        elif len(lines) < max_lines:
            lines.append(word)
        else:
            lines[-1] = " ".join([lines[-1], *words[place:]])
            break
    for row, line in enumerate(lines):
        if draw.textlength(line, font=font) > width:
            while line and draw.textlength(f"{line}...", font=font) > width:
                line = line[:-1]
            lines[row] = f"{line.rstrip()}..."
    return lines


@dataclass(frozen=True, eq=False)
class SpectrogramCard:
    """An image of both channels' spectrograms; time runs from column `left` to column `right`,
    between the rows `top` and `bottom`."""

    image: Image
    left: int
    right: int
    top: int
    bottom: int


def spectrogram_card(clip: Clip, width: int, height: int) -> SpectrogramCard:
    """Spectrograms of both channels, left above right, on one colour scale over RANGE_DB."""
    level, hertz, _ = log_spectrogram(clip.audio, clip.format.sample_rate)
    peak = float(level.max())
    share = np.clip((level - (peak - RANGE_DB)) / RANGE_DB, 0.0, 1.0)
    rows, columns = (height - _TOP - _BOTTOM - _GAP) // 2, width - _LEFT - 12
    canvas = PillowImage.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(canvas)
    small, font = ImageFont.load_default(13), ImageFont.load_default(15)
    for channel, name in enumerate(("left channel", "right channel")):
        top = _TOP + channel * (rows + _GAP)
        grey = np.round(255 * share[channel][::-1]).astype(np.uint8)
        grey = cv2.resize(grey, (columns, rows), interpolation=cv2.INTER_LINEAR)
        colours = cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO)[:, :, ::-1]
        canvas.paste(PillowImage.fromarray(np.ascontiguousarray(colours)), (_LEFT, top))
        draw.text((_LEFT, top - 4), name, font=font, fill=INK, anchor="ld")
        span = np.log(hertz[-1] / hertz[0])
        for tick in _TICKS_HZ:
            part = np.log(tick / hertz[0]) / span
            if 0 <= part <= 1:
                y = top + (1 - part) * (rows - 1)
                words = f"{tick // 1000} kHz" if tick >= 1000 else f"{tick} Hz"
                draw.text((_LEFT - 6, y), words, font=small, fill=DIM, anchor="rm")
    bottom = _TOP + 2 * rows + _GAP
    for second in _ticks(clip.format.seconds):
        x = _LEFT + columns * second / clip.format.seconds
        draw.text((x, bottom + 6), f"{second:g} s", font=small, fill=DIM, anchor="mt")
    image = np.asarray(canvas, np.uint8).copy()
    return SpectrogramCard(image, _LEFT, _LEFT + columns, _TOP, bottom)


def _ticks(seconds: float) -> NDArray[np.float64]:
    """At most eight round times (s) from 0 on, none in the last twentieth."""
    step = next((s for s in (0.25, 0.5, 1, 2, 5, 10, 20) if seconds / s <= 8), 60)
    return np.arange(0.0, 0.96 * seconds, step)
