"""Spatial AV-Align of the clips of a study, which ratings are compared with clip by clip.

From tables NAME.events.csv and NAME.boxes.csv as `annotate` writes them, or from what
`evaluate --json` printed. Clips without a sound event have no score.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from savg.annotation import Boxes, SoundEvents
from savg.errors import SavgError
from savg.metrics.spatial import spatial_av_align
from savg.mos.study.stimuli import find_clips

Scores = dict[str, dict[str, float]]
"""By condition and name of the clip without suffix."""

BESIDE = "evaluate.json"
"""What `evaluate --json` printed, found in a folder of clips by this name."""

LEVELS_KEY = "spatial"
"""Where a stored study keeps its scores."""


def scores_from_tables(folder: Path) -> dict[str, float]:
    """From a folder of tables; SavgError if there is none."""
    found, tables = {}, sorted(folder.glob("*.events.csv"))
    for path in tables:
        name = path.name.removesuffix(".events.csv")
        boxes = path.with_name(f"{name}.boxes.csv")
        if not boxes.is_file():
            raise SavgError(f"{path} has no {boxes.name} beside it.")
        score = spatial_av_align(SoundEvents.read_csv(path), Boxes.read_csv(boxes)).score
        if score is not None:
            found[name] = score
    if not found:
        raise SavgError(f"{folder} holds no tables NAME.events.csv with NAME.boxes.csv.")
    return found


def scores_from_json(path: Path) -> dict[str, float]:
    """From the output of `evaluate --json`; SavgError for anything else."""
    try:
        each = json.loads(path.read_text(encoding="utf-8"))["each"]
        found = {str(row["clip"]): row["score"] for row in each}
        scores = {name: float(score) for name, score in found.items() if score is not None}
    except OSError as error:
        raise SavgError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SavgError(
            f"{path} is not what `evaluate --json` prints: expected a list `each` of clips."
        ) from error
    for name, score in scores.items():
        if not (math.isfinite(score) and 0.0 <= score <= 1.0):
            raise SavgError(f"{path}: the score of {name} is {score:g}, expected one in 0..1.")
    if not scores:
        raise SavgError(f"{path} has no score of any clip.")
    return scores


def read_scores(path: Path) -> dict[str, float]:
    """From a folder of tables or a JSON file."""
    a_file = path.is_file() or path.suffix == ".json"
    return scores_from_json(path) if a_file else scores_from_tables(path)


def find_scores(folders: Mapping[str, Path], given: Mapping[str, Path]) -> Scores:
    """The scores of each condition: given ones, else those beside its clips; none is fine.

    SavgError for scores that are given and fit no clip of their condition.
    """
    if unknown := sorted(set(given) - set(folders)):
        raise SavgError(
            f"Scores are given for {unknown[0]}: the conditions are {', '.join(folders)}."
        )
    found: Scores = {}
    for name, folder in folders.items():
        clips = {path.stem for path in find_clips(folder)}
        if name in given:
            scores = read_scores(given[name])
            if not clips & set(scores):
                raise SavgError(f"{given[name]} has a score for no clip of {folder}.")
        elif any(folder.glob("*.events.csv")):
            scores = scores_from_tables(folder)
        elif (folder / BESIDE).is_file():
            scores = scores_from_json(folder / BESIDE)
        else:
            continue
        if mine := {clip: score for clip, score in scores.items() if clip in clips}:
            found[name] = mine
    return found


def stored_scores(levels: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """The scores that a study was made with, by condition and clip."""
    return {
        (condition, clip): float(score)
        for condition, clips in levels.get(LEVELS_KEY, {}).items()
        for clip, score in clips.items()
    }
