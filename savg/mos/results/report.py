"""A report of a listening test: CSV tables, JSON, Markdown, and one HTML page with its figures.

Cells of a CSV that a spreadsheet would take for a formula get an apostrophe in front. The page loads
nothing and runs nothing; texts of listeners are escaped. What comes from simulated listeners says so:
in the names of the files, in a column of each table about listeners, in titles and on every figure.
"""

from __future__ import annotations

import csv
import html
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from savg import __version__
from savg.mos.results.analysis import Analysis, ClipScores, ConditionResult, analyse, clip_means
from savg.mos.results.statistics import Interval
from savg.mos.storage.store import Store
from savg.mos.study.scores import stored_scores
from savg.paths import whole_file

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
"""What a cell must not begin with."""


@dataclass(frozen=True)
class Table:
    """A table of a report."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A drawing as SVG, and what it shows."""

    svg: str
    caption: str


SIMULATED = "SIMULATED LISTENERS"

Block = str | Table | Figure
Section = tuple[str, Sequence[Block]]


def write_report(
    store: Store, name: str, folder: Path, scores: ClipScores | None = None, seed: int = 0
) -> Analysis:
    """Analyse a study and write report.html, report.md, report.json and the tables into `folder`;
    with scores of clips also clips.csv, each clip's mean rating beside its score.

    With simulated listeners the files are named simulated-report.html, …. The run is recorded in the
    store. SavgError if nobody has finished the study.
    """
    scores = stored_scores(store.study(name).levels) if scores is None else scores
    analysis = analyse(store, name, scores, seed)
    folder.mkdir(parents=True, exist_ok=True)
    write_tables(store, name, folder)
    result = analysis.to_dict()
    sections = sections_of(analysis)
    mark = SIMULATED if analysis.simulated else ""
    title = f"{mark}: listening test {name}" if mark else f"Listening test {name}"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    note = f"SAVG Studio {__version__}, {now}, data {analysis.data_sha256[:12]}"
    for file, text in (
        ("report.json", json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False)),
        ("report.md", as_markdown(title, note, sections)),
        ("report.html", as_html(title, note, sections, mark)),
    ):
        with whole_file(report_file(folder, file, analysis.simulated)) as part:
            part.write_text(text + "\n", encoding="utf-8")
    if scores:
        used = [row for row in store.ratings(name) if row.participant in analysis.listeners]
        write_csv(report_file(folder, "clips.csv", analysis.simulated), clip_means(used, scores))
    store.record_analysis(name, {"seed": seed}, result, analysis.data_sha256)
    return analysis


def report_file(folder: Path, name: str, simulated: bool) -> Path:
    """Where a report's file is, such as "report.html"; those of simulated listeners say so."""
    return folder / (f"simulated-{name}" if simulated else name)


