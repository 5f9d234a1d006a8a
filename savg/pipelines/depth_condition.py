"""Depth as a condition: maps of a window, and one embedding of each [S3].

As depths are known up to scale and offset, those of a window are brought to 0 (its nearest point) to 1
(its farthest). What embeds a map is a fact of the network's card: "grid", means over a grid of as many
cells as the embedding has values, or a network of open_clip's that sees a grey image, as published.

Shapes: M maps of a window, h×w pixels, W values of an embedding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.errors import CheckpointError, SavgError
from savg.features.depth import DepthEstimator
from savg.pipelines.clip_images import OpenClipImages
from savg.pipelines.optional_conditions import GRID
from savg.video import Video

Maps = NDArray[np.float32]

EVA_CLIP = "hf-hub:timm/eva02_large_patch14_clip_224.merged2b_s4b_b131k"
"""An EVA-CLIP whose embeddings have the published width, by open_clip's name."""

EVA_SIDE = 224
PUBLISHED_SIZE = (344, 256)
"""Width and height to which maps are resized before they are embedded [S3]."""


def normalised(maps: Maps) -> Maps:
    """Depths of a window from 0 to 1; all 0 where they do not differ."""
    low, high = float(maps.min()), float(maps.max())
    return (maps - low) / np.float32(max(high - low, 1e-12)) if high > low else np.zeros_like(maps)


class DepthEmbedding(ABC):
    """Maps [M, h, w] from 0 to 1 to embeddings [M, W]."""

    @abstractmethod
    def __call__(self, maps: Maps) -> Maps: ...


@dataclass(frozen=True)
class GridEmbedding(DepthEmbedding):
    """Means over the cells of a grid that is about square, row by row; width: their number."""

    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows = max(n for n in range(1, int(self.width**0.5) + 1) if self.width % n == 0)
        return rows, self.width // rows

    def __call__(self, maps: Maps) -> Maps:
        rows, columns = self.shape
        cells = [
            cv2.resize(one, (columns, rows), interpolation=cv2.INTER_AREA).reshape(-1)
            for one in maps
        ]
        return np.stack(cells).astype(np.float32)


class ImageEmbedding(DepthEmbedding):
    """A network of open_clip's, which sees maps as grey images; loaded when first needed.

    width: that its embeddings must have.
    """

    def __init__(self, name: str, width: int, device: str = "cpu") -> None:
        self.name, self.width, self.device = name, width, device

    @cached_property
    def network(self) -> OpenClipImages:
        """The network; SavgError where open_clip or the weights are missing."""
        return OpenClipImages.from_pretrained(self.name, self.device, EVA_SIDE)

    def __call__(self, maps: Maps) -> Maps:
        grey = [cv2.resize(one, PUBLISHED_SIZE, interpolation=cv2.INTER_AREA) for one in maps]
        images = np.repeat((np.stack(grey)[..., None] * 255).round().astype(np.uint8), 3, axis=-1)
        rows = self.network(images).cpu().numpy()
        if rows.shape[1] != self.width:
            raise CheckpointError(
                f"{self.name}: embeddings of depth maps must have {self.width} values, got "
                f"{rows.shape[1]}."
            )
        return np.asarray(rows, np.float32)


def embedding_of(name: object, width: int, device: str = "cpu") -> DepthEmbedding | None:
    """What embeds depth maps by its name, None for none; CheckpointError for what is no name."""
    if name is None or name == "":
        return None
    if not isinstance(name, str) or len(name) > 200:
        raise CheckpointError(
            f"depth must be 'grid' or a network of open_clip's, got {name!r:.60}."
        )
    return GridEmbedding(width) if name == GRID else ImageEmbedding(name, width, device)


@dataclass(frozen=True, eq=False)
class DepthMaps:
    """Depth maps [M, h, w] of a whole video, evenly over its length; larger is farther away.

    SavgError for another shape.
    """

    maps: Maps

    def __post_init__(self) -> None:
        if self.maps.ndim != 3 or not self.maps.size:
            raise SavgError(f"Depth maps must be [M, height, width], got {list(self.maps.shape)}.")

    def at(self, times: NDArray[np.float64], duration: float) -> Maps:
        """The maps at times in seconds of a video that lasts `duration`."""
        places = (times / duration * len(self.maps)).astype(np.int64)
        return self.maps[places.clip(0, len(self.maps) - 1)]


def picture(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames [F, H, W, 3] without black rows and columns around what is in any of them."""
    seen = frames.max(axis=(0, 3)) > 0
    if not seen.any():
        return frames
    rows, columns = (np.flatnonzero(seen.max(axis=axis)) for axis in (1, 0))
    return frames[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def moments(start: float, seconds: float, count: int) -> NDArray[np.float64]:
    """The middles of `count` equal parts of a window, in seconds."""
    return start + (np.arange(count) + 0.5) * seconds / count


def depth_of(
    video: Video, depth: DepthMaps | DepthEstimator
) -> Callable[[NDArray[np.float64]], Maps]:
    """Times in seconds of a video → its depth maps then, given ones or those of an estimator."""
    if isinstance(depth, DepthMaps):
        return lambda times: depth.at(times, float(video.duration))
    frames = picture(video.frames)

    def seen(times: NDArray[np.float64]) -> Maps:
        places = (times * float(video.fps)).astype(np.int64)
        return depth(frames[places.clip(0, len(frames) - 1)])

    return seen
