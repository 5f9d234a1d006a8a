"""The figures of a run's HTML report: which there are, and the values that each shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from savg.evaluation.report import label as label_of
from savg.evaluation.report_values import ARROWS, figure, metric_of, metrics_of, row_decimals
from savg.evaluation.results_file import GENERATED, REFERENCE, Run
from savg.features.base import VIEWS
from savg.metrics.base import MetricResult
from savg.metrics.registry import METRICS
from savg.viz.documents import Estimate, finite
from savg.viz.svg_plots import Point, Series, extrapolation, intervals, points, shares

LEAST = 3
"""Clips below which nothing is drawn clip by clip."""

PLACES = ("sound_x", "pan", "person_x", "ild_db")
"""Columns that tell where a clip's sounds are, best first."""

SCORES = ("score", "temporal_av_align", "temporal_av_align_matched")
"""Columns that say how good a clip is."""

UNITS = {"db": "dB", "px": "px", "ms": "ms", "us": "µs", "deg": "°", "hz": "Hz", "s": "s"}
"""Ends of columns' names, and what they mean."""

COLUMNS = {
    "score": "Spatial AV-Align",
    "tp": "matched sound events",
    "fn": "unmatched sound events",
    "sound_x": "sound position (px)",
    "person_x": "person position (px)",
    "tp / (tp + fn)": "Spatial AV-Align, pooled",
}
"""Columns that need other words than their names."""


@dataclass(frozen=True)
class Figure:
    """A figure with its heading and what it shows in a sentence."""

    title: str
    svg: str
    caption: str = ""


@dataclass(frozen=True)
class Group:
    """Figures under a heading."""

    title: str
    about: str
    figures: tuple[Figure, ...]


def figures_of(run: Run) -> list[Group]:
    """All figures that the run has values for."""
    groups = [
        Group(
            "Values with 95 % intervals and chance baselines",
            "One figure a metric, one line a set; short strokes are chance baselines.",
            tuple(_forests(run)),
        ),
        Group(
            "Clip by clip",
            "One dot a clip of the generated set; point at one to read its name.",
            tuple(_scatters(run)),
        ),
        Group(
            "Distributions over clips",
            "Generated clips (filled, first colour) and reference clips (dashed), where both are "
            "known.",
            tuple(_histograms(run)),
        ),
        Group("By position and class", "", tuple(_parts(run))),
        Group(
            "Distances by channel",
            "Left and right channel, their mean (mid) and half their difference (side), each heard "
            "alone. Swapped channels show in left and right: mid stays as it is, and of side only the "
            "sign changes, which networks of magnitudes do not hear. Side shows lost or added width.",
            tuple(_views(run)),
        ),
        Group(
            "Distances and the number of clips",
            "Dots are distances of fewer clips; the line ends at the value for infinitely many.",
            tuple(_extrapolations(run)),
        ),
    ]
    return [group for group in groups if group.figures]


def _title(name: str) -> str:
    metric = metric_of(name)
    arrow = ARROWS[metric.higher_is_better] if metric else ""
    return f"{label_of(name)} {arrow}".strip()


def _forests(run: Run) -> Iterator[Figure]:
    for name in metrics_of(run):
        present = {k: s.metrics[name] for k, s in run.sets.items() if name in s.metrics}
        if all(result.value is None for result in present.values()):
            continue
        order = sorted(present, key=lambda key: key != GENERATED)
        rows = [_estimate(run.sets[key].label, present[key]) for key in order]
        places = row_decimals(present.values())
        texts = [figure(present[key].value, places) for key in order]
        metric = metric_of(name)
        yield Figure(
            _title(name), intervals(rows, (metric.unit if metric else "") or "value", texts)
        )


def _estimate(label: str, result: MetricResult) -> Estimate:
    nulls = [(str(k).replace("_", " "), v) for k, v in result.nulls.items() if v is not None]
    return Estimate(label, result.value, result.low, result.high, tuple(nulls))


