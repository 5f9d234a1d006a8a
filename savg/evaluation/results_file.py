"""A run of `evaluate` as its results.json, which reports and the studio read.

The form:

    {"version": 1,
     "run": {"name", "generated", "reference", "mode", "created", "version", "command", "seed",
             "reading": {"fps", "sample_rate", ...}, "networks": {NAME: provenance},
             "setting": {"cpu", "gpu", "torch"}},
     "sets": {"generated": the form of SetResult.to_json, "reference": ..., "centre": ..., ...},
     "each": [{"clip": NAME, column: value, ...}, ...],
     "each_by_set": {"reference": rows like those of each, ...},
     "nearest": [{"clip", "reference", "distance", "image"}, ...],
     "failed": [{"clip", "set", "reason"}, ...],
     "warnings": [sentence, ...]}

`sets` has the evaluated clips as "generated"; the others are rows to hold them against. `image` is the
name of a file beside results.json. Numbers are finite or null.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from savg.errors import SavgError
from savg.evaluation.result_files import SetResult
from savg.evaluation.score import Row
from savg.json_files import read_json

RESULTS_JSON = "results.json"
"""Name of the file in a folder that `evaluate --out` wrote."""

VERSION = 1

GENERATED, REFERENCE = "generated", "reference"
"""Keys of the sets that are evaluated, and compared with."""

MAX_BYTES = 200_000_000


@dataclass(frozen=True)
class Run:
    """One evaluation. about: the object "run"; each: rows of the generated clips; each_by_set: rows of
    other sets; path: of the file that it was read from."""

    about: Mapping[str, Any]
    sets: Mapping[str, SetResult]
    each: tuple[Row, ...] = ()
    each_by_set: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    nearest: tuple[Mapping[str, Any], ...] = ()
    failed: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()
    path: Path | None = None

    @property
    def name(self) -> str:
        """What people call the run."""
        return str(self.about.get("name") or "evaluation")

    @property
    def mode(self) -> str:
        """standard or official; numbers of different modes are never compared."""
        return str(self.about.get("mode") or "standard")

    @property
    def generated(self) -> SetResult:
        """The results of the evaluated clips."""
        return self.sets[GENERATED]

    def to_json(self) -> dict[str, Any]:
        """The form of this module."""
        return {
            "version": VERSION,
            "run": dict(self.about),
            "sets": {name: result.to_json() for name, result in self.sets.items()},
            "each": [dict(row) for row in self.each],
            "each_by_set": {k: [dict(row) for row in rows] for k, rows in self.each_by_set.items()},
            "nearest": [dict(row) for row in self.nearest],
            "failed": [dict(row) for row in self.failed],
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_json(cls, data: object, path: Path | None = None) -> Run:
        """The run that `to_json` wrote; ValueError, the end of a sentence, for anything else."""
        if not isinstance(data, dict) or data.get("version") != VERSION:
            raise ValueError(f"must be the results of `evaluate`, version {VERSION}")
        sets = data.get("sets")
        if not isinstance(sets, dict) or GENERATED not in sets:
            raise ValueError(f'must have "sets" with the set "{GENERATED}"')
        others = data.get("each_by_set", {})
        if not isinstance(others, dict):
            raise ValueError('must have an object "each_by_set"')
        warnings = data.get("warnings", [])
        if not isinstance(warnings, list) or not all(isinstance(w, str) for w in warnings):
            raise ValueError('must have a list of sentences "warnings"')
        return cls(
            _object(data.get("run", {}), "run"),
            {str(name): SetResult.from_json(value) for name, value in sets.items()},
            _rows(data.get("each", []), "each"),
            {str(name): _rows(rows, "each_by_set") for name, rows in others.items()},
            _rows(data.get("nearest", []), "nearest"),
            _rows(data.get("failed", []), "failed"),
            tuple(warnings),
            path,
        )


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f'must have an object "{name}"')
    return value


def _rows(value: object, name: str) -> tuple[dict[str, Any], ...]:
    if not isinstance(value, list) or not all(
        isinstance(row, dict) and isinstance(row.get("clip"), str) for row in value
    ):
        raise ValueError(f'must have a list "{name}" of objects with the name of a "clip"')
    return tuple(value)


def read_run(path: Path) -> Run:
    """The run of a results.json, or of the folder that holds it; SavgError for anything else."""
    file = path / RESULTS_JSON if path.is_dir() else path
    data = read_json(file, most=MAX_BYTES)
    try:
        return Run.from_json(data, file)
    except ValueError as error:
        raise SavgError(f"{file} {str(error).rstrip('.')}.") from error
