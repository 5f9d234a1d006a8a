"""What a benchmark generated, to look at: clips, a sheet of their first frames, spectrograms."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.clip import Clip
from savg.format import SAVGBENCH
from savg.pipelines.direction import Direction
from savg.train.sheets import write_sheet
from savg.viz.spectrogram import RANGE_DB, log_spectrogram

Image = NDArray[np.uint8]

COLUMNS = 6
"""Frames in a row of a sheet."""

SPECTRA = 8
"""Clips whose spectrograms are drawn, the left channel above the right one."""

MARK = (255, 0, 255)
"""Colour of the place that was asked for."""


@dataclass
class Sheets:
    """Writes the first clips of each set to a folder: NAME_0000.mp4 …, NAME.sheet.png and
    NAME.spectra.png.

    most: number of clips of each set.
    """

    folder: Path
    most: int = 24
    frames: dict[str, list[Image]] = field(default_factory=dict)
    spectra: dict[str, list[Image]] = field(default_factory=dict)

    def add(self, name: str, index: int, clip: Clip, direction: Direction | None = None) -> None:
        """Take in clip `index` of a set; later ones than the first are passed over."""
        if index >= self.most:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        clip.write(self.folder / f"{name}_{index:04d}.mp4")
        self.frames.setdefault(name, []).append(marked(clip.picture[0], direction))
        if index < SPECTRA:
            self.spectra.setdefault(name, []).append(spectrum(clip))

    def write(self) -> None:
        """The sheets of all sets."""
        for name, images in self.frames.items():
            write_sheet(self.folder / f"{name}.sheet.png", in_rows(images, COLUMNS))
        for name, images in self.spectra.items():
            write_sheet(self.folder / f"{name}.spectra.png", in_rows(images, 2))


def in_rows(images: list[Image], columns: int) -> list[list[Image]]:
    """Images of one size in rows of `columns`, the last one filled up with black."""
    lacking = -len(images) % columns
    filled = images + [np.zeros_like(images[0])] * lacking
    return [filled[i : i + columns] for i in range(0, len(filled), columns)]


def marked(frame: Image, direction: Direction | None) -> Image:
    """A copy of a frame with a tick at its bottom where the sound was asked to begin."""
    frame = np.ascontiguousarray(frame).copy()
    if direction is not None and direction.x is not None:
        x = round(direction.x[0] * frame.shape[1] / SAVGBENCH.size)
        frame[-8:, max(x - 1, 0) : x + 2] = MARK
    return frame


def spectrum(clip: Clip) -> Image:
    """Spectrograms of both channels [2 · bands, columns, 3], low frequencies at the bottom."""
    levels, _, _ = log_spectrogram(clip.audio, clip.format.sample_rate)
    shade = (levels - levels.max()) / RANGE_DB + 1
    grey = (shade.clip(0, 1) * 255).round().astype(np.uint8)[:, ::-1]
    rows = cv2.applyColorMap(np.concatenate(list(grey)), cv2.COLORMAP_VIRIDIS)[..., ::-1]
    gap = np.full((4, rows.shape[1], 3), 255, np.uint8)
    return np.concatenate([rows, gap])
