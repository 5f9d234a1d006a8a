"""Oracles of agreement, detection and pan: each written again in another way."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import numpy as np
from metric_items import REFERENCE_CLIPS
from scipy import stats
from scipy.optimize import linear_sum_assignment

from savg.metrics.base import Item


def spatial(items: Sequence[Item], keep: Callable[[float], bool] = lambda x: True) -> float:
    matched = []
    for item in items:
        events, boxes = item.observation.events, item.observation.boxes
        for frame, x in zip(events.frames.tolist(), events.x.tolist(), strict=True):
            if not keep(x):
                continue
            video = min(round(frame / 10 * 4), 19)
            matched.append(
                any(
                    abs(f - video) <= 1 and int(x1) >= int(x) - 40 and int(x0) <= int(x) + 40
                    for f, (x0, _, x1, _) in zip(
                        boxes.frames.tolist(), boxes.xyxy.tolist(), strict=True
                    )
                )
            )
    return sum(matched) / len(matched)


def f_score(items: Sequence[Item], category: int) -> float:
    tp = ours = theirs = 0
    for item in items:
        assert item.truth is not None
        for frame in range(50):
            a, b = (
                t.x[(t.frames == frame) & (t.categories == category)]
                for t in (item.observation.events, item.truth.events)
            )
            fits = np.abs(a[:, None] - b[None]) <= 40
            tp += int(fits[linear_sum_assignment(fits, maximize=True)].sum())
            ours, theirs = ours + len(a), theirs + len(b)
    return 2 * tp / (ours + theirs)


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    common = max(wide, 0) * max(high, 0)
    return (
        common
        / sum((r[2] - r[0]) * (r[3] - r[1]) for r in (a, b))
        / (1 - common / sum((r[2] - r[0]) * (r[3] - r[1]) for r in (a, b)))
    )


def ap50(items: Sequence[Item]) -> float:
    guesses, truths, taken = [], 0, set()
    for item in items:
        assert item.truth is not None and item.observation.boxes.scores is not None
        truths += len(item.truth.boxes)
        boxes = item.observation.boxes
        guesses += [
            (float(s), item, int(f), box)
            for s, f, box in zip(boxes.scores, boxes.frames, boxes.xyxy.tolist(), strict=True)
        ]
    hits = []
    for _, item, frame, box in sorted(guesses, key=lambda g: -g[0]):
        real = item.truth.boxes
        free = [
            (overlap(box, real.xyxy[k].tolist()), k)
            for k in range(len(real))
            if real.frames[k] == frame and (item.name, k) not in taken
        ]
        best, k = max(free, default=(0.0, -1))
        hits.append(best >= 0.5)
        if hits[-1]:
            taken.add((item.name, k))
    curve = [(sum(hits[:n]) / truths, sum(hits[:n]) / n) for n in range(1, len(hits) + 1)]
    best_from = [
        max((p for r, p in curve if r >= level / 100), default=0.0) for level in range(101)
    ]
    return sum(best_from) / 101


def pan(item: Item) -> float:
    assert item.clip is not None
    left, right = (float(np.linalg.norm(channel.astype(float))) for channel in item.clip.audio)
    return (right - left) / (right + left)


def motion(item: Item) -> float:
    assert item.clip is not None
    grey = item.clip.picture.astype(float).mean(axis=-1)
    still = np.median(grey, axis=0)
    change = [np.mean([np.abs(f[:, x] - still[:, x]).mean() for f in grey]) for x in range(64)]
    weight = [max(c - statistics.median(change), 0) for c in change]
    return sum(w * (x + 0.5) for x, w in enumerate(weight)) / sum(weight)


def surest(item: Item) -> float:
    boxes, centres = item.observation.boxes, {}
    assert boxes.scores is not None
    order = np.argsort(boxes.scores)  # the surest of a frame is written last
    for frame, (x0, _, x1, _) in zip(boxes.frames[order], boxes.xyxy[order], strict=True):
        centres[int(frame)] = (x0 + x1) / 2
    return statistics.fmean(centres.values())


def nearest(items: Sequence[Item]) -> float:
    distances = []
    for item in items:
        assert item.clip is not None
        a = item.clip.picture[::5].astype(float)
        b = [c.picture[::5].astype(float) for c in REFERENCE_CLIPS]
        both = [*b, *(x[:, :, ::-1] for x in b)]
        distances.append(min(float(np.sqrt(((a - x) ** 2).mean())) for x in both))
    return statistics.median(distances)


ORACLES: dict[str, Callable[[Sequence[Item]], float]] = {
    "speech_f_score": lambda items: f_score(items, 0),
    "instrument_f_score": lambda items: f_score(items, 1),
    "person_ap50": ap50,
    "spatial_av_align": spatial,
    "spatial_off_centre": lambda items: spatial(items, lambda x: abs(x - 128) > 40),
    "pan_spread": lambda items: statistics.pstdev(map(pan, items)),
    "pan_person": lambda items: stats.pearsonr([*map(pan, items)], [*map(surest, items)])[0],
    "pan_motion": lambda items: stats.pearsonr([*map(pan, items)], [*map(motion, items)])[0],
    "person_share": lambda items: statistics.fmean(
        len(set(i.observation.boxes.frames.tolist())) / 20 for i in items
    ),
    "nearest_clip": nearest,
    "events_per_clip": lambda items: statistics.fmean(len(i.observation.events) for i in items),
}