def write_tables(store: Store, name: str, folder: Path) -> None:
    """ratings.csv, participants.csv, exclusions.csv and stimuli.csv: all that is stored.

    Names begin with simulated- if nobody real has rated yet, but simulated listeners have.
    """
    folder.mkdir(parents=True, exist_ok=True)
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


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Rows with one line of names; whole or not at all."""
    with whole_file(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        if rows:
            writer.writerow(rows[0].keys())
        writer.writerows([safe_cell(value) for value in row.values()] for row in rows)


def safe_cell(value: object) -> object:
    """Text that a spreadsheet would run, made harmless; numbers stay numbers, None is empty."""
    if value is None:
        return ""
    if isinstance(value, str) and any(v.startswith(FORMULA) for v in (value, value.lstrip())):
        return f"'{value}"
    return value


def sections_of(analysis: Analysis) -> list[Section]:
    """The report as sections of text, tables and figures."""
    study = analysis.study
    scale = ", ".join(f"{i} {label}" for i, label in enumerate(study.labels, 1))
    asked: list[Block] = [f"Question: {study.question}", f"Scale: {scale}."]
    asked.append(
        f"{study.trials} trials of {len(study.conditions)} conditions a listener, "
        f"{sum(a.trials for a in study.anchors)} of anchors, {study.repeats} repeats, "
        f"{study.catch} catch trials; {study.level.replace('_', ' ')} screening."
    )
    sections: list[Section] = [
        ("Note", [f"**{w}**" for w in analysis.warnings] or ["Nothing stands out."]),
        ("What was asked", asked),
        (
            "Listeners",
            [Table(("step", "listeners"), tuple((k, str(v)) for k, v in analysis.flow.items()))],
        ),
        ("Mean opinion scores", _means(analysis)),
        ("Differences", _differences(analysis)),
        ("Reliability", _reliability(analysis)),
    ]
    if analysis.plan:
        sections.append(("The next study", _next(analysis)))
    if analysis.spatial:
        sections.append(("Spatial AV-Align, clip by clip", _spatial(analysis)))
    sections.append(("Flags", _flags(analysis)))
    if analysis.levels.get("conditions"):
        sections.append(("Levels", _levels(analysis)))
    return sections


def _means(analysis: Analysis) -> list[Block]:
    named = ("condition", "MOS", "95 % (these clips)", "95 % (all clips)", "ratings", "clips")
    head = (*named, *map(str, analysis.study.scores))

    def rows(results: Iterable[ConditionResult]) -> tuple[tuple[str, ...], ...]:
        return tuple(
            (
                r.name,
                _number(r.mos.estimate),
                _range(r.mos),
                _range(r.two_way),
                str(r.ratings),
                str(r.clips),
                *map(str, r.scores),
            )
            for r in results
        )

    blocks: list[Block] = [
        f"{len(analysis.listeners)} listeners. *These clips*: Student's interval of the listeners' "
        "means, for other listeners and the same clips. *All clips*: other listeners and other clips. "
        "Then how often each score was given.",
        Table(head, rows(analysis.conditions)),
        Figure(
            figure([(r.name, r.mos) for r in analysis.conditions], *_scale(analysis)),
            "Mean opinion scores with 95 % intervals (these clips).",
        ),
    ]
    if analysis.without_flagged:
        blocks += ["Without flagged listeners:", Table(head, rows(analysis.without_flagged))]
    return blocks


def _scale(analysis: Analysis) -> tuple[float, float]:
    return 1.0, float(len(analysis.study.labels))


def _differences(analysis: Analysis) -> list[Block]:
    head = ("first", "second", "first − second", "95 %", "without flagged", "mixed model")
    rows = tuple(
        (
            d.first,
            d.second,
            _number(d.main.estimate),
            _range(d.main),
            _both(d.without_flagged),
            _both(d.mixed),
        )
        for d in analysis.differences
    )
    spread = [
        abs(v) for d in analysis.differences for v in (d.main.low, d.main.high) if v is not None
    ]
    widest = math.ceil(2 * max([*spread, 0.5])) / 2
    return [
        "Two-way bootstrap over listeners and clips: for other listeners and other clips. "
        f"{len(rows)} differences, not corrected for their number.",
        Table(head, rows),
        Figure(
            figure(
                [(f"{d.first} − {d.second}", d.main) for d in analysis.differences], -widest, widest
            ),
            "Differences with 95 % intervals.",
        ),
    ]


def _reliability(analysis: Analysis) -> list[Block]:
    again = analysis.repeats
    blocks: list[Block] = [
        f"Ordinal Krippendorff α between listeners: {_number(analysis.alpha)}.",
        f"{again.pairs} clips rated twice: {_percent(again.equal)} equal, "
        f"{_percent(again.within_one)} at most one point apart; standard deviation of a single "
        f"rating {_number(again.rating_sd)} points.",
    ]
    if (mixed := analysis.mixed) is not None:
        blocks.append(
            "Mixed model (REML; conditions fixed, listeners, listeners in conditions and clips "
            f"random): standard deviations {_number(mixed.listener_sd)} between listeners, "
            f"{_number(mixed.listener_condition_sd)} of their taste for a condition, "
            f"{_number(mixed.clip_sd)} between clips, {_number(mixed.noise_sd)} of single ratings."
        )
    return blocks


def _next(analysis: Analysis) -> list[Block]:
    plan = analysis.plan
    assert plan is not None
    rows = tuple(
        (
            f"{d:g}",
            _number(plan.power[d]),
            str(plan.needed[d]) if plan.needed[d] is not None else "over 1000",
        )
        for d in plan.power
    )
    head = ("difference", f"power with {plan.listeners} listeners", "listeners for a power of 0.8")
    return [
        "Paired t test at 5 %; listeners' differences between conditions have a standard deviation "
        f"of {_number(plan.sd)}.",
        Table(head, rows),
    ]


def _spatial(analysis: Analysis) -> list[Block]:
    rows = tuple(
        (
            name,
            str(c.clips),
            _number(c.spearman),
            f"{_number(c.low)} … {_number(c.high)}",
            _number(c.pearson),
        )
        for name, c in analysis.spatial.items()
    )
    return [
        "Mean rating of each clip against its share of sound events at a person; a clip has few "
        "ratings, which pulls correlations towards zero.",
        Table(("condition", "clips", "rank correlation", "95 %", "linear"), rows),
    ]


def _flags(analysis: Analysis) -> list[Block]:
    rows = tuple(
        (code, "yes" if code in analysis.listeners else "no", flag.rule, flag.found)
        for code, flags in analysis.flags.items()
        for flag in flags
    )
    said = "Rules were fixed before the test; flagged listeners stay in the main analysis."
    return [said, Table(("listener", "analysed", "rule", "found"), rows)] if rows else ["None."]


def _levels(analysis: Analysis) -> list[Block]:
    rows = tuple(
        (name, str(v["clips"]), f"{v['loudness_mean']:.1f}", f"{v['loudness_sd']:.1f}")
        for name, v in analysis.levels["conditions"].items()
    )
    return [
        f"One gain of {analysis.levels['gain_db']:.1f} dB for all clips; level differences between "
        "the channels changed by at most "
        f"{analysis.levels['level_difference_change_max_db']:.2f} dB in the transcoding.",
        Table(("condition", "clips", "mean LUFS", "standard deviation"), rows),
    ]


def figure(rows: Sequence[tuple[str, Interval]], low: float, high: float) -> str:
    """Estimates as dots with their intervals as lines, one under the other, as SVG."""
    left, width, step = 240, 420, 30
    tall = step * len(rows) + 40

    def x(value: float) -> float:
        return left + width * (min(max(value, low), high) - low) / (high - low)

    ticks = [low + (high - low) * i / 4 for i in range(5)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 30} {tall}" '
        'role="img" font-family="sans-serif" font-size="13">'
    ]
    for tick in ticks:
        parts.append(
            f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="8" y2="{tall - 28}" stroke="#ccc"/>'
            f'<text x="{x(tick):.1f}" y="{tall - 10}" text-anchor="middle">{_tick(tick)}</text>'
        )
    for i, (name, interval) in enumerate(rows):
        y = 22 + step * i
        parts.append(
            f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{html.escape(name)}</text>'
        )
        if interval.low is not None and interval.high is not None:
            parts.append(
                f'<line x1="{x(interval.low):.1f}" x2="{x(interval.high):.1f}" y1="{y}" y2="{y}" '
                'stroke="#1d4e89" stroke-width="3"/>'
            )
        parts.append(f'<circle cx="{x(interval.estimate):.1f}" cy="{y}" r="5" fill="#1d4e89"/>')
    return "".join([*parts, "</svg>"])


def as_markdown(title: str, note: str, sections: Sequence[Section]) -> str:
    """The report as Markdown; figures by their captions only, as the tables hold their numbers."""
    lines = [f"# {_plain(title)}", "", note]
    for heading, blocks in sections:
        lines += ["", f"## {_plain(heading)}"]
        for block in blocks:
            if isinstance(block, str):
                lines += ["", _plain(block)]
            elif isinstance(block, Table):
                lines += ["", "| " + " | ".join(map(_plain, block.head)) + " |"]
                lines += ["|" + "---|" * len(block.head)]
                lines += ["| " + " | ".join(map(_plain, row)) + " |" for row in block.rows]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text for a line of Markdown: no line breaks, no markup of its own."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "td,th{border-bottom:1px solid #ccc;padding:.25rem .75rem;text-align:left}"
    "figure{margin:1rem 0;max-width:45rem}figcaption{color:#555}"
)


_MARKED = (
    "body::before{{content:'{0}';position:fixed;top:40%;left:0;right:0;text-align:center;"
    "font:bold 8vw sans-serif;color:#c001;transform:rotate(-25deg);pointer-events:none;z-index:1}}"
    ".mark{{background:#a00;color:#fff;padding:.5rem 1rem;font-weight:bold;position:sticky;top:0}}"
    "figure::after{{content:'{0}';display:block;color:#a00;font-weight:bold}}"
)


def as_html(title: str, note: str, sections: Sequence[Section], mark: str = "") -> str:
    """The report as one page; `mark` (letters and spaces) stands across it and at every figure."""
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>{html.escape(title)}</title>"
        f"<style>{_STYLE}{_MARKED.format(mark) if mark else ''}</style>"
        + (f'<p class="mark">{mark}: no result of this page is real.</p>' if mark else "")
        + f"<h1>{html.escape(title)}</h1><p>{html.escape(note)}</p>"
    ]
    for heading, blocks in sections:
        parts.append(f"<h2>{html.escape(heading)}</h2>")
        for block in blocks:
            if isinstance(block, str):
                parts.append(f"<p>{_emphasis(html.escape(block))}</p>")
            elif isinstance(block, Figure):
                caption = html.escape(block.caption)
                parts.append(f"<figure>{block.svg}<figcaption>{caption}</figcaption></figure>")
            else:
                parts.append(_html_table(block))
    return "".join(parts) + "</html>"


def _html_table(table: Table) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in table.head)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in table.rows
    )
    return f"<table><tr>{head}</tr>{rows}</table>"


def _emphasis(text: str) -> str:
    """Pairs of ** and * as the Markdown has them."""
    for mark, tag in (("**", "strong"), ("*", "em")):
        pieces = text.split(mark)
        if len(pieces) % 2:
            text = "".join(
                f"<{tag}>{piece}</{tag}>" if i % 2 else piece for i, piece in enumerate(pieces)
            )
    return text


def _tick(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _number(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.2f}".replace("-", "−")


def _range(interval: Interval) -> str:
    if interval.low is None:
        return "–"
    return f"{_number(interval.low)} … {_number(interval.high)}"


def _both(interval: Interval | None) -> str:
    return "–" if interval is None else f"{_number(interval.estimate)} ({_range(interval)})"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"
