"""A run's report as one HTML page: no scripts, nothing from elsewhere, light or dark as the reader's
system is. All texts are escaped; images are inside the page."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from savg.evaluation.published import PublishedTable, published, shown
from savg.evaluation.report_markdown import NEAREST, distance, image_name
from savg.evaluation.report_plots import Group, figures_of
from savg.evaluation.report_text import how_to_read
from savg.evaluation.report_values import ARROWS, NOTHING, Cell, Content
from savg.evaluation.results_file import Run
from savg.viz.svg_plots import STYLE

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

MAX_IMAGE_BYTES = 500_000


def as_html(run: Run, content: Content, folder: Path) -> str:
    """The page; folder: where the images of nearest clips lie."""
    groups = figures_of(run)
    sections = [
        ("results", "Results", _results(content)),
        *((f"figures-{i}", group.title, _group(group)) for i, group in enumerate(groups, 1)),
        ("origin", "Where each number comes from", _origins(content)),
        ("nearest", "Nearest training clips", _nearest(run, folder)),
        ("failed", "Clips that could not be evaluated", _failed(run)),
        ("left-out", "Metrics that were not computed", _left_out(content)),
        ("reading", "How to read this", _reading(run, content)),
        ("published", "Published numbers", _published()),
    ]
    present = [(key, title, body) for key, title, body in sections if body]
    style = files("savg.evaluation").joinpath("report.css").read_text(encoding="utf-8")
    links = " ".join(f'<a href="#{key}">{_t(title)}</a>' for key, title, _ in present)
    body = "".join(
        f'<section id="{key}"><h2>{_t(title)}</h2>{inside}</section>'
        for key, title, inside in present
    )
    warnings = "".join(f'<p class="warning">{_t(w)}</p>' for w in run.warnings)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="color-scheme" content="light dark"><title>{_t(content.title)}</title>'
        f"<style>{style}{STYLE}</style></head><body><main><header><h1>{_t(content.title)}</h1>"
        f"{_facts(content)}{warnings}</header><nav>{links}</nav>{body}</main></body></html>\n"
    )


def _t(text: object) -> str:
    return html.escape(str(text))


def _facts(content: Content) -> str:
    pairs = "".join(f"<dt>{_t(title)}</dt><dd>{_t(text)}</dd>" for title, text in content.facts)
    return f'<dl class="facts">{pairs}</dl>'


def _scroll(table: str, label: str) -> str:
    """A table that scrolls by itself on a narrow page, also by keyboard."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{_t(label)}">{table}</div>'


def _table(label: str, head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table of texts that are HTML already."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest) + "</tr>"
        for first, *rest in rows
    )
    table = f'<table class="{kind}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
    return _scroll(table, label)


