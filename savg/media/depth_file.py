"""Files of depth maps, as RollingDepth and other networks that are no packages write them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.arrays import open_array, read_arrays
from savg.errors import SavgError
from savg.input_file import input_file

__all__ = ["SUFFIXES", "read_depth"]

SUFFIXES = (".npy", ".npz", ".png")

MOST_MAPS, MOST_VALUES = 10_000, 2**28
"""Of a video."""


def read_depth(path: str | os.PathLike[str]) -> NDArray[np.float32]:
    """Depth maps [M, h, w] of a video, evenly over its length; larger values are farther away.

    Args:
        path: .npy or .npz of [M, h, w] or [M, 1, h, w] (of an archive the array named "depth", or the
            first one), a .png of one map in 8 or 16 bits, or a folder of those in the order of their
            names.

    Raises:
        SavgError: a file that holds no depth maps, or none that are finite.

    Example:
        maps = read_depth("holiday_pred.npy")
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.suffix.lower() == ".png")
        if not 1 <= len(files) <= MOST_MAPS:
            raise SavgError(f"{path} must hold 1 to {MOST_MAPS} .png files, got {len(files)}.")
        images = [_image(file) for file in files]
        if len({image.shape for image in images}) > 1 or images[0].size * len(files) > MOST_VALUES:
            raise SavgError(f"{path}: depth maps must be of one size, {MOST_VALUES} values in all.")
        maps = np.stack(images)
    elif path.suffix.lower() not in SUFFIXES:
        raise SavgError(f"{path} must be a .npy, .npz or .png file, or a folder of .png files.")
    elif path.suffix.lower() == ".png":
        maps = _image(path)[None]
    else:
        maps = open_array(path) if path.suffix.lower() == ".npy" else _archived(path)
    if maps.ndim == 4 and maps.shape[1] == 1:
        maps = maps[:, 0]
    if maps.ndim == 2:
        maps = maps[None]
    fit = maps.ndim == 3 and maps.dtype.kind in "fui" and 0 < maps.size <= MOST_VALUES
    if not fit or len(maps) > MOST_MAPS:
        raise SavgError(
            f"{path} must hold at most {MOST_MAPS} depth maps [M, height, width], got "
            f"{list(maps.shape)} of {maps.dtype}."
        )
    result = np.asarray(maps, np.float32)
    if not np.isfinite(result).all():
        raise SavgError(f"{path} must hold finite depths, got NaN or infinity.")
    return result


def _image(path: Path) -> NDArray[Any]:
    """One map [h, w] of an image of grey levels."""
    data = np.fromfile(input_file(path, "depth image"), np.uint8)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    except cv2.error:
        image = None
    if image is None or image.ndim != 2:
        raise SavgError(f"{path} must be an image of grey levels in 8 or 16 bits.")
    return image


def _archived(path: Path) -> NDArray[Any]:
    """The array named "depth" of an archive, or its first one."""
    arrays = read_arrays(path)
    if not arrays:
        raise SavgError(f"{path} must hold an array of depth maps, got an empty archive.")
    return arrays.get("depth", next(iter(arrays.values())))
