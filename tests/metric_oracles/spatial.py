"""Oracles of position: plain loops, and SciPy's correlation."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats
from seld_by_hand import blocks

from savg.metrics.base import Item

Event = tuple[int, int, float]
Box = tuple[int, int, float, float, float]


def tables(item: Item) -> tuple[list[Event], list[Box]]:
    """Events (frame, class, x), and boxes (frame, category, x0, x1, score)."""
    events, boxes = item.observation.events, item.observation.boxes
    assert boxes.scores is not None
    columns = (boxes.frames, boxes.categories, boxes.xyxy[:, 0], boxes.xyxy[:, 2], boxes.scores)
    return (
        list(
            zip(events.frames.tolist(), events.categories.tolist(), events.x.tolist(), strict=True)
        ),
        list(zip(*(column.tolist() for column in columns), strict=True)),
    )


def near(event: Event, boxes: list[Box], around: int = 1) -> bool:
    frame, _, x = event
    video = min(round(frame * 0.4), 19)
    return any(
        video - around <= f <= video + around and int(x0) - 40 <= int(x) <= int(x1) + 40
        for f, _, x0, x1, _ in boxes
    )


def share(pairs: Sequence[tuple[list[Event], list[Box]]], around: int = 1) -> float:
    return statistics.fmean(near(e, boxes, around) for events, boxes in pairs for e in events)


def corrected(items: Sequence[Item]) -> float:
    pairs = [tables(item) for item in items]
    centre = [([(f, c, 128.0) for f, c, _ in events], boxes) for events, boxes in pairs]
    swapped = [([(f, c, 256 - x) for f, c, x in events], boxes) for events, boxes in pairs]
    shuffled = [(a[0], b[1]) for a in pairs for b in pairs if a is not b]
    best = max(map(share, (centre, swapped, shuffled)))
    return (share(pairs) - best) / (1 - best)


def people(event: Event, boxes: list[Box]) -> list[tuple[float, float]]:
    """(centre, score) of the persons in the frame of an event, else in those beside it."""
    video = min(round(event[0] * 0.4), 19)
    for frames in ({video}, {video - 1, video + 1}):
        found = [((x0 + x1) / 2, s) for f, c, x0, x1, s in boxes if f in frames and c == 0]
        if found:
            return found
    return []


def errors(items: Sequence[Item]) -> list[float]:
    signed = []
    for item in items:
        events, boxes = tables(item)
        for event in events:
            apart = [event[2] - centre for centre, _ in people(event, boxes)]
            signed += [min(apart, key=abs)] if apart else []
    return signed


def paths(item: Item) -> list[tuple[float, float]]:
    events, boxes = tables(item)
    found = [(e[2], people(e, boxes)) for e in events]
    return [(x, max(seen, key=lambda p: p[1])[0]) for x, seen in found if seen]


def within_clips(items: Sequence[Item]) -> float:
    found = [np.array(paths(item)).reshape(-1, 2).T for item in items]
    moving = [p for p in found if p.shape[1] >= 3 and np.std(p[1]) >= 5]
    return statistics.fmean(stats.pearsonr(*p).statistic for p in moving)


def pooled(items: Sequence[Item]) -> float:
    return stats.pearsonr(*zip(*(p for item in items for p in paths(item)), strict=True)).statistic


def seld(items: Sequence[Item], score: str) -> float:
    files = []
    for item in items:
        assert item.truth is not None
        truth = item.truth.events
        columns = (truth.frames, truth.categories, truth.x)
        labels = list(zip(*(column.tolist() for column in columns), strict=True))
        files.append((tables(item)[0], labels))
    return blocks(files, 2, 40, 256, lambda a, b: abs(a[0] - b[0]))[score]


ORACLES: dict[str, Callable[[Sequence[Item]], float]] = {
    "spatial_corrected": corrected,
    "spatial_same_frame": lambda items: share([tables(item) for item in items], around=0),
    "spatial_any": lambda items: share([tables(item) for item in items]),
    "spatial_any_class": lambda items: share([tables(item) for item in items]),
    "pixel_error": lambda items: statistics.fmean(map(abs, errors(items))),
    "pixel_bias": lambda items: statistics.fmean(errors(items)),
    "trajectory_within": within_clips,
    "trajectory_pooled": pooled,
    "seld_er": lambda items: seld(items, "er"),
    "seld_f": lambda items: seld(items, "f"),
    "seld_le": lambda items: seld(items, "le"),
    "seld_lr": lambda items: seld(items, "lr"),
}