def _results(content: Content) -> str:
    heads = "".join(
        f'<th scope="col">{_t(label)}<small>{clips} clips</small></th>'
        for label, clips in content.columns.values()
    )
    body = []
    for group in dict.fromkeys(row.group for row in content.rows):
        span = len(content.columns) + 1
        body.append(
            f'<tr class="group"><th scope="colgroup" colspan="{span}">{_t(group)}</th></tr>'
        )
        for row in (r for r in content.rows if r.group == group):
            cells = "".join(f"<td>{_cell(row.cells.get(key))}</td>" for key in content.columns)
            unit = f"<small>{_t(row.unit)}</small>" if row.unit else ""
            arrow = _arrow(row.arrow)
            name = f'<th scope="row" title="{_t(row.about)}">{_t(row.label)} {arrow}{unit}</th>'
            body.append(f"<tr>{name}{cells}</tr>")
    table = (
        f'<table class="results"><thead><tr><th scope="col">metric</th>{heads}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )
    notes = "".join(f'<li id="note-{i}">{_t(note)}</li>' for i, note in enumerate(content.notes, 1))
    key = (
        '<p class="hint">↑ higher is better, ↓ lower is better; below each value its 95 % interval, '
        "the number of clips n, and chance baselines.</p>"
    )
    return key + _scroll(table, "Results") + (f'<ol class="notes">{notes}</ol>' if notes else "")


def _arrow(arrow: str) -> str:
    words = {"↑": "higher is better", "↓": "lower is better"}
    return f'<span title="{words[arrow]}">{arrow}</span>' if arrow else ""


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return NOTHING
    notes = "".join(f'<sup><a href="#note-{n}">{n}</a></sup>' for n in cell.notes)
    lines = [f"<b>{_t(cell.value)}</b>{notes}"]
    lines.append(f"<small>{_t(cell.interval)}{' · ' if cell.interval else ''}n {cell.n}</small>")
    lines += [f'<small class="null">{_t(name)} {_t(value)}</small>' for name, value in cell.nulls]
    return "".join(lines)


def _group(group: Group) -> str:
    figures = "".join(
        f"<figure><h3>{_t(figure.title)}</h3>{figure.svg}"
        + (f"<figcaption>{_t(figure.caption)}</figcaption>" if figure.caption else "")
        + "</figure>"
        for figure in group.figures
    )
    about = f'<p class="hint">{_t(group.about)}</p>' if group.about else ""
    return f'{about}<div class="figures">{figures}</div>'


def _origins(content: Content) -> str:
    rows = [
        [_t(o.label), _t(o.mode), _t(o.networks), _t(o.n), f"<small>{_t(o.facts)}</small>"]
        for o in content.origins
    ]
    origins = _table("Origins", ("metric", "mode", "networks", "n", "counts and facts"), rows)
    networks = [
        [_t(n.name), _t(n.backbone), f"<code>{_t(n.sha256)}</code>", _t(n.input), _t(n.precision)]
        for n in content.networks
    ]
    head = ("network", "backbone", "SHA-256 of its weights", "input", "precision")
    return origins + (_table("Networks", head, networks, "wide") if networks else "")


def _nearest(run: Run, folder: Path) -> str:
    if not run.nearest:
        return ""
    figures: list[str] = []
    for row in run.nearest[:NEAREST]:
        mirrored = " (its mirror image)" if row.get("mirrored") else ""
        near = f"{row.get('reference', NOTHING)}{mirrored}"
        image = _image(row.get("image"), folder)
        if not image and figures:
            break
        caption = (
            f"<b>{_t(row['clip'])}</b> over <b>{_t(near)}</b>, distance {_t(distance(row))} of 255"
        )
        figures.append(f'<figure class="strip">{image}<figcaption>{caption}</figcaption></figure>')
    about = (
        f'<p class="hint">The {len(figures)} generated clips that are nearest to a reference clip, of '
        f"{len(run.nearest)}. Frames of the generated clip stand over those of the reference clip.</p>"
    )
    return f'{about}<div class="figures">{"".join(figures)}</div>'


def _image(value: object, folder: Path) -> str:
    """An image beside the report as part of the page; empty where it is not there."""
    name = image_name(value)
    path = folder / name if name else None
    if (
        path is None
        or not path.is_file()
        or path.is_symlink()
        or path.stat().st_size > MAX_IMAGE_BYTES
    ):
        return ""
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="Frames of both clips" src="data:image/jpeg;base64,{data}">'


def _failed(run: Run) -> str:
    rows = [[_t(r["clip"]), _t(r.get("set", "")), _t(r.get("reason", ""))] for r in run.failed]
    return _table("Failed clips", ("clip", "set", "reason"), rows, "wide") if rows else ""


def _left_out(content: Content) -> str:
    rows = [[_t(label), _t(reason)] for label, reason in content.left_out]
    return _table("Metrics that were not computed", ("metric", "why"), rows, "wide") if rows else ""


def _reading(run: Run, content: Content) -> str:
    paragraphs = "".join(f"<p>{_t(text)}</p>" for text in how_to_read(content, bool(run.nearest)))
    meanings = "".join(
        f"<dt>{_t(row.label)}</dt><dd>{_t(row.about)}</dd>" for row in content.rows if row.about
    )
    return f'<div class="text">{paragraphs}</div><dl class="meanings">{meanings}</dl>'


def _published() -> str:
    tables = "".join(_published_table(table) for table in published().tables)
    return f'<p class="hint">{_t(published().note)}</p>{tables}'


def _published_table(table: PublishedTable) -> str:
    head = [
        "method",
        *(f"{_t(c)} {_arrow(ARROWS[table.higher_is_better[c]])}" for c in table.columns),
    ]
    rows = [[_t(r.name), *(_t(shown(r.values[c])) for c in table.columns)] for r in table.rows]
    inside = _table(table.title, head, rows) if rows else ""
    return f"<h3>{_t(table.title)}</h3>{inside}<ul>{''.join(_notes(table))}</ul>"


def _notes(table: PublishedTable) -> Iterator[str]:
    for note in (f"Source: {table.source}.", *table.notes):
        yield f"<li>{_t(note)}</li>"
