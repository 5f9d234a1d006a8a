"""What reports of a run say, as values: a row for each metric, notes, where each number comes from.

Markdown, LaTeX and HTML are made of these, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from savg.evaluation.report import label as label_of
from savg.evaluation.results_file import GENERATED, Run
from savg.metrics.base import Metric, MetricResult, Need
from savg.metrics.registry import METRICS, metric_class

NOTHING = "–"
"""Where there is no value."""

ARROWS = {True: "↑", False: "↓", None: ""}
"""Which way is better."""

ACROSS_MODES = (
    "Nothing is compared across modes: numbers of the modes standard and official come of other "
    "pieces of the clips and other settings of the networks."
)


@dataclass(frozen=True)
class Cell:
    """A number as text: value, 95 % interval, n, nulls by name, and the numbers of its notes."""

    value: str
    interval: str = ""
    n: int = 0
    nulls: tuple[tuple[str, str], ...] = ()
    notes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Row:
    """A metric over all sets of a run; cells by set, missing where it was not computed."""

    name: str
    label: str
    unit: str
    arrow: str
    group: str
    about: str
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class Origin:
    """Where a number comes from: for a metric its mode, networks, clips, counts and other facts."""

    label: str
    mode: str
    networks: str
    n: str
    facts: str


@dataclass(frozen=True)
class Network:
    """A network behind numbers, in words."""

    name: str
    backbone: str
    sha256: str
    input: str
    precision: str


@dataclass(frozen=True)
class Content:
    """Everything that a report's tables say. columns: label and number of clips by set; notes:
    sentences, numbered from 1; left_out: label and reason of metrics that were not computed."""

    title: str
    columns: Mapping[str, tuple[str, int]]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    origins: tuple[Origin, ...]
    networks: tuple[Network, ...]
    facts: tuple[tuple[str, str], ...]
    left_out: tuple[tuple[str, str], ...] = ()


def content_of(run: Run) -> Content:
    """The content of a run's reports."""
    keys = [GENERATED, *(key for key in run.sets if key != GENERATED)]
    columns = {key: (run.sets[key].label, run.sets[key].clips) for key in keys}
    notes: dict[str, int] = {}
    rows = tuple(_row(name, run, keys, notes) for name in metrics_of(run))
    return Content(
        run.name,
        columns,
        rows,
        tuple(notes),
        tuple(_origin(name, run) for name in metrics_of(run)),
        tuple(_networks(run)),
        tuple(_facts(run)),
        tuple(_left_out(run)),
    )


def metrics_of(run: Run) -> list[str]:
    """Names of the run's metrics in the registry's order, then others."""
    present = dict.fromkeys(name for result in run.sets.values() for name in result.metrics)
    return [*(n for n in METRICS if n in present), *(n for n in present if n not in METRICS)]


def metric_of(name: str) -> type[Metric] | None:
    """The class of a registered metric, None for others."""
    return metric_class(name) if name in METRICS else None


def _left_out(run: Run) -> Iterator[tuple[str, str]]:
    reasons = run.about.get("left_out")
    for name, reason in reasons.items() if isinstance(reasons, Mapping) else ():
        yield label_of(str(name)), str(reason)


AGREEMENT = ("temporal_", "desync", "ib-", "pan_person", "pan_motion")
"""Beginnings of the names of metrics that hold audio against video without both detectors."""


def group_of(metric: type[Metric] | None) -> str:
    """What a metric compares, as a heading."""
    if metric is None:
        return "Other"
    if Need.TRUTH in metric.needs:
        return "Detectors against ground truth"
    if Need.PAIRS in metric.needs:
        return "Each clip against the reference clip of its name"
    if Need.REFERENCE in metric.needs:
        return "The set against the reference set"
    if {Need.PERSONS, Need.SOUNDS} <= metric.needs or metric.name.startswith(AGREEMENT):
        return "Audio against video of the same clip"
    return "Properties of the clips"


def _row(name: str, run: Run, keys: list[str], notes: dict[str, int]) -> Row:
    metric = metric_of(name)
    better = metric.higher_is_better if metric else None
    results = {k: run.sets[k].metrics[name] for k in keys if name in run.sets[k].metrics}
    places = row_decimals(results.values())
    cells = {key: cell_of(result, notes, places) for key, result in results.items()}
    about = (metric.__doc__ or "").strip().partition("\n")[0] if metric else ""
    unit = metric.unit if metric else ""
    return Row(
        name, label_of(name), unit, ARROWS[better], group_of(metric), _unsourced(about), cells
    )


def _unsourced(text: str) -> str:
    """A docstring's line without its marks of sources."""
    for mark in (" [S1, S2]", " [S1]", " [S2]", " [S3]", " [code]"):
        text = text.replace(mark, "")
    return text


