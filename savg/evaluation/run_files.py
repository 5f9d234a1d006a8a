"""A run as files: results.json, tables of clips and of frames, and reports."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from savg import __version__
from savg.errors import SavgError
from savg.evaluation.nearest import FOLDER as NEAREST
from savg.evaluation.nearest import ReadClip, nearest_strips
from savg.evaluation.outcome import STANDARD, Outcome
from savg.evaluation.result_files import machine
from savg.evaluation.results_file import GENERATED, RESULTS_JSON, Run
from savg.paths import atomic_file
from savg.tables import write_csv

CLIPS_CSV, FRAMES_CSV = "clips.csv", "frames.csv"


def about(name: str, generated: object, **facts: Any) -> dict[str, Any]:
    """What a run says of itself: name, sets, mode, time, version, command, machine, and `facts`."""
    return {
        "name": name,
        "generated": str(generated),
        "reference": None,
        "mode": STANDARD,
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "version": __version__,
        "command": shlex.join(["python", "-m", "savg", *sys.argv[1:]]),
        "seed": 0,
        "reading": {},
        "networks": {},
        "setting": machine(),
        **facts,
    }


def run_of(outcome: Outcome, facts: Mapping[str, Any], warnings: Sequence[str] = ()) -> Run:
    """The run of an outcome.

    facts: of `about`, to which the networks of the outcome are added, and by metric its columns.
    """
    columns = {name: list(cells) for name, cells in outcome.sets[GENERATED].columns.items()}
    rows = {
        key: tuple(row for row in evaluation.rows if "error" not in row)
        for key, evaluation in outcome.sets.items()
    }
    return Run(
        {**facts, "networks": outcome.networks, "columns": columns},
        outcome.results(),
        rows.pop(GENERATED),
        rows,
        (),
        tuple(outcome.failed),
        tuple(warnings),
    )


def write_run(
    folder: Path, run: Run, outcome: Outcome, read: ReadClip | None = None
) -> tuple[Run, list[Path]]:
    """Write a run into a folder, each file whole or not at all, results.json last.

    The results.json of an earlier run goes first, so that one beside other tables is never left.

    Args:
        folder: made where it is not there; files of an earlier run are replaced or removed.
        run: of `run_of`.
        outcome: of `evaluate_sets`.
        read: reads the clips that are shown beside their nearest ones.

    Returns:
        The run with the nearest clips, and the paths of all files.

    Raises:
        SavgError: the folder cannot be written to.
    """
    from savg.evaluation.report_files import write_reports

    _remove([folder / RESULTS_JSON])
    if outcome.thumbnails and outcome.reference is not None:
        nearest = nearest_strips(outcome.thumbnails, outcome.reference, read, folder)
        run = replace(run, nearest=tuple(nearest))
    paths = [folder / CLIPS_CSV]
    write_csv(paths[0], outcome.sets[GENERATED].rows)
    if outcome.frames is not None:
        paths.append(folder / FRAMES_CSV)
        outcome.frames.write_csv(paths[-1])
    else:
        _remove([folder / FRAMES_CSV])
    paths += write_reports(folder, run)
    paths.append(folder / RESULTS_JSON)
    with atomic_file(paths[-1]) as part:
        text = json.dumps(run.to_json(), indent=1, allow_nan=False)
        part.write_text(text + "\n", encoding="utf-8")
    shown = {row["image"] for row in run.nearest}
    images = (folder / NEAREST).glob("[0-9][0-9].jpg")
    _remove(path for path in images if f"{NEAREST}/{path.name}" not in shown)
    return run, paths


def _remove(paths: Iterable[Path]) -> None:
    """Remove files of an earlier run where they are there; SavgError where that is not possible."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise SavgError(f"{path} could not be removed: {error.strerror or error}.") from error
