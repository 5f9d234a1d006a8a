"""Scores of the stereo task of DCASE2025: azimuth, distance and on-screen flag of 13 classes.

In each label frame and class, predictions are paired one to one with labels at the least sum of
differences of azimuth folded to −90…90° (Hungarian; of several least ones SciPy's choice). A pair is a
true positive if its azimuths differ by at most 20° and its distances by at most 100 % of the label's,
else a spatial false positive; rows without partner are false positives and false negatives. F = TP /
(TP + spatial FP + ½ (FP + FN)); the second F also asks for the right on-screen flag. Azimuth, distance
and relative distance errors and the on-screen accuracy are means over all pairs, near or not. All are
means over classes (macro).

`official` has the traits of the public baseline [code]: the last labelled frame and all predictions
after it are not scored; of more than ten rows of a class in a frame later ones replace the first;
fractions of on-screen flags are cut off, so that its own flags, written from probabilities, are always
0; classes that never occur count as F = 0. `corrected` scores every frame and row, takes flags of at
least ½ as on-screen, and leaves out classes that neither labels nor predictions have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from savg.geometry import wrap_degrees
from savg.metrics.statistics import fill_lacking

Array = NDArray[np.float64]

CLASSES = 13
"""Classes of STARSS23."""

AZIMUTH_LIMIT = 20.0
"""Largest difference of folded azimuths of a true positive, in degrees."""

DISTANCE_LIMIT = 1.0
"""Largest relative distance error of a true positive."""

TRACKS = 10
"""Rows of a class in a frame that the public baseline keeps."""

(TP, ONSCREEN_TP, PAIRS, FP, FN, AZIMUTH, DISTANCE, RELATIVE, ONSCREEN, FLAGGED) = range(10)
"""Rows of counts: true positives without and with flags, pairs, rows without partner, sums over pairs
of errors and right flags, and predictions that say on-screen."""

ROWS = 10


@dataclass(frozen=True, eq=False)
class StereoEvents:
    """Rows [N] in the order of a file: frames (tenths of a second), classes, sources, azimuths (°,
    positive to the left), distances (of one unit), and on-screen flags or probabilities in 0..1."""

    frames: NDArray[np.int64]
    classes: NDArray[np.int64]
    sources: NDArray[np.int64]
    azimuths: Array
    distances: Array
    onscreen: Array

    def __len__(self) -> int:
        return len(self.frames)

    def select(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> StereoEvents:
        """The rows chosen by indices or a mask."""
        return StereoEvents(
            self.frames[rows],
            self.classes[rows],
            self.sources[rows],
            self.azimuths[rows],
            self.distances[rows],
            self.onscreen[rows],
        )


def fold_azimuth(azimuth: Array) -> Array:
    """Azimuths in degrees wrapped, then folded front to back to −90…90: stereo hears no difference."""
    wrapped = wrap_degrees(azimuth)
    return np.where(np.abs(wrapped) > 90, np.copysign(180.0, wrapped) - wrapped, wrapped)


def count_stereo(
    predicted: StereoEvents, reference: StereoEvents, official: bool, classes: int = CLASSES
) -> Array:
    """Counts [ROWS, classes] of one file; those of files add up."""
    counts = np.zeros((ROWS, classes))
    frames = np.union1d(predicted.frames, reference.frames)
    if official:
        last = int(reference.frames.max()) if len(reference) else 0
        frames = frames[frames < last]
    for frame in frames.tolist():
        here = [_rows_of(table, frame) for table in (predicted, reference)]
        for label in np.unique(np.concatenate([table.classes for table in here])).tolist():
            both = [table.select(table.classes == label) for table in here]
            guesses, labels = (_tracks(t) if official else t for t in both)
            _count_pairs(counts[:, label], guesses, labels, official)
    return counts


def _rows_of(table: StereoEvents, frame: int) -> StereoEvents:
    return table.select(table.frames == frame)


def _tracks(rows: StereoEvents) -> StereoEvents:
    """The rows of one class and frame that the public baseline keeps.

    A row's track is its source or, where that is taken or above nine, the lowest free one; without a
    free one it replaces track 0.
    """
    kept: dict[int, int] = {}
    for row, source in enumerate(rows.sources.tolist()):
        free = [track for track in range(TRACKS) if track not in kept]
        own = source < TRACKS and source not in kept
        kept[source if own else free[0] if free else 0] = row
    return rows.select(np.array(list(kept.values()), np.int64))


def _count_pairs(
    counts: Array, guesses: StereoEvents, labels: StereoEvents, official: bool
) -> None:
    """Add one class in one frame to counts [ROWS]."""
    from scipy.optimize import linear_sum_assignment

    apart = np.abs(fold_azimuth(labels.azimuths)[:, None] - fold_azimuth(guesses.azimuths)[None])
    i, j = linear_sum_assignment(apart)
    azimuth, distance = apart[i, j], np.abs(labels.distances[i] - guesses.distances[j])
    relative = distance / (labels.distances[i] + np.finfo(float).eps)
    same = _flags(labels, official)[i] == _flags(guesses, official)[j]
    near = (azimuth <= AZIMUTH_LIMIT) & (relative <= DISTANCE_LIMIT)
    counts[TP] += near.sum()
    counts[ONSCREEN_TP] += (near & same).sum()
    counts[PAIRS] += len(i)
    counts[FP] += len(guesses) - len(i)
    counts[FN] += len(labels) - len(i)
    counts[AZIMUTH] += azimuth.sum()
    counts[DISTANCE] += distance.sum()
    counts[RELATIVE] += relative.sum()
    counts[ONSCREEN] += same.sum()
    counts[FLAGGED] += _flags(guesses, official).sum()


def _flags(rows: StereoEvents, official: bool) -> NDArray[np.bool_]:
    return rows.onscreen.astype(np.int64) > 0 if official else rows.onscreen >= 0.5


def stereo_scores(counts: Array, official: bool, whole: Array | None = None) -> dict[str, Array]:
    """Scores f, f_onscreen, azimuth_error (°), distance_error, relative_distance_error and
    onscreen_accuracy of counts [..., ROWS, classes], each [...]; NaN where nothing is defined.

    whole: counts [ROWS, classes] of the set of which `counts` are resamples: a class of it that a
    resample lacks is left out of that resample's means.
    """
    by_class = stereo_class_scores(counts, official)
    if whole is not None:
        here, known = _occurs(counts), _occurs(whole)
        for name in ("f", "f_onscreen"):
            by_class[name] = fill_lacking(by_class[name], here, known)
    return {name: _mean(values) for name, values in by_class.items()}


def stereo_class_scores(counts: Array, official: bool) -> dict[str, Array]:
    """The scores of each class [..., classes]; NaN for a class that is left out."""
    n = np.moveaxis(counts, -2, 0)
    pairs = n[PAIRS]
    total = pairs + (n[FP] + n[FN]) / 2
    absent = np.where(total.sum(-1, keepdims=True) > 0, 0.0 if official else np.nan, np.nan)
    shares = {
        name: np.where(total > 0, n[row] / np.where(total > 0, total, 1.0), absent)
        for name, row in (("f", TP), ("f_onscreen", ONSCREEN_TP))
    }
    errors = {
        name: np.where(pairs > 0, n[row] / np.where(pairs > 0, pairs, 1.0), np.nan)
        for name, row in (
            ("azimuth_error", AZIMUTH),
            ("distance_error", DISTANCE),
            ("relative_distance_error", RELATIVE),
            ("onscreen_accuracy", ONSCREEN),
        )
    }
    return shares | errors


def _occurs(counts: Array) -> NDArray[np.bool_]:
    """Which classes labels or predictions have, [..., classes]."""
    present: NDArray[np.bool_] = counts[..., [PAIRS, FP, FN], :].sum(axis=-2) > 0
    return present


def _mean(values: Array) -> Array:
    """Mean over classes without NaN; NaN where all are."""
    known = np.isfinite(values)
    number = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)
