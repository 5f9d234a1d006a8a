"""Spatial AV-Align of single clips, read from the files of `annotate` or `evaluate`.

Clips without a sound event have no score.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from savg.errors import SavgError
from savg.evaluation.files import read_tables, tables_in
from savg.json_files import read_object
from savg.metrics.spatial import spatial_av_align


def scores_from_tables(folder: Path) -> dict[str, float]:
    """Scores by clip from a folder of tables; SavgError if there is no table."""
    scores = {}
    for name, path in tables_in(folder).items():
        tables = read_tables(path)
        score = spatial_av_align(tables.events, tables.boxes, tables.format).score
        if score is not None:
            scores[name] = score
    if not scores:
        raise SavgError(f"{folder} holds no tables NAME.events.csv with NAME.boxes.csv.")
    return scores


def scores_from_json(path: Path) -> dict[str, float]:
    """Scores by clip from the output of `evaluate --json`, which results.json is too; SavgError for
    other files."""
    try:
        each = read_object(path)["each"]
        rows = {str(row["clip"]): row["score"] for row in each if "error" not in row}
        scores = {name: _float(score) for name, score in rows.items() if score is not None}
    except (ValueError, KeyError, TypeError) as error:
        raise SavgError(
            f"{path} must be the output of `evaluate --json`, with a list `each` of clips."
        ) from error
    for name, score in scores.items():
        if not (math.isfinite(score) and 0.0 <= score <= 1.0):
            raise SavgError(f"{path}: the score of {name} must be in 0..1, got {score:g}.")
    if not scores:
        raise SavgError(f"{path} has no score of any clip.")
    return scores


def _float(score: Any) -> float:
    """A number of a JSON file; TypeError for text and truth values."""
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise TypeError("a score must be a number")
    return float(score)


def read_scores(path: Path) -> dict[str, float]:
    """Scores by clip from a folder of tables or a JSON file; SavgError for anything else."""
    is_json = path.is_file() or path.suffix == ".json"
    return scores_from_json(path) if is_json else scores_from_tables(path)