def _scatters(run: Run) -> Iterator[Figure]:
    columns = columns_of(run.each)
    place = next((c for c in PLACES if c in columns), None)
    pairs = [(place, score) for score in SCORES if place and score in columns]
    pairs += [(place, c) for c in PLACES[1:] if place and c in columns and c != place]
    for x, y in pairs[:4]:
        assert x is not None
        both = [
            Point(str(row["clip"]), a, b)
            for row in run.each
            if (a := finite(row.get(x))) is not None and (b := finite(row.get(y))) is not None
        ]
        if len(both) >= LEAST:
            title = f"{in_words(y)} against {in_words(x)}"
            yield Figure(title, points(both, in_words(x), in_words(y)))


def _histograms(run: Run) -> Iterator[Figure]:
    others = run.each_by_set.get(REFERENCE, ())
    label = run.sets[REFERENCE].label if REFERENCE in run.sets else REFERENCE
    for column in columns_of(run.each):
        generated = _values(run.each, column)
        series = [Series(run.generated.label, generated)]
        reference = _values(others, column)
        if len(reference) >= LEAST:
            series.append(Series(label, reference))
        if len(generated) >= LEAST and len({*generated, *reference}) > 2:
            counts = ", ".join(f"{one.name}: {len(one.values)}" for one in series)
            yield Figure(in_words(column), shares(series, in_words(column)), f"Clips: {counts}.")


def columns_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Columns with at least `LEAST` numbers, in the order of their first row."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if len(_values(rows, name)) >= LEAST]


def _values(rows: Sequence[Mapping[str, Any]], column: str) -> list[float]:
    return [v for row in rows if (v := finite(row.get(column))) is not None]


def in_words(column: str) -> str:
    """A column's name for people, its unit in brackets."""
    if column in COLUMNS:
        return COLUMNS[column]
    if column in METRICS:
        return label_of(column)
    words, _, end = column.rpartition("_")
    if words and end in UNITS:
        return f"{words.replace('_', ' ')} ({UNITS[end]})"
    return column.replace("_", " ")


def _parts(run: Run) -> Iterator[Figure]:
    """Figures of results that are told by position or by class."""
    drawn = []
    for name, result in run.generated.metrics.items():
        for key, what in (("by_position", "by position"), ("by_class", "by class")):
            rows = list(_estimates(result.notes.get(key)))
            if rows and rows not in drawn:  # variants of a metric are often equal
                drawn.append(rows)
                texts = [f"n {n}" if n is not None else "" for _, n in rows]
                svg = intervals([row for row, _ in rows], label_of(name), texts, False)
                yield Figure(f"{label_of(name)} {what}", svg)


def _estimates(rows: object) -> Iterator[tuple[Estimate, int | None]]:
    """Rows {"label", "value", "low", "high", "n"} of a result's notes."""
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, Mapping) and "label" in row:
            n = row.get("n")
            value, low, high = (finite(row.get(key)) for key in ("value", "low", "high"))
            yield Estimate(str(row["label"]), value, low, high), n if isinstance(n, int) else None


def _views(run: Run) -> Iterator[Figure]:
    for name, result in run.generated.metrics.items():
        views = result.notes.get("views")
        if not isinstance(views, Mapping):
            continue
        order = [*(v for v in VIEWS if v in views), *(v for v in views if v not in VIEWS)]
        rows = [
            row
            for view in order
            for row, _ in _estimates([{"label": view, **_mapping(views[view])}])
        ]
        if any(row.value is not None for row in rows):
            yield Figure(_title(name), intervals(rows, label_of(name), (), False))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {"value": value}


def _extrapolations(run: Run) -> Iterator[Figure]:
    for name, result in run.generated.metrics.items():
        fit = result.notes.get("infinite")
        if not isinstance(fit, Mapping) or not isinstance(fit.get("points"), list):
            continue
        limit = finite(fit.get("value"))
        pairs = [p for p in fit["points"] if isinstance(p, list | tuple) and len(p) == 2]
        values = [
            (n, v)
            for a, b in pairs
            if (n := finite(a)) is not None and (v := finite(b)) is not None
        ]
        if limit is not None and values:
            svg = extrapolation(values, limit, finite(fit.get("slope")), label_of(name))
            yield Figure(_title(name), svg, f"Extrapolated: {limit:.4g}.")
