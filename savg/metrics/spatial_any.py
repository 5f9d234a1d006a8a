"""Spatial AV-Align with objects beyond persons: does a sound come from anything that can sound?

Boxes are those of a detector that was asked for more categories than persons (`savg.metrics.sounding`
says which, and of which sounds they are sources); all else is as in `savg.metrics.spatial`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from savg.annotation import PERSON, Alignment, Boxes, SoundEvents
from savg.format import ClipFormat
from savg.metrics.base import Cells, Item
from savg.metrics.sounding import SOUNDING, SOURCES, kind_of
from savg.metrics.spatial import Pair, SpatialAvAlign, SpatialReport, spatial_av_align


class SpatialAny(SpatialAvAlign):
    """Share of sound events with an object at their position that can sound, of whatever class.

    Notes: boxes by kind of object; without any but persons, this is Spatial AV-Align.
    """

    name = "spatial_any"
    label = "Spatial AV-Align, any sounding object"

    @classmethod
    def pair(cls, item: Item) -> Pair:
        boxes = item.observation.boxes
        return item.observation.events, boxes.select(np.isin(boxes.categories, SOUNDING))

    @classmethod
    def cells(cls, item: Item) -> Cells:
        return {}

    @classmethod
    def frame_cells(cls, item: Item) -> list[Cells]:
        return []

    def notes(self, report: SpatialReport) -> dict[str, Any]:
        notes = super().notes(report)
        kinds: dict[str, int] = {}
        for item in self.items:
            boxes = self.pair(item)[1]
            for category, count in zip(
                *np.unique(boxes.categories, return_counts=True), strict=True
            ):
                kind = kind_of(int(category)) or "other"
                kinds[kind] = kinds.get(kind, 0) + int(count)
        if set(kinds) == {"person"}:
            notes["warnings"] = [
                *notes["warnings"],
                "All boxes are of persons, so that this is Spatial AV-Align: the detector knows no "
                "other objects, or was not asked for them.",
            ]
        return notes | {"boxes_by_kind": dict(sorted(kinds.items()))}


class SpatialAnyClass(SpatialAny):
    """The same, where an object counts only for the classes of sound that can come from it."""

    name = "spatial_any_class"
    label = "Spatial AV-Align, objects of the sound's class"

    @classmethod
    def judge(cls, events: SoundEvents, boxes: Boxes, format: ClipFormat) -> Alignment:
        matched = np.zeros(len(events), bool)
        for category in np.unique(events.categories).tolist():
            rows = events.categories == category
            sources = boxes.select(np.isin(boxes.categories, SOURCES.get(category, (PERSON,))))
            judged = spatial_av_align(events.select(rows), sources, format, cls.margin, cls.around)
            matched[rows] = judged.matched
        return Alignment(matched, cls.margin)
