"""Scores of sound event localisation and detection in one-second blocks: DCASE2022, and SAVGBench's.

The rules are those of the published evaluators, with their traits [S1, code]:

- A file has ⌈last labelled frame / 10⌉ blocks of ten label frames: a last labelled frame that would
  begin a new block is not scored, nor are predictions after the last block.
- In a block and class the number of tracks, labelled or predicted, is the largest number of rows in one
  frame. In each frame that has both, rows are paired one to one at the least sum of distances
  (Hungarian; of several least ones SciPy's choice); a labelled row's place in its frame is its track.
- A track that was paired is localised: its distance is the mean over its frames, a true positive at
  most at the threshold, else a spatial false positive. Missing tracks are false negatives, surplus ones
  false positives. Where label and prediction share no frame, as many false negatives count as there are
  predicted tracks.
- ER = Σ max(false positives, false negatives) of blocks, over all classes, / labelled tracks;
  F = TP / (TP + spatial FP + ½ (FP + FN)); LE is the mean distance of localised tracks, the worst
  distance for a class without any; LR = localised / (localised + FN). F, LE and LR are means over all
  classes, those that never occur included. SELD = mean of ER, 1 − F, LE / worst, 1 − LR.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from savg.annotation import CATEGORY_NAMES, MARGIN
from savg.format import SAVGBENCH
from savg.metrics.statistics import fill_lacking

Array = NDArray[np.float64]

BLOCK = SAVGBENCH.label_fps
"""Label frames of a block: a second."""

TP, FP, SPATIAL_FP, FN, LOCALISED, DISTANCE, LABELLED, ERRORS = range(8)
"""Rows of counts; that of errors, which belong to no class, has them in its first column."""

ROWS = 8


@dataclass(frozen=True, eq=False)
class Located:
    """Located sound events, N rows in the order of their file: frames [N] (tenths of a second), classes
    [N] and positions [N, D]."""

    frames: NDArray[np.int64]
    classes: NDArray[np.int64]
    positions: Array

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True)
class BlockRules:
    """What differs between evaluations.

    classes: their number; threshold: largest distance of a true positive; worst: distance of a class
    that was never localised; distance: of positions [N, D] and [M, D], as [N, M]; unit: of distances.
    """

    classes: int
    threshold: float
    worst: float
    distance: Callable[[Array, Array], Array]
    unit: str


def pixel_distance(a: Array, b: Array) -> Array:
    """|x₁ − x₂| of positions [N, 1] and [M, 1]."""
    return np.abs(a[:, None, 0] - b[None, :, 0])


def sphere_distance(a: Array, b: Array) -> Array:
    """Angle in degrees between directions (azimuth, elevation) in degrees, [N, 2] and [M, 2]."""
    one, other = np.deg2rad(a)[:, None], np.deg2rad(b)[None]
    level = np.cos(one[..., 1]) * np.cos(other[..., 1]) * np.cos(one[..., 0] - other[..., 0])
    cosine = np.sin(one[..., 1]) * np.sin(other[..., 1]) + level
    return np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))


SAVGBENCH_RULES = BlockRules(
    len(CATEGORY_NAMES), MARGIN, float(SAVGBENCH.size), pixel_distance, "px"
)
"""As SAVGBench's code counts its sound detector: x in pixels, at most 40 apart."""

DCASE2022_RULES = BlockRules(13, 20.0, 180.0, sphere_distance, "°")
"""DCASE2022 task 3: directions at most 20° apart, 13 classes."""


