"""Results of benchmarks as they come with the package: one NAME.json and NAME.md each in `results/`.

A result about sets of clips has this form; results of speed have forms of their own:

    {"setting": {"command": "python -m …", "cpu": ..., "gpu": ..., "torch": ...},
     "sets": {"joint": {"label": "joint", "clips": 64, "facts": {...},
                        "metrics": {NAME: the form of MetricResult.to_json, ...}}, ...}, ...}
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from savg import json_files
from savg.errors import SavgError
from savg.evaluation.score import Evaluation
from savg.metrics.base import MetricResult
from savg.paths import atomic_file

RESULTS = Path(__file__).with_name("results")
"""Folder that benchmarks write and the studio reads."""

MAX_BYTES = 5_000_000


@dataclass(frozen=True)
class SetResult:
    """Metrics of one set of clips; facts: further values by name, ready for JSON."""

    label: str
    clips: int
    metrics: Mapping[str, MetricResult]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, label: str, evaluation: Evaluation, **facts: Any) -> SetResult:
        """The result of an evaluation; the number of failed clips is a fact."""
        failed = {"failed": len(evaluation.failed)} if evaluation.failed else {}
        return cls(label, evaluation.clips, evaluation.metrics, failed | facts)

    def to_json(self) -> dict[str, Any]:
        """The form of this module."""
        return {
            "label": self.label,
            "clips": self.clips,
            "metrics": {name: result.to_json() for name, result in self.metrics.items()},
            "facts": dict(self.facts),
        }

    @classmethod
    def from_json(cls, data: object) -> SetResult:
        """The result that `to_json` wrote; ValueError for anything else."""
        try:
            if not isinstance(data, dict):
                raise TypeError(f"A set must be a JSON object, got {data!r}.")
            metrics = {str(k): MetricResult.from_json(v) for k, v in data["metrics"].items()}
            return cls(str(data["label"]), int(data["clips"]), metrics, dict(data["facts"]))
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise ValueError("A set must have the form of SetResult.to_json.") from error


def read_sets(data: object) -> dict[str, SetResult]:
    """The sets of a result's JSON; empty for results of another form."""
    sets = data.get("sets") if isinstance(data, dict) else None
    if not isinstance(sets, dict):
        return {}
    try:
        return {str(key): SetResult.from_json(value) for key, value in sets.items()}
    except ValueError:
        return {}


def read_json(path: Path) -> Any:
    """The content of a JSON file; None for one that is missing, too large or not JSON.

    Numbers that are not finite (NaN, 1e400) are None.
    """
    try:
        return json_files.read_json(path, most=MAX_BYTES, lenient=True)
    except SavgError:
        return None


def write_result(name: str, data: Mapping[str, Any], text: str, folder: Path = RESULTS) -> None:
    """Print the table and write NAME.json and NAME.md, each atomically."""
    print(text)
    content = json.dumps(data, indent=1, allow_nan=False) + "\n"
    for suffix, body in (("json", content), ("md", text)):
        with atomic_file(folder / f"{name}.{suffix}") as part:
            part.write_text(body, encoding="utf-8")


def setting(name: str, **more: Any) -> dict[str, Any]:
    """Command, machine and versions of a benchmark, and `more`."""
    command = " ".join([f"python -m benchmarks.{name}", *sys.argv[1:]])
    return {"command": command, **machine(), **more}


def machine() -> dict[str, Any]:
    """The machine and the version of torch."""
    import torch

    return {
        "cpu": f"{platform.machine()}, {os.cpu_count()} cores",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
    }


def provenance(setting: Mapping[str, Any]) -> str:
    """Command and machine in a line of Markdown."""
    parts = filter(None, (setting["cpu"], setting["gpu"], f"torch {setting['torch']}"))
    return f"`{setting['command'].strip()}` ({', '.join(parts)})"
