"""Reports of listening tests as the Results tab shows them: boards, figures, downloads."""

from __future__ import annotations

import json
import secrets
import threading
from pathlib import Path
from typing import Any

import gradio as gr
from cachetools import FIFOCache

from savg.errors import SavgError
from savg.paths import atomic_file
from savg.studio.results.components import board_value
from savg.studio.results.result_files import VARIABLE, Report, Reports
from savg.studio.shared.library import media_url
from savg.tables import write_csv
from savg.viz.documents import NOT_ENOUGH, Table, finite
from savg.viz.result_plots import intervals, ratings_against_score

SIMULATED = "SIMULATED LISTENERS: a rehearsal, not a result"

START = (
    "Reports of listening tests appear here when the operator names their folders: "
    f"python -m savg mos report STUDY, then {VARIABLE}=STUDY/report."
)

SHOWN = ("differences", "listeners", "reliability", "spatial")
"""Sections of a report below its figures: nothing of single listeners."""

MAX_REPORTS = 60
"""Reports with downloads on the disk."""

DOWNLOADS = {
    "Results JSON": "results.json",
    "Mean opinion scores CSV": "mos.csv",
    "Differences CSV": "differences.csv",
    "Clips CSV": "clips.csv",
}
"""Labels and files."""


class StudyResults:
    """Reports as components take them; `store`: a folder that browsers may read."""

    def __init__(self, reports: Reports, store: Path) -> None:
        self.reports = reports
        self.store = store
        self._files: FIFOCache[str, list[dict[str, str]]] = FIFOCache(MAX_REPORTS)
        self._lock = threading.Lock()

    def start(self) -> dict[str, Any]:
        """The board of listening tests before one is opened."""
        _, problems = self.reports.choices()
        lines = [] if self.reports else [START]
        return board_value("Listening tests", lines, [], notes=problems)

    def report(self, key: object, dark: bool) -> list[Any]:
        """Board, three figures and second board of a report."""
        hidden = gr.update(visible=False)
        if key is None:
            return [self.start(), hidden, hidden, hidden, None]
        try:
            report = self.reports.open(key)
            return [
                _head(report),
                *_figures(report, dark),
                _more(report, self._downloads(report)),
            ]
        except SavgError as error:
            board = board_value("Listening tests", [], [], notes=[str(error)])
            return [board, hidden, hidden, hidden, None]

    def _downloads(self, report: Report) -> list[dict[str, str]]:
        """Links to results without anything of single listeners."""
        state = json.dumps([report.data, report.clips], sort_keys=True)
        with self._lock:
            if state not in self._files:
                self._files[state] = self._write(report)
            return self._files[state]

    def _write(self, report: Report) -> list[dict[str, str]]:
        """Write the downloads of a report; their links."""
        folder = self.store / secrets.token_hex(16)
        folder.mkdir(parents=True)
        prefix = "simulated-" if report.simulated else ""
        public = {k: v for k, v in report.data.items() if k not in ("listeners", "flags")}
        with atomic_file(folder / f"{prefix}results.json") as part:
            text = json.dumps(public, indent=1, ensure_ascii=False, allow_nan=False)
            part.write_text(text, encoding="utf-8")
        for name, rows in _download_tables(report).items():
            if rows:
                write_csv(folder / f"{prefix}{name}.csv", rows)
        paths = {label: folder / f"{prefix}{name}" for label, name in DOWNLOADS.items()}
        return [
            {"label": label, "name": path.name, "url": media_url(path)}
            for label, path in paths.items()
            if path.is_file()
        ]


def _download_tables(report: Report) -> dict[str, list[dict[str, Any]]]:
    """The rows of each CSV file, by its name."""
    mark = {"simulated": True} if report.simulated else {}
    return {
        "mos": [
            {"condition": r["name"], "mos": _cell(r["mos"]["estimate"]),
             "low": _cell(r["mos"]["low"]), "high": _cell(r["mos"]["high"]),
             "ratings": r["ratings"], "clips": r["clips"], **mark}
            for r in report.data["conditions"]
        ],
        "differences": [
            {"first": r["first"], "second": r["second"],
             "difference": _cell(r["main"]["estimate"]), "low": _cell(r["main"]["low"]),
             "high": _cell(r["main"]["high"]), **mark}
            for r in report.data["differences"]
        ],
        "clips": [{**row, **mark} for row in report.clips],
    }  # fmt: skip


def _head(report: Report) -> dict[str, Any]:
    study, means = report.data["study"], report.section("means")
    labels = ", ".join(f"{i} {label}" for i, label in enumerate(study["labels"], 1))
    lines = [
        f"{study.get('question', '')} ({labels})",
        f"{report.data['flow']['analysed']} listeners analysed. Intervals: 95 %, Student's t of "
        "listeners' means.",
    ]
    table = _board_table(means.heading, means.tables[0])
    notes = [str(w) for w in report.data["warnings"] if not str(w).startswith("SIMULATED")]
    return board_value(
        f"Listening test {study['name']}",
        lines,
        [table],
        badge=SIMULATED if report.simulated else "",
        notes=notes,
    )


def _cell(value: object) -> object:
    """A statistic in a table: its number, or why there is none."""
    known = finite(value)
    return NOT_ENOUGH if known is None else known


def _board_table(caption: str, table: Table, how: str = "") -> dict[str, Any]:
    rows = [list(row) for row in table.rows]
    return {"caption": caption, "how": how, "head": list(table.head), "rows": rows}


def _figures(report: Report, dark: bool) -> list[Any]:
    """Updates of the three figures."""
    look: dict[str, Any] = {"dark": dark, "mark": "SIMULATED" if report.simulated else ""}
    plots = [_means(report, look), _differences(report, look)]
    updates = [gr.update(value=plot, visible=True) for plot in plots]
    points = [
        (c["condition"], c["clip"], c["spatial_av_align"], c["mean_rating"], c["ratings"])
        for c in report.clips
    ]
    if not points:
        return [*updates, gr.update(visible=False)]
    scale = (1, len(report.data["study"]["labels"]))
    plot = ratings_against_score(points, "Rating and metric, clip by clip", scale, **look)
    return [*updates, gr.update(value=plot, visible=True)]


def _means(report: Report, look: dict[str, Any]) -> Any:
    """Mean opinion scores; the scale's labels stand below where there is room."""
    labels = report.data["study"]["labels"]
    ticks = [(float(i), f"{i} {label}") for i, label in enumerate(labels, 1)]
    if sum(len(text) for _, text in ticks) >= 44:
        ticks = [(value, f"{value:g}") for value, _ in ticks]
    (means,) = report.section("means").figures
    title, reach = "Mean opinion scores, 95 % (these clips)", (0.7, len(labels) + 0.35)
    return intervals(means.rows, title, "rating", reach, ticks=ticks, **look)


def _differences(report: Report, look: dict[str, Any]) -> Any:
    (differences,) = report.section("differences").figures
    title = "Differences, 95 % (all clips)"
    reach = (1.08 * differences.low, 1.08 * differences.high)
    return intervals(differences.rows, title, "points of the scale", reach, zero=True, **look)


def _more(report: Report, downloads: list[dict[str, str]]) -> dict[str, Any]:
    """The second board: what stands below the figures."""
    present = {section.key for section in report.sections}
    sections = [report.section(key) for key in SHOWN if key in present]
    tables = [_board_table(s.heading, s.tables[0], " ".join(s.texts)) for s in sections]
    badge = SIMULATED if report.simulated else ""
    return board_value("", [], tables, badge=badge, downloads=downloads)
