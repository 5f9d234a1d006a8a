"""What the Results tab shows of the files that `measured` reads: boards, figures, downloads."""

from __future__ import annotations

import json
import secrets
import threading
from pathlib import Path
from typing import Any

import gradio as gr

from savg.errors import SavgError
from savg.paths import whole_file
from savg.studio.results.components import board_value
from savg.studio.results.result_files import (
    NULLS,
    VARIABLE,
    Benchmark,
    Report,
    Reports,
    benchmarks,
    published,
)
from savg.studio.shared.library import media_url
from savg.tables import write_csv
from savg.viz.documents import NOT_ENOUGH, Estimate, Table, finite, interval, number
from savg.viz.result_plots import against, intervals

SIMULATED = "SIMULATED LISTENERS: a rehearsal, not a result"

ABOUT = (
    "Spatial AV-Align is the share of sound events that have a person at their place. Sounds in the "
    "middle of the picture are easily matched, so each score stands beside its null scores: the same "
    "boxes with every sound in the centre, with left and right swapped, with the sounds of other clips."
)

START = (
    "Reports of listening tests appear here when the operator names their folders: "
    f"python -m savg mos report STUDY, then {VARIABLE}=STUDY/report."
)

SHOWN = ("differences", "listeners", "reliability", "spatial")
"""Sections of a report below its figures: nothing of single listeners."""

KEPT = 60
"""Reports with downloads on the disk."""


class Findings:
    """Benchmarks and reports as components take them; `store`: a folder that browsers may read."""

    def __init__(self, reports: Reports, store: Path) -> None:
        self.reports = reports
        self.store = store
        self._files: dict[str, list[dict[str, str]]] = {}
        self._lock = threading.Lock()

    def methods(self) -> dict[str, Any]:
        """The board of benchmark scores and the published table."""
        found = [b for b in benchmarks() if b.measures]
        tables = [_scores(benchmark) for benchmark in found]
        if known := published():
            head = ["method", *map(str, known.get("columns", []))]
            rows = [[name, *(f"{v:.2f}" for v in row)] for name, row in known["rows"].items()]
            how = ". ".join(str(known.get(k, "")) for k in ("source", "note") if known.get(k))
            tables.append({"caption": "Published", "how": how, "head": head, "rows": rows})
        lines = [ABOUT] if tables else ["This installation has no results of benchmarks."]
        return board_value("Where picture and sound agree", lines, tables)

    def figure(self, dark: bool) -> Any:
        """Scores with intervals and null scores."""
        found = [b for b in benchmarks() if b.measures]
        rows = [
            Estimate(
                m.label if len(found) == 1 else f"{m.label} ({b.title})",
                m.score,
                m.low,
                m.high,
                tuple((f"null: {NULLS.get(k, k)}", v) for k, v in m.nulls.items()),
            )
            for b in found
            for m in b.measures
        ]
        if not rows:
            return gr.update(visible=False)
        title = "Spatial AV-Align with 95 % intervals"
        plot = intervals(rows, title, "share of sound events matched", (-0.02, 1.03), dark=dark)
        return gr.update(value=plot, visible=True)

    def tables(self) -> list[tuple[str, str]]:
        """(title, name) of every benchmark."""
        return [(b.title, b.name) for b in benchmarks()]

    def document(self, name: object) -> str:
        """A benchmark's whole table with its command."""
        found = next((b for b in benchmarks() if b.name == name), None)
        if found is None:
            return "This table is not there any more."
        made = [] if found.command in found.markdown else [f"`{found.command}`"]
        made += [found.hardware] if found.hardware and found.hardware not in found.markdown else []
        return "\n\n".join([found.markdown.strip(), *made])

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
                while len(self._files) >= KEPT:
                    self._files.pop(next(iter(self._files)))
                self._files[state] = self._written(report)
            return self._files[state]

    def _written(self, report: Report) -> list[dict[str, str]]:
        folder = self.store / secrets.token_hex(16)
        folder.mkdir(parents=True)
        kept = {k: v for k, v in report.data.items() if k not in ("listeners", "flags")}
        mark = {"simulated": True} if report.simulated else {}
        tables: dict[str, list[dict[str, Any]]] = {
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
        prefix = "simulated-" if report.simulated else ""
        found = []
        with whole_file(folder / f"{prefix}results.json") as part:
            text = json.dumps(kept, indent=1, ensure_ascii=False, allow_nan=False)
            part.write_text(text, encoding="utf-8")
        for name, rows in tables.items():
            if rows:
                write_csv(folder / f"{prefix}{name}.csv", rows)
        for label, name in (
            ("Results JSON", "results.json"),
            ("Mean opinion scores CSV", "mos.csv"),
            ("Differences CSV", "differences.csv"),
            ("Clips CSV", "clips.csv"),
        ):
            path = folder / f"{prefix}{name}"
            if path.is_file():
                found.append({"label": label, "name": path.name, "url": media_url(path)})
        return found


def _scores(benchmark: Benchmark) -> dict[str, Any]:
    names = list(dict.fromkeys(k for m in benchmark.measures for k in m.nulls))
    head = ["clips of", "Spatial AV-Align", "95 %", *(f"null: {NULLS.get(n, n)}" for n in names)]
    rows = [
        [
            m.label,
            f"{m.score:.3f}",
            interval(m.low, m.high, 3),
            *(number(m.nulls.get(n), 3) for n in names),
            str(m.clips),
            f"{m.tp} / {m.fn}",
        ]
        for m in benchmark.measures
    ]
    how = "Made by " + ", ".join(filter(None, (benchmark.command, benchmark.hardware)))
    head += ["number of clips", "TP / FN"]
    return {"caption": benchmark.title, "how": how, "head": head, "rows": rows}


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
    data = report.data
    most = len(data["study"]["labels"])
    mark = "SIMULATED" if report.simulated else ""
    labels = [(float(i), f"{i} {label}") for i, label in enumerate(data["study"]["labels"], 1)]
    ticks = (
        labels if sum(len(text) for _, text in labels) < 44 else [(v, f"{v:g}") for v, _ in labels]
    )
    (means,) = report.section("means").figures
    (apart,) = report.section("differences").figures
    look: dict[str, Any] = {"dark": dark, "mark": mark}
    over = "Mean opinion scores, 95 % (these clips)"
    made = [intervals(means.rows, over, "rating", (0.7, most + 0.35), ticks=ticks, **look)]
    over, reach = "Differences, 95 % (all clips)", (1.08 * apart.low, 1.08 * apart.high)
    made.append(intervals(apart.rows, over, "points of the scale", reach, zero=True, **look))
    found = [gr.update(value=plot, visible=True) for plot in made]
    points = [
        (c["condition"], c["clip"], c["spatial_av_align"], c["mean_rating"], c["ratings"])
        for c in report.clips
    ]
    if not points:
        return [*found, gr.update(visible=False)]
    plot = against(points, "Rating and metric, clip by clip", (1, most), dark=dark, mark=mark)
    return [*found, gr.update(value=plot, visible=True)]


def _more(report: Report, downloads: list[dict[str, str]]) -> dict[str, Any]:
    present = {section.key for section in report.sections}
    sections = [report.section(key) for key in SHOWN if key in present]
    tables = [_board_table(s.heading, s.tables[0], " ".join(s.texts)) for s in sections]
    badge = SIMULATED if report.simulated else ""
    return board_value("", [], tables, badge=badge, downloads=downloads)
