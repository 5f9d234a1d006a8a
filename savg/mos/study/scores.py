"""Spatial AV-Align of a study's clips, for comparison with their ratings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from savg.errors import SavgError
from savg.evaluation.clip_scores import read_scores, scores_from_json, scores_from_tables
from savg.mos.study.stimuli import find_clips

Scores = dict[str, dict[str, float]]
"""Score by condition and by the clip's name without suffix."""

BESIDE = "evaluate.json"
"""Name in a folder of clips of the output of `evaluate --json`."""

LEVELS_KEY = "spatial"
"""Key of the scores in a stored study's levels."""


def find_scores(folders: Mapping[str, Path], sources: Mapping[str, Path]) -> Scores:
    """The scores of each condition: from `sources`, else from beside its clips, if there are any.

    Args:
        folders: folders of clips by condition.
        sources: files or folders of scores by condition.

    Raises:
        SavgError: `sources` names another condition, or scores that fit no clip of their condition.
    """
    if unknown := sorted(set(sources) - set(folders)):
        raise SavgError(f"Scores must be for one of {', '.join(folders)}, got {unknown[0]}.")
    by_condition: Scores = {}
    for name, folder in folders.items():
        clips = {path.stem for path in find_clips(folder)}
        if name in sources:
            scores = read_scores(sources[name])
            if not clips & set(scores):
                raise SavgError(f"{sources[name]} has a score for no clip of {folder}.")
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
    """The scores in a study's stored levels, by condition and clip."""
    return {
        (condition, clip): float(score)
        for condition, clips in levels.get(LEVELS_KEY, {}).items()
        for clip, score in clips.items()
    }