def count_blocks(predicted: Located, reference: Located, rules: BlockRules) -> Array:
    """Counts [ROWS, classes] of one file; those of files add up."""
    counts = np.zeros((ROWS, rules.classes))
    last = int(reference.frames.max()) if len(reference) else 0
    blocks = np.union1d(predicted.frames, reference.frames) // BLOCK
    for block in np.unique(blocks[blocks < -(-last // BLOCK)]).tolist():
        false_positives = false_negatives = 0
        for label in range(rules.classes):
            guesses, labels = (_frames(table, block, label) for table in (predicted, reference))
            wrong, missed = _count_class(counts[:, label], guesses, labels, rules)
            false_positives, false_negatives = false_positives + wrong, false_negatives + missed
        counts[ERRORS, 0] += max(false_positives, false_negatives)
    return counts


def _frames(table: Located, block: int, label: int) -> dict[int, Array]:
    """Positions [n, D] of a class in each frame of a block that has it."""
    rows = np.flatnonzero((table.frames // BLOCK == block) & (table.classes == label))
    frames = table.frames[rows]
    return {int(f): table.positions[rows[frames == f]] for f in np.unique(frames)}


def _count_class(
    counts: Array, predicted: dict[int, Array], labelled: dict[int, Array], rules: BlockRules
) -> tuple[int, int]:
    """Add a block of one class to counts [ROWS]; its false positives, spatial ones too, and false
    negatives."""
    tracks = max(map(len, labelled.values()), default=0)
    guesses = max(map(len, predicted.values()), default=0)
    counts[LABELLED] += tracks
    if not tracks or not guesses:
        counts[FP] += guesses
        counts[FN] += tracks
        return guesses, tracks
    means = [float(np.mean(d)) for d in _paired(predicted, labelled, rules).values()]
    if not means:
        counts[FN] += guesses
        return 0, guesses
    right = sum(mean <= rules.threshold for mean in means)
    surplus, missing = max(guesses - tracks, 0), max(tracks - guesses, 0)
    counts[TP] += right
    counts[SPATIAL_FP] += len(means) - right
    counts[FP] += surplus
    counts[FN] += missing
    counts[LOCALISED] += len(means)
    counts[DISTANCE] += sum(means)
    return len(means) - right + surplus, missing


def _paired(
    predicted: dict[int, Array], labelled: dict[int, Array], rules: BlockRules
) -> dict[int, list[float]]:
    """Distances of each labelled track to its partners, frame by frame."""
    from scipy.optimize import linear_sum_assignment

    distances: dict[int, list[float]] = {}
    for frame in _common(labelled, predicted):
        cost = rules.distance(labelled[frame], predicted[frame])
        for track, guess in zip(*linear_sum_assignment(cost), strict=True):
            distances.setdefault(int(track), []).append(float(cost[track, guess]))
    return distances


def _common(a: dict[int, Array], b: dict[int, Array]) -> Iterator[int]:
    return (frame for frame in a if frame in b)


def block_scores(counts: Array, rules: BlockRules, whole: Array | None = None) -> dict[str, Array]:
    """Scores er, f, le, lr and seld of counts [..., ROWS, classes], each [...]; NaN without labels.

    whole: counts [ROWS, classes] of the set of which `counts` are resamples: a class of it that a
    resample lacks is left out of that resample's means, where it would count as F = 0 otherwise.
    """
    by_class = class_scores(counts, rules)
    if whole is not None:
        known = _defined(whole)
        by_class = {
            name: fill_lacking(by_class[name], here, known[name])
            for name, here in _defined(counts).items()
        }
    with np.errstate(invalid="ignore", divide="ignore"):
        er = counts[..., ERRORS, :].sum(-1) / counts[..., LABELLED, :].sum(-1)
    er = np.where(counts[..., LABELLED, :].sum(-1) > 0, er, np.nan)
    f, le, lr = (by_class[name].mean(axis=-1) for name in ("f", "le", "lr"))
    seld = (er + (1 - f) + le / rules.worst + (1 - lr)) / 4
    undefined = np.isnan(er)
    return {
        "er": er,
        **{k: np.where(undefined, np.nan, v) for k, v in (("f", f), ("le", le), ("lr", lr))},
        "seld": seld,
    }


def class_scores(counts: Array, rules: BlockRules) -> dict[str, Array]:
    """Scores f, le and lr of each class [..., classes]; a class that never occurs has 0, the worst
    distance, and 0."""
    n = np.moveaxis(counts, -2, 0)
    return {
        "f": _ratio(n[TP], n[TP] + n[SPATIAL_FP] + (n[FP] + n[FN]) / 2),
        "le": np.where(n[LOCALISED] > 0, _ratio(n[DISTANCE], n[LOCALISED]), rules.worst),
        "lr": _ratio(n[LOCALISED], n[LOCALISED] + n[FN]),
    }


def _defined(counts: Array) -> dict[str, NDArray[np.bool_]]:
    """For each score of a class [..., classes], where it follows from what was counted."""
    labelled = counts[..., LABELLED, :] > 0
    return {"f": labelled | (counts[..., FP, :] > 0), "le": labelled, "lr": labelled}


def _ratio(part: Array, whole: Array) -> Array:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), 0.0)
