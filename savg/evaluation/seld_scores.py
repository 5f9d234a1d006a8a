"""Scores of a folder of SELD predictions against a folder of labels, by the rules of an evaluation.

Files pair by name; NAME.events.csv, as `annotate` writes it, is NAME, and NAME.boxes.csv is passed
over. Each score has a 95 % bootstrap interval over files, where classes that a resample lacks are left
out of its means, and the jackknife of DCASE: estimate θ − bias, bias = (n − 1) (mean of the scores
without one file − θ), and an interval of Student's t with n − 1 degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from savg.errors import SavgError
from savg.evaluation.files import BOXES, EVENTS
from savg.evaluation.seld_rules import Array, SeldRules, seld_rules
from savg.folders import files_in
from savg.metrics.statistics import RESAMPLES, fewer_than_two, percentiles, resampled_clips

FEW_FILES = 10
"""Files below which an interval over files says little."""


@dataclass(frozen=True)
class SeldReport:
    """Scores of a folder.

    scores: by name {value, low, high, jackknife}; classes: a row {class, …} for each class that
    occurs; failed: rows {clip, reason} of files that were left out; warnings: sentences.
    """

    rules: str
    files: int
    scores: Mapping[str, Mapping[str, Any]]
    classes: Sequence[Mapping[str, Any]]
    failed: Sequence[Mapping[str, str]] = ()
    warnings: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        return {
            "rules": self.rules,
            "files": self.files,
            "scores": {name: dict(score) for name, score in self.scores.items()},
            "classes": [dict(row) for row in self.classes],
            "failed": [dict(row) for row in self.failed],
            "warnings": list(self.warnings),
        }


def score_folders(
    predictions: Path, reference: Path, rules: str, seed: int = 0, resamples: int = RESAMPLES
) -> SeldReport:
    """Score the CSV files of a folder against those of the same names in another.

    A bad file is left out and stands in `failed`, as does one without partner; a file of labels
    without predictions is left out too: a system that finds nothing writes an empty table.

    Args:
        predictions: folder of CSV files.
        reference: folder of the labels.
        rules: a name of `RULES`.
        seed: of the bootstrap.
        resamples: of the bootstrap.

    Raises:
        SavgError: the rules are unknown, a folder has no CSV file, or no file can be scored.

    Example:
        >>> score_folders(Path("predictions"), Path("labels"), "savgbench").scores["f"]["value"]
    """
    chosen = seld_rules(rules)
    guesses, labels = (_tables_by_name(folder) for folder in (predictions, reference))
    tables, failed = [], []
    for name in sorted(guesses.keys() | labels.keys()):
        if name not in guesses or name not in labels:
            lacking = predictions if name not in guesses else reference
            failed.append({"clip": name, "reason": f"{lacking} has no {name}.csv."})
            continue
        try:
            tables.append(chosen.count(guesses[name], labels[name]))
        except SavgError as error:
            failed.append({"clip": name, "reason": str(error)})
    if not tables:
        more = f" The first: {failed[0]['reason']}" if failed else ""
        raise SavgError(f"No file of {predictions} could be scored against {reference}.{more}")
    return summarise(np.stack(tables), rules, failed, seed, resamples)


def summarise(
    tables: Array,
    rules: str,
    failed: Sequence[Mapping[str, str]] = (),
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> SeldReport:
    """The report of counts [files, K, classes]."""
    chosen = seld_rules(rules)
    total = tables.sum(axis=0)
    values = chosen.scores(total)
    weights = np.stack([np.bincount(d, minlength=len(tables)) for d in
                        resampled_clips(len(tables), seed, resamples)])  # fmt: skip
    drawn = chosen.resampled(np.tensordot(weights.astype(np.float64), tables, axes=1), total)
    left_out = chosen.scores(total - tables)
    single = fewer_than_two(tables.any(axis=(1, 2)))
    scores = {}
    for name, value in values.items():
        known = np.isfinite(value) and not single
        low, high = percentiles(drawn[name][np.isfinite(drawn[name])]) if known else (None, None)
        scores[name] = {
            "value": _plain(value),
            "low": low,
            "high": high,
            "jackknife": jackknife(float(value), left_out[name]),
        }
    return SeldReport(
        rules, len(tables), scores, _class_rows(total, chosen), failed, _warnings(tables, chosen)
    )


def jackknife(value: float, left_out: Array) -> dict[str, float] | None:
    """DCASE's jackknife {estimate, bias, error, low, high} of a score and those without one file [n];
    None for fewer than two files, or where one of them is not defined."""
    n = len(left_out)
    if n < 2 or not np.isfinite(value) or not np.isfinite(left_out).all():
        return None
    from scipy.stats import t

    mean = float(left_out.mean())
    bias = (n - 1) * (mean - value)
    error = float(np.sqrt((n - 1) * np.mean((left_out - mean) ** 2)))
    half = float(t.ppf(0.975, n - 1)) * error
    estimate = value - bias
    return {
        "estimate": estimate,
        "bias": bias,
        "error": error,
        "low": estimate - half,
        "high": estimate + half,
    }


def _class_rows(total: Array, rules: SeldRules) -> list[dict[str, Any]]:
    """Scores of the classes that occur."""
    by_class, occurs = rules.by_class(total), rules.rows(total).any(axis=0)
    return [
        {"class": label, **{name: _plain(values[label]) for name, values in by_class.items()}}
        for label in np.flatnonzero(occurs).tolist()
    ]


def _warnings(tables: Array, rules: SeldRules) -> list[str]:
    """What a reader must know before believing the scores."""
    total, sentences = tables.sum(axis=0), []
    absent = int((~rules.rows(total).any(axis=0)).sum())
    if absent and rules.absent_count:
        sentences.append(
            f"{absent} of {total.shape[1]} classes never occur in these files, and count as F = 0 by "
            "these rules."
        )
    if len(tables) < FEW_FILES:
        files = "file" if len(tables) == 1 else "files"
        sentences.append(f"The scores rest on only {len(tables)} {files}.")
    return sentences + rules.warn(total)


def _plain(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _tables_by_name(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise SavgError(f"{folder} must be a folder of CSV files.")
    files: dict[str, Path] = {}
    for path in files_in(folder, {".csv"}, deep=True):
        if path.name.lower().endswith(BOXES):
            continue
        name = path.name[: -len(EVENTS)] if path.name.lower().endswith(EVENTS) else path.stem
        if name in files:
            raise SavgError(f"{folder} has two files named {path.name}.")
        files[name] = path
    if not files:
        raise SavgError(f"{folder} has no CSV file.")
    return files
