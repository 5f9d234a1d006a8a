"""Spatial AV-Align of the clips of a study, which ratings are compared with clip by clip."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from savg.errors import SavgError
from savg.evaluation.clip_scores import read_scores, scores_from_json, scores_from_tables
from savg.mos.study.stimuli import find_clips

Scores = dict[str, dict[str, float]]
"""By condition and name of the clip without suffix."""

BESIDE = "evaluate.json"
"""What `evaluate --json` printed, found in a folder of clips by this name."""

LEVELS_KEY = "spatial"
"""Where a stored study keeps its scores."""


def find_scores(folders: Mapping[str, Path], given: Mapping[str, Path]) -> Scores:
    """The scores of each condition: given ones, else those beside its clips; none is fine.

    SavgError for scores that are given and fit no clip of their condition.
    """
    if unknown := sorted(set(given) - set(folders)):
        raise SavgError(
            f"Scores are given for {unknown[0]}: the conditions are {', '.join(folders)}."
        )
    by_condition: Scores = {}
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
        if of_clips := {clip: score for clip, score in scores.items() if clip in clips}:
            by_condition[name] = of_clips
    return by_condition


def stored_scores(levels: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """The scores that a study was made with, by condition and clip."""
    return {
        (condition, clip): float(score)
        for condition, clips in levels.get(LEVELS_KEY, {}).items()
        for clip, score in clips.items()
    }
