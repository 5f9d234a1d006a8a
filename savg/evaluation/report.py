"""Results as text: lines for a terminal, and a table in Markdown with a column for each set.

`savg.evaluation.report_files` writes whole reports of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from savg.evaluation.result_files import SetResult
from savg.evaluation.score import Evaluation
from savg.metrics.base import Metric, MetricResult, format_number
from savg.metrics.registry import METRICS, metric_class


def as_text(evaluation: Evaluation) -> str:
    """The results in aligned lines; metrics with chance baselines in blocks of their own."""
    blocks: list[list[tuple[str, str]]] = [[]]
    for result in evaluation.metrics.values():
        lines = [(label(result.name), text(result))]
        if result.nulls:
            lines += [(f"chance: {name}", format_number(v)) for name, v in result.nulls.items()]
            blocks.insert(-1, lines)
        else:
            blocks[-1] += lines
    blocks[0].insert(0, ("clips", str(evaluation.clips)))
    return "\n\n".join(aligned(lines) for lines in blocks if lines)


def notes_text(evaluation: Evaluation) -> str:
    """Warnings of the values, and why some are missing, a line each with its metrics; "" if none."""
    about: dict[str, list[str]] = {}
    for result in evaluation.metrics.values():
        reasons = [result.notes.get("reason")] if result.value is None else []
        for sentence in filter(None, [*reasons, *(result.notes.get("warnings") or ())]):
            about.setdefault(str(sentence), []).append(result.name)
    lines = [f"{', '.join(names)}: {sentence}" for sentence, names in about.items()]
    return "\n".join(["notes", *lines]) if lines else ""


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of equally many cells as lines, in columns of equal widths."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def beside(sets: Mapping[str, SetResult]) -> str:
    """The values of several sets in aligned columns, a line for each metric that several have.

    Sets without values have no column; "" where fewer than two sets are left.
    """
    sets = {key: one for key, one in sets.items() if one.metrics}
    if len(sets) < 2:
        return ""
    names = _in_order({key: one.metrics for key, one in sets.items()})
    rows = [["", *(one.label for one in sets.values())]]
    for name in names:
        results = [one.metrics.get(name) for one in sets.values()]
        if sum(result is not None for result in results) > 1:
            values = ("–" if r is None else format_number(r.value) for r in results)
            rows.append([label(name), *values])
    return aligned(rows)


def markdown_table(
    sets: Mapping[str, Mapping[str, MetricResult]],
    first: Iterable[Sequence[str]] = (),
    last: Iterable[Sequence[str]] = (),
) -> str:
    """Metrics and their chance baselines as rows, a column for each set of clips by its label.

    first, last: other rows, each a name and a cell for every set.
    """
    names = [name for name in _in_order(sets) if any(name in results for results in sets.values())]
    rows = [["measure", *sets], ["---"] * (len(sets) + 1), *first]
    for name in names:
        results = [metrics.get(name) for metrics in sets.values()]
        rows.append([f"**{label(name)}**", *("–" if r is None else text(r) for r in results)])
        for baseline in dict.fromkeys(k for r in results if r for k in r.nulls):
            cells = ["–" if r is None else _baseline(r, baseline) for r in results]
            rows.append([f"chance: {baseline}", *cells])
    return markdown_rows([*rows, *last])


def markdown_rows(rows: Iterable[Sequence[str]]) -> str:
    """Cells as rows of a Markdown table; bars within cells, as in |left − right|, do not end them."""
    escaped = ([cell.replace("|", r"\|") for cell in row] for row in rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)


def _in_order(sets: Mapping[str, Mapping[str, MetricResult]]) -> list[str]:
    """Names of metrics in the registry's order, then others."""
    return list(dict.fromkeys([*METRICS, *(name for results in sets.values() for name in results)]))


def _baseline(result: MetricResult, name: str) -> str:
    bounds = (result.notes.get("null_intervals") or {}).get(name)
    interval = f" ({format_number(bounds[0])}…{format_number(bounds[1])})" if bounds else ""
    return format_number(result.nulls.get(name)) + interval


def _class(name: str) -> type[Metric] | None:
    return metric_class(name) if name in METRICS else None


def label(name: str) -> str:
    """Label of a metric in tables; the name of one that is not registered."""
    metric = _class(name)
    return metric.label if metric else name.replace("_", " ")


def text(result: MetricResult) -> str:
    """A result in a cell."""
    metric = _class(result.name)
    return metric.text(result) if metric else Metric.text(result)
