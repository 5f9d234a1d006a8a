"""Rules by which SELD predictions are scored: how files are read and counted, and what comes of counts.

Counts of files are arrays [K, classes] and add up (`savg.metrics.seld_blocks`, `seld_stereo`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from savg.data.seld_tables import (
    STEREO,
    Columns,
    read_directions,
    read_labelled_x,
    read_predicted_x,
    read_stereo,
)
from savg.errors import SavgError
from savg.metrics import seld_blocks, seld_stereo
from savg.metrics.seld_blocks import BlockRules, Located
from savg.metrics.seld_stereo import StereoEvents

Array = NDArray[np.float64]
Scores = Callable[[Array], dict[str, Array]]

LABELS = {
    "er": "error rate",
    "f": "F-score",
    "le": "localisation error",
    "lr": "localisation recall",
    "seld": "SELD error",
    "f_onscreen": "F-score with on-screen flag",
    "azimuth_error": "azimuth error",
    "distance_error": "distance error",
    "relative_distance_error": "relative distance error",
    "onscreen_accuracy": "on-screen accuracy",
}
"""Scores by name, as people read them."""


@dataclass(frozen=True)
class SeldRules:
    """One way of scoring.

    label: for people; files: columns of a file of labels; units: of scores that have one; count: a file
    of predictions and one of labels to counts [K, classes], which add up; scores, by_class: scores of
    counts [..., K, classes], over all classes and for each; resampled: scores over all classes of
    resamples of a set, from their counts and the set's, whose classes that a resample lacks are left
    out of its means; rows: those counts [R, classes] that are
    above 0 where a class occurs; absent_count: whether classes that never occur count as F = 0; warn:
    sentences about summed counts.
    """

    label: str
    files: str
    units: Mapping[str, str]
    count: Callable[[Path, Path], Array]
    scores: Scores
    by_class: Scores
    resampled: Callable[[Array, Array], dict[str, Array]]
    rows: Callable[[Array], Array]
    absent_count: bool = True
    warn: Callable[[Array], list[str]] = lambda total: []


def _all_off_screen(total: Array) -> list[str]:
    if not total[seld_stereo.PAIRS].sum() or total[seld_stereo.FLAGGED].sum():
        return []
    return [
        "All predictions say off-screen, as those of the public baseline do: the on-screen accuracy "
        "and the F-score with the flag say nothing about the system."
    ]


def _located(columns: Columns, *positions: str) -> Located:
    frames, classes = (columns[name].astype(np.int64) for name in ("frame", "class"))
    return Located(frames, classes, np.stack([columns[name] for name in positions], axis=1))


def _blocks(
    rules: BlockRules,
) -> tuple[Scores, Scores, Callable[[Array, Array], dict[str, Array]], Callable[[Array], Array]]:
    return (
        lambda counts: seld_blocks.block_scores(counts, rules),
        lambda counts: seld_blocks.class_scores(counts, rules),
        lambda counts, whole: seld_blocks.block_scores(counts, rules, whole),
        lambda counts: counts[[seld_blocks.LABELLED, seld_blocks.FP]],
    )


def _count_x(predicted: Path, labelled: Path) -> Array:
    tables = _located(read_predicted_x(predicted), "x"), _located(read_labelled_x(labelled), "x")
    return seld_blocks.count_blocks(*tables, seld_blocks.SAVGBENCH_RULES)


def _count_directions(predicted: Path, labelled: Path) -> Array:
    rules = seld_blocks.DCASE2022_RULES
    guesses, labels = (
        _located(read_directions(path, rules.classes), "azimuth", "elevation")
        for path in (predicted, labelled)
    )
    return seld_blocks.count_blocks(guesses, labels, rules)


def _count_stereo(official: bool) -> Callable[[Path, Path], Array]:
    def count(predicted: Path, labelled: Path) -> Array:
        guesses, labels = (
            stereo_events(read_stereo(path, seld_stereo.CLASSES)) for path in (predicted, labelled)
        )
        return seld_stereo.count_stereo(guesses, labels, official)

    return count


def stereo_events(columns: Columns) -> StereoEvents:
    """The events of a table that `savg.data.seld_tables.read_stereo` has read."""
    frames, classes, sources = (
        columns[name].astype(np.int64) for name in ("frame", "class", "source")
    )
    values = (columns[name] for name in ("azimuth", "distance", "onscreen"))
    return StereoEvents(frames, classes, sources, *values)


def _stereo_rules(label: str, official: bool) -> SeldRules:
    return SeldRules(
        label,
        f"{STEREO} with that header",
        {"azimuth_error": "°"},
        _count_stereo(official),
        lambda counts: seld_stereo.stereo_scores(counts, official),
        lambda counts: seld_stereo.stereo_class_scores(counts, official),
        lambda counts, whole: seld_stereo.stereo_scores(counts, official, whole),
        lambda counts: counts[[seld_stereo.PAIRS, seld_stereo.FP, seld_stereo.FN]],
        official,
        _all_off_screen,
    )


RULES: dict[str, SeldRules] = {
    "savgbench": SeldRules(
        "SAVGBench: one-second blocks, 40 px",
        "frame,class,x,y (predictions: frame,class,x)",
        {"le": "px"},
        _count_x,
        *_blocks(seld_blocks.SAVGBENCH_RULES),
    ),
    "dcase2022": SeldRules(
        "DCASE2022: one-second blocks, 20°",
        "frame,class,source,azimuth,elevation[,distance]",
        {"le": "°"},
        _count_directions,
        *_blocks(seld_blocks.DCASE2022_RULES),
    ),
    "dcase2025": _stereo_rules("DCASE2025 stereo, as its public baseline scores", True),
    "dcase2025-corrected": _stereo_rules("DCASE2025 stereo, every frame scored", False),
}
"""Name → rules."""


def seld_rules(name: str) -> SeldRules:
    """The rules of a name; SavgError lists the names."""
    if name not in RULES:
        raise SavgError(f"Rules must be one of {', '.join(RULES)}, got {name!r}.")
    return RULES[name]
