"""A leaderboard: a JSON file to which runs are appended, one entry each.

The form, a list:

    [{"name", "created", "mode", "n", "reference_n",
      "metrics": {NAME: {"value", "low", "high", "nulls": {NAME: number or null}}, ...},
      "networks": {NAME: provenance}, "reading": {...}, "warnings": [sentence, ...]}, ...]

Several runs may append at the same time: each waits until the one before has written.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from savg.errors import SavgError, is_whole
from savg.evaluation.results_file import REFERENCE, Run
from savg.json_files import read_json
from savg.metrics.base import MetricResult
from savg.paths import atomic_file

MAX_BYTES = 50_000_000
MAX_ENTRIES = 10_000

PATIENCE = 30.0
"""Seconds to wait for another writer."""


@dataclass(frozen=True)
class Entry:
    """A run on the leaderboard.

    Attributes:
        name: of the run.
        created: when, in UTC.
        mode: entries of different modes are not comparable.
        n, reference_n: numbers of clips; reference_n is None without a reference set.
        metrics: results by name, with value, interval and chance baselines.
        networks: provenance by name.
        reading: how clips were read.
        warnings: sentences that stand beside the numbers.
    """

    name: str
    created: str
    mode: str
    n: int
    reference_n: int | None
    metrics: Mapping[str, MetricResult]
    networks: Mapping[str, Any] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, run: Run) -> Entry:
        """The entry of a run."""
        about, generated = run.about, run.generated
        warnings = dict.fromkeys(run.warnings)
        for result in generated.metrics.values():
            warnings |= dict.fromkeys(map(str, result.notes.get("warnings") or ()))
        counts = [result.notes.get("reference_n") for result in generated.metrics.values()]
        reference = run.sets.get(REFERENCE)
        reference_n = next((n for n in counts if is_whole(n)), None)
        return cls(
            run.name,
            str(about.get("created") or ""),
            run.mode,
            generated.clips,
            reference.clips if reference else reference_n,
            generated.metrics,
            dict(about.get("networks") or {}),
            dict(about.get("reading") or {}),
            tuple(warnings),
        )

    def to_json(self) -> dict[str, Any]:
        """The form of this module."""
        metrics = {
            name: {"value": r.value, "low": r.low, "high": r.high, "nulls": dict(r.nulls)}
            for name, r in self.metrics.items()
        }
        return {
            "name": self.name,
            "created": self.created,
            "mode": self.mode,
            "n": self.n,
            "reference_n": self.reference_n,
            "metrics": metrics,
            "networks": dict(self.networks),
            "reading": dict(self.reading),
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_json(cls, data: object) -> Entry:
        """The entry that `to_json` wrote; ValueError for anything else."""
        try:
            if not isinstance(data, dict):
                raise TypeError("An entry must be a JSON object.")
            name, created, mode = data["name"], data["created"], data["mode"]
            warnings = tuple(data["warnings"])
            if not all(isinstance(text, str) for text in (name, created, mode, *warnings)):
                raise TypeError("Names and warnings must be text.")
            n, reference_n = data["n"], data["reference_n"]
            if not is_whole(n) or not (reference_n is None or is_whole(reference_n)):
                raise TypeError("Numbers of clips must be whole numbers.")
            metrics = {str(k): _result(str(k), v, n) for k, v in data["metrics"].items()}
            networks, reading = dict(data["networks"]), dict(data["reading"])
            return cls(name, created, mode, n, reference_n, metrics, networks, reading, warnings)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise ValueError("An entry must have the form of Entry.to_json.") from error


def _result(name: str, data: Any, n: int) -> MetricResult:
    reason = {"reason": "It is not defined in this run."} if data["value"] is None else {}
    return MetricResult.from_json({"name": name, "n": n, "notes": reason, **data})


def read_leaderboard(path: Path) -> list[Entry]:
    """The entries of a leaderboard, in the order in which they came; none where there is no file.

    Raises:
        SavgError: the file is something else.
    """
    if not os.path.exists(path):
        return []
    data = read_json(path, most=MAX_BYTES)
    if not isinstance(data, list) or len(data) > MAX_ENTRIES:
        raise SavgError(f"{path} must hold a list of at most {MAX_ENTRIES} runs.")
    try:
        return [Entry.from_json(entry) for entry in data]
    except ValueError as error:
        raise SavgError(f"{path} is no leaderboard: {error}") from error


def append_run(path: Path, run: Run) -> list[Entry]:
    """Append a run to a leaderboard, whole or not at all; returns all entries.

    Raises:
        SavgError: the file is something else, cannot be written, or another writer does not end.
    """
    with _locked(path):
        entries = [*read_leaderboard(path), Entry.of(run)]
        with atomic_file(path) as part:
            text = json.dumps([e.to_json() for e in entries], indent=1, allow_nan=False)
            part.write_text(text + "\n", encoding="utf-8")
    return entries


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file beside `path`; the system lets go of it when its holder ends."""
    lock = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a")
    except OSError as error:
        raise SavgError(f"{path} could not be written: {error.strerror or error}.") from error
    with file:
        end = time.monotonic() + PATIENCE
        while not _takes(file):
            if time.monotonic() > end:
                raise SavgError(f"{path} is being written by another run; try again.")
            time.sleep(0.05)
        yield


def _takes(file: Any) -> bool:
    """Lock a file, until it is closed; whether nobody else has (where the system has no such locks,
    nobody)."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        pass
    except OSError:
        return False
    return True
