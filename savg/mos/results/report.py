"""The report of a listening test as files: CSV tables, JSON, Markdown, and one HTML page.

Results of simulated listeners are marked: in the names of the files, in a column of each table about
listeners, in titles and on every figure.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from savg import __version__
from savg.mos.results.analysis import Analysis, ClipScores, analyse, clip_means
from savg.mos.results.sections import sections_of
from savg.mos.storage.store import Store
from savg.mos.study.scores import stored_scores
from savg.paths import atomic_file
from savg.private_files import private_folder
from savg.tables import write_csv
from savg.viz.documents import as_html, as_markdown

SIMULATED = "SIMULATED LISTENERS"


def write_report(
    store: Store, name: str, folder: Path, scores: ClipScores | None = None, seed: int = 0
) -> Analysis:
    """Analyse a study and write report.html, report.md, report.json and the tables into `folder`.

    With simulated listeners the files are named simulated-report.html and so on. The run is recorded
    in the store.

    Args:
        scores: Spatial AV-Align by condition and clip, by default that stored with the study; with it
            clips.csv has each clip's mean rating beside its score.
        seed: of the bootstraps.

    Raises:
        SavgError: nobody has finished the study.
    """
    scores = stored_scores(store.study(name).levels) if scores is None else scores
    analysis = analyse(store, name, scores, seed)
    private_folder(folder)
    write_tables(store, name, folder)
    result = analysis.to_dict()
    sections = sections_of(result)
    mark = SIMULATED if analysis.simulated else ""
    title = f"{mark}: listening test {name}" if mark else f"Listening test {name}"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    note = f"SAVG Studio {__version__}, {now}, data {analysis.data_sha256[:12]}"
    for file, text in (
        ("report.json", json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False)),
        ("report.md", as_markdown(title, note, sections)),
        ("report.html", as_html(title, note, sections, mark)),
    ):
        with atomic_file(report_file(folder, file, analysis.simulated)) as part:
            part.write_text(text + "\n", encoding="utf-8")
    if scores:
        used = [row for row in store.ratings(name) if row.participant in analysis.listeners]
        write_csv(report_file(folder, "clips.csv", analysis.simulated), clip_means(used, scores))
    store.record_analysis(name, {"seed": seed}, result, analysis.data_sha256)
    return analysis


def report_file(folder: Path, name: str, simulated: bool) -> Path:
    """Path of a report's file such as "report.html", marked for simulated listeners."""
    return folder / (f"simulated-{name}" if simulated else name)


def write_tables(store: Store, name: str, folder: Path) -> None:
    """Write ratings.csv, participants.csv, exclusions.csv and stimuli.csv with all stored data.

    Names begin with simulated- if only simulated listeners have rated.
    """
    private_folder(folder)
    rows = [asdict(row) for row in store.ratings(name)]
    simulated = bool(rows) and all(row["simulated"] for row in rows)
    people = []
    for person in store.participants(name):
        values = asdict(person)
        for key in ("screening", "device", "answers"):
            values[key] = json.dumps(values[key], ensure_ascii=False)
        people.append(values)
    clips = [asdict(s) for s in store.study(name).stimuli]
    for file, table in (
        ("ratings.csv", rows),
        ("participants.csv", people),
        ("exclusions.csv", [asdict(row) for row in store.exclusions(name)]),
        ("stimuli.csv", clips),
    ):
        write_csv(report_file(folder, file, simulated), table)
