"""Depth maps of training videos in files beside them, as RollingDepth writes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from savg.errors import SavgError
from savg.format import ClipFormat
from savg.media.depth_file import SUFFIXES, read_depth
from savg.media.probe import video_info
from savg.pipelines.depth_condition import DepthMaps
from savg.train.video_files import VideoFile, video_files

FOLDER = "depth"
"""Folders whose name begins so hold NAME.npy, NAME.npz, NAME.png or a folder NAME of .png files."""


class DepthFiles(Sequence[DepthMaps]):
    """The maps of each clip that comes of the videos below a folder, read when they are asked for.

    SavgError for a folder without videos, or a video without maps.
    """

    def __init__(self, folder: Path, format: ClipFormat) -> None:
        self.format = format
        files = video_files(folder, format)
        self.clips = [(file, number) for file in files for number in range(file.windows)]
        if not files:
            raise SavgError(f"{folder}: no video in it, so that there are no depth maps of any.")
        places = {path.stem: path for path in sorted(folder.rglob("*")) if _holds_maps(path)}
        missing = [file.path for file in files if file.path.stem not in places]
        if missing:
            raise SavgError(
                f"{missing[0]} must have depth maps {FOLDER}/{missing[0].stem}.npy (or .npz, .png)."
            )
        self.places = {file.path: places[file.path.stem] for file in files}

    def __len__(self) -> int:
        return len(self.clips)

    @overload
    def __getitem__(self, index: int) -> DepthMaps: ...

    @overload
    def __getitem__(self, index: slice) -> list[DepthMaps]: ...

    def __getitem__(self, index: int | slice) -> DepthMaps | list[DepthMaps]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        file, number = self.clips[index]
        maps, seconds = _maps(self.places[file.path]), _seconds(file)
        length = self.format.seconds / seconds * len(maps)
        first = min(int(number * length), len(maps) - 1)
        return DepthMaps(maps[first : max(first + 1, round((number + 1) * length))])


def _holds_maps(path: Path) -> bool:
    return path.parent.name.startswith(FOLDER) and (path.is_dir() or path.suffix in SUFFIXES)


@lru_cache(maxsize=1)
def _maps(path: Path) -> NDArray[np.float32]:
    return read_depth(path)


@lru_cache(maxsize=1)
def _seconds(file: VideoFile) -> float:
    return video_info(file.path).seconds
