"""Runs of `evaluate` as its results.json holds them, made up for tests of reports and of the studio."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from savg.evaluation.result_files import SetResult
from savg.evaluation.results_file import RESULTS_JSON, Run
from savg.metrics.base import MetricResult

EVIL = '<img src=x onerror="alert(1)">_%&#${x}|\\end{tabular} `*b*` [l](//evil.example)'
"""A name that HTML, Markdown and LaTeX must not take for their own."""

WARNING = "Only 12 clips: the covariance has rank 11 of 400."

SHA = "0b1d" * 16

NETWORKS = {
    "i3d": {
        "backbone": "I3D",
        "sha256": SHA,
        "input": "224 × 224, bilinear",
        "precision": "bfloat16",
    }
}


def spatial(value: float, centre: float = 0.6) -> MetricResult:
    """Spatial AV-Align with its nulls and what it is by position and class."""
    parts = [
        {
            "label": label,
            "value": value + d,
            "low": value + d - 0.1,
            "high": value + d + 0.1,
            "n": 20,
        }
        for label, d in (("left third", -0.1), ("middle", 0.15), ("right third", -0.05))
    ]
    nulls = {"centre": centre, "swapped": 0.31, "shuffled": None}
    notes = {"tp": 60, "fn": 40, "by_position": parts, "by_class": parts[:2], "mode": "standard"}
    return MetricResult("spatial_av_align", value, value - 0.06, value + 0.05, 12, nulls, notes)


def distance(value: float) -> MetricResult:
    """A distance between sets with everything that is noted beside one."""
    notes = {
        "warnings": [WARNING],
        "mode": "standard",
        "networks": NETWORKS,
        "reference_n": 40,
        "views": {
            name: {"value": value * k, "low": value * k * 0.9, "high": value * k * 1.1}
            for name, k in (("left", 1.1), ("right", 1.05), ("mid", 1.0), ("side", 1.7))
        },
        "infinite": {
            "value": value * 0.7,
            "slope": value * 3.6,
            "points": [[n, value * 0.7 + value * 3.6 / n] for n in (6, 8, 10, 12)],
        },
    }
    nulls = {"reference_split": value / 4}
    return MetricResult("fvd", value, value * 0.9, value * 1.15, 12, nulls, notes)


def undefined(name: str) -> MetricResult:
    """A result without a value."""
    return MetricResult(name, None, n=0, notes={"reason": "No clip has two audible channels."})


def rows(clips: Sequence[str], seed: int = 0, shift: float = 0.0) -> tuple[dict[str, Any], ...]:
    """Columns of single clips; the second clip has no score."""
    rng = np.random.default_rng(seed)
    made = []
    for i, name in enumerate(clips):
        pan = float(rng.uniform(-1, 1))
        score = float(np.clip(0.5 + shift + 0.3 * rng.normal(), 0, 1))
        columns = {
            "score": None if i == 1 else score,
            "pan": pan,
            "ild_db": 9 * pan,
            "tp": int(9 * score),
        }
        made.append({"clip": name, **columns})
    return tuple(made)


def run(
    name: str = "joint",
    clips: Sequence[str] = tuple(f"clip{i:02}" for i in range(12)),
    mode: str = "standard",
    seed: int = 0,
    value: float = 0.55,
    generated: str = "clips",
) -> Run:
    """A run with two other sets, a missing value, warnings, nearest clips and a failed clip."""
    metrics = {m.name: m for m in (spatial(value), distance(1234.5), undefined("pan_spread"))}
    reference = {m.name: m for m in (spatial(0.9), undefined("pan_spread"))}
    each = rows(clips, seed, value - 0.5)
    nearest = [
        {"clip": c, "reference": f"train{i}", "distance": 4.5 + i, "mirrored": i == 0,
         "image": f"nearest/{i + 1:02}.jpg" if i < 2 else None}
        for i, c in enumerate(clips[:3])
    ]  # fmt: skip
    about = {
        "name": name,
        "generated": generated,
        "reference": "reference",
        "mode": mode,
        "created": "2026-11-29T16:00:00Z",
        "version": "1.0",
        "command": "python -m savg evaluate --generated clips --out results",
        "seed": 0,
        "reading": {"fps": 4, "sample_rate": 16000},
        "networks": NETWORKS,
        "setting": {"cpu": "x86_64, 2 cores", "gpu": None, "torch": "2.11"},
    }
    return Run(
        about,
        {
            "generated": SetResult("generated", len(clips), metrics),
            "reference": SetResult("reference", 40, reference),
            "centre": SetResult(
                "always in the centre", len(clips), {"spatial_av_align": spatial(0.6)}
            ),
        },
        each,
        {"reference": rows([f"r{i}" for i in range(40)], 7)},
        tuple(nearest),
        ({"clip": "broken", "set": "generated", "reason": "broken.mp4 has no video."},),
        ("58 of the 96 clips are mono.",),
    )


def write(folder: Path, one: Run) -> Path:
    """The run as a folder of `evaluate --out`; returns results.json."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RESULTS_JSON
    path.write_text(json.dumps(one.to_json(), allow_nan=False), encoding="utf-8")
    return path


def write_leaderboard(path: Path) -> None:
    """A leaderboard with entries of both modes."""
    value = {"value": 0.62, "low": 0.6, "high": 0.64, "nulls": {"centre": 0.61}}
    entries = [
        {
            "name": name,
            "created": "2026-11-29",
            "mode": mode,
            "n": 96,
            "reference_n": 200,
            "metrics": {"spatial_av_align": value},
            "networks": NETWORKS,
            "reading": {"fps": 4},
            "warnings": [WARNING],
        }
        for name, mode in (("joint", "standard"), (EVIL, "official"))
    ]
    path.write_text(json.dumps(entries), encoding="utf-8")