def cell_of(
    result: MetricResult, notes: dict[str, int] | None = None, places: int | None = None
) -> Cell:
    """A result as text; its warnings, or the reason for a missing value, are added to `notes`.

    places: decimals (default: those that suit it).
    """
    sentences = warnings_of(result)
    if result.value is None:
        sentences = [str(result.notes.get("reason") or "Not defined."), *sentences]
    numbers = (
        tuple(notes.setdefault(s, len(notes) + 1) for s in sentences) if notes is not None else ()
    )
    places = decimals(result) if places is None else places
    interval = ""
    if result.low is not None and result.high is not None:
        interval = f"{figure(result.low, places)} … {figure(result.high, places)}"
    nulls = tuple((str(k).replace("_", " "), figure(v, places)) for k, v in result.nulls.items())
    return Cell(figure(result.value, places), interval, result.n, nulls, numbers)


def warnings_of(result: MetricResult) -> list[str]:
    """The sentences that must stand beside a result."""
    warnings = result.notes.get("warnings")
    return [str(w) for w in warnings] if isinstance(warnings, list | tuple) else []


def decimals(result: MetricResult) -> int:
    """Decimals that suit a result's value and interval."""
    largest = max(
        (abs(v) for v in (result.value, result.low, result.high) if v is not None), default=1.0
    )
    for limit, places in ((100.0, 1), (10.0, 2), (0.01, 3), (0.001, 4), (0.0001, 5)):
        if largest >= limit:
            return places
    return 3 if largest == 0 else 6


def row_decimals(results: Iterable[MetricResult]) -> int:
    """Decimals that suit results of one metric: those of the largest."""
    return min((decimals(result) for result in results if result.value is not None), default=3)


def figure(value: float | None, places: int = 3) -> str:
    """A number for a table, with a minus sign, – for None."""
    if value is None:
        return NOTHING
    text = f"{value:.{places}f}" if abs(value) < 1e9 else f"{value:.3g}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def _origin(name: str, run: Run) -> Origin:
    result = next(
        run.sets[k].metrics[name] for k in (GENERATED, *run.sets) if name in run.sets[k].metrics
    )
    notes = result.notes
    used = notes.get("networks")
    names = ", ".join(map(str, used)) if isinstance(used, Mapping | list | tuple) else ""
    n = f"{result.n}"
    if isinstance(notes.get("reference_n"), int):
        n += f", reference {notes['reference_n']}"
    mode = str(notes.get("mode") or run.mode)
    return Origin(label_of(name), mode, names or NOTHING, n, facts_of(result))


TOLD = {"warnings", "reason", "mode", "networks", "reference_n", "by_position", "by_class", "views"}
"""Notes that reports show elsewhere."""

MOST_WORDS = 120
"""Letters of a fact: longer ones are tables and curves."""


def facts_of(result: MetricResult) -> str:
    """Counts and other short facts of a result's notes."""
    facts = {key: words(value) for key, value in result.notes.items() if key not in TOLD}
    return "; ".join(
        f"{key.replace('_', ' ')} {text}" for key, text in facts.items() if len(text) <= MOST_WORDS
    )


def _networks(run: Run) -> Iterator[Network]:
    """All networks of the run, from `run.networks` and from single results."""
    networks: dict[str, Any] = {}
    for result in (r for one in run.sets.values() for r in one.metrics.values()):
        used = result.notes.get("networks")
        networks |= dict(used) if isinstance(used, Mapping) else {}
    told = run.about.get("networks")
    networks |= dict(told) if isinstance(told, Mapping) else {}
    for name, facts in networks.items():
        known = facts if isinstance(facts, Mapping) else {"backbone": facts}
        tables = known.get("tables")
        yield Network(
            str(name),
            words(known.get("backbone") or known.get("detector") or (tables and "tables") or name),
            words(known.get("sha256")),
            words(tables or known.get("input")),
            words(known.get("precision")),
        )


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    """What was evaluated, when and with what."""
    about = run.about
    for key, title in (
        ("generated", "clips"),
        ("reference", "reference"),
        ("mode", "mode"),
        ("seed", "seed"),
        ("created", "computed"),
        ("version", "version"),
        ("command", "command"),
    ):
        if about.get(key) not in (None, ""):
            yield title, words(about[key])
    for key, title in (("reading", "read as"), ("setting", "machine")):
        if about.get(key):
            yield title, words(about[key])


def words(value: object) -> str:
    """A value of JSON in words."""
    if value is None:
        return NOTHING
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", "−")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {words(v)}" for k, v in value.items() if v is not None)
    if isinstance(value, list | tuple):
        return ", ".join(map(words, value))
    return str(value)
