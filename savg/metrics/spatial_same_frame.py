"""Spatial AV-Align as [S2] describes it: only the video frame of the sound event counts.

The published code also takes the frames beside it (`savg.metrics.spatial`).
"""

from __future__ import annotations

from savg.metrics.base import Cells, Item
from savg.metrics.spatial import SpatialAvAlign


class SpatialSameFrame(SpatialAvAlign):
    """Share of sound events with a person at their position in the same video frame [S2]."""

    name = "spatial_same_frame"
    label = "Spatial AV-Align, same frame only"
    around = 0

    @classmethod
    def cells(cls, item: Item) -> Cells:
        return {}

    @classmethod
    def frame_cells(cls, item: Item) -> list[Cells]:
        return []
