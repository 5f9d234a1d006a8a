"""Two runs side by side: paired differences of clips of the same names or seeds, and set-level metrics.

The JSON form of a comparison; differences are the first run minus the second:

    {"version": 1,
     "runs": [the object "run" of either run],
     "pairs": number of clips in both,
     "columns": [{"column", "n", "first", "second", "difference", "low", "high", "p"}, ...],
     "metrics": [{"name", "first": {"value", "low", "high", "n"}, "second": {...},
                  "difference", "low", "high", "paired"}, ...],
     "warnings": [sentence, ...]}

columns: per-clip columns that both runs have, their means over the n pairs in which both are defined;
the column "tp / (tp + fn)" is the pooled share, whose pairs are drawn whole. metrics: results of the
sets; difference, low, high are null where they cannot be told from the runs. What rests on networks
that differ is left out, with a warning.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import SavgError
from savg.evaluation.pairs import paired_rows
from savg.evaluation.report import aligned, label
from savg.evaluation.results_file import Run
from savg.evaluation.score import Row
from savg.metrics.base import MetricResult, Need, format_number
from savg.metrics.jackknife import distance_difference
from savg.metrics.paired import PairedDifference, mean_difference, share_difference
from savg.metrics.registry import METRICS, metric_class

VERSION = 1

SHARE = "tp / (tp + fn)"
"""Name of the pooled share of matched sound events."""

UNIMPORTANT = ("max_seconds",)
"""Settings of reading that change no clip."""

PRECISION = "precision"
"""Key of provenance that changes numbers by rounding only."""


@dataclass(frozen=True)
class Comparison:
    """What two runs differ in."""

    runs: tuple[Run, Run]
    pairs: int
    columns: Mapping[str, tuple[float, float, PairedDifference]]
    metrics: Mapping[str, tuple[MetricResult, MetricResult]]
    differences: Mapping[str, dict[str, Any]]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The form of this module."""
        return {
            "version": VERSION,
            "runs": [dict(run.about) for run in self.runs],
            "pairs": self.pairs,
            "columns": [_column(name, *values) for name, values in self.columns.items()],
            "metrics": [
                {
                    "name": name,
                    "first": _result(first),
                    "second": _result(second),
                    **self.differences[name],
                }
                for name, (first, second) in self.metrics.items()
            ],
            "warnings": list(self.warnings),
        }


def _column(name: str, first: float, second: float, difference: PairedDifference) -> dict[str, Any]:
    facts = asdict(difference)
    facts["difference"], facts["n"] = facts.pop("value"), facts.pop("pairs")
    return {"column": name, "first": first, "second": second, **facts}


def _result(result: MetricResult) -> dict[str, Any]:
    return {"value": result.value, "low": result.low, "high": result.high, "n": result.n}


def compare_runs(first: Run, second: Run, seed: int = 0) -> Comparison:
    """What the first run's clips gain over the second's.

    Args:
        first, second: of `savg.evaluation.results_file.read_run`.
        seed: of resampling.

    Raises:
        SavgError: the runs are of different modes, read clips differently, rest on other networks in
            everything, or have no clip in common.

    Example:
        >>> print(as_text(compare_runs(read_run(Path("a")), read_run(Path("b")))))
    """
    shared = [name for name in first.generated.metrics if name in second.generated.metrics]
    refuse_incomparable(first, second)
    apart, warnings = other_networks(first, second, shared)
    shared = [name for name in shared if name not in apart]
    rows = paired_rows(first.each, second.each)
    if not rows:
        raise SavgError(
            f"{first.name} and {second.name} have no clip in common: names must be equal, or end in "
            "the same seedS_NNNN."
        )
    n, m = len(first.each), len(second.each)
    if not n == m == len(rows):
        warnings.append(f"{len(rows)} clips are in both runs, of {n} and {m}.")
    columns = _columns(rows, seed, _vouched(first, second, shared, apart) if apart else None)
    if apart and not shared and not columns:
        what = "; ".join(dict.fromkeys(apart.values()))
        raise SavgError(f"{first.name} and {second.name} cannot be compared: {what}.")
    metrics = {n: (first.generated.metrics[n], second.generated.metrics[n]) for n in shared}
    if not same_reference(first, second):
        others = [name for name in shared if _compares(name)]
        metrics = {name: pair for name, pair in metrics.items() if name not in others}
        if others:
            warnings.append(f"The reference sets differ, so that {', '.join(others)} are left out.")
    whole = n == m == len(rows) and _in_one_order(rows, first, second)
    return Comparison(
        (first, second),
        len(rows),
        columns,
        metrics,
        {name: _difference(*pair, whole) for name, pair in metrics.items()},
        tuple(warnings),
    )


def refuse_incomparable(first: Run, second: Run) -> None:
    """SavgError, which says what differs, where no numbers of two runs can be compared."""
    names = f"{first.name} and {second.name} cannot be compared"
    if first.mode != second.mode:
        raise SavgError(f"{names}: the mode of one is {first.mode}, of the other {second.mode}.")
    ours, theirs = (dict(run.about.get("reading") or {}) for run in (first, second))
    for key in sorted(ours.keys() | theirs.keys()):
        if key not in UNIMPORTANT and ours.get(key) != theirs.get(key):
            raise SavgError(
                f"{names}: clips were read with {key} {ours.get(key)} and {theirs.get(key)}."
            )


def other_networks(
    first: Run, second: Run, metrics: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """What differs, by the names of metrics that rest on other networks in two runs; and warnings of
    those, and of metrics whose networks differ by rounding only."""
    users: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name in metrics:
        for network, keys in _differing(first, second, name).items():
            users.setdefault((network, tuple(keys)), []).append(name)
    apart: dict[str, str] = {}
    warnings = []
    for (network, differing), names in users.items():
        what = f"the {', '.join(differing)} of {network} (for {', '.join(names)}) differ"
        if set(differing) == {PRECISION}:
            warnings.append(f"Numbers may differ by rounding: {what}.")
        else:
            warnings.append(f"Left out with their columns of clips: {what}.")
            apart |= {name: what for name in names if name not in apart}
    if apart and not all(_told_columns(run) for run in (first, second)):
        warnings.append("No column of clips is compared: a run does not tell its metrics' columns.")
    return apart, warnings


def _vouched(first: Run, second: Run, metrics: Collection[str], apart: Collection[str]) -> set[str]:
    """The columns that metrics of both runs gave, without those that `apart` gave."""
    ours, theirs = _told_columns(first), _told_columns(second)
    of_others = {c for name in apart for told in (ours, theirs) for c in told.get(name, ())}
    return {
        c for name in metrics for c in ours.get(name, set()) & theirs.get(name, set())
    } - of_others


def _told_columns(run: Run) -> dict[str, set[str]]:
    """The columns of clips by metric, as far as a run tells them."""
    told = run.about.get("columns")
    return {
        str(name): {column for column in columns if isinstance(column, str)}
        for name, columns in (told.items() if isinstance(told, Mapping) else ())
        if isinstance(columns, list)
    }


def _differing(first: Run, second: Run, metric: str) -> dict[str, list[str]]:
    """What differs in the networks that a metric rests on in two runs, by their names."""
    ours, theirs = (
        _networks(run.generated.metrics[metric].notes.get("networks")) for run in (first, second)
    )
    result = {}
    for name in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(name, {}), theirs.get(name, {})
        keys = sorted(key for key in a.keys() | b.keys() if a.get(key) != b.get(key))
        if keys:
            result[name] = keys
    return result


def _networks(value: object) -> dict[str, dict[str, Any]]:
    """Provenance by name; what has another form tells nothing. Tables of different clips lie in
    different folders."""
    if not isinstance(value, dict):
        return {}
    return {
        name: {"tables": True} if "tables" in facts else facts
        for name, facts in value.items()
        if isinstance(facts, dict)
    }


def same_reference(first: Run, second: Run) -> bool:
    """Whether two runs had the same reference clips, as far as they tell."""
    ours, theirs = (
        run.about.get("reference_sha256") or run.about.get("reference") for run in (first, second)
    )
    return ours == theirs


def _compares(name: str) -> bool:
    """Whether a metric's number depends on the reference set."""
    return name in METRICS and bool(metric_class(name).needs & {Need.REFERENCE, Need.PAIRS})


def _in_one_order(rows: Sequence[tuple[Row, Row]], first: Run, second: Run) -> bool:
    """Whether the i-th clips by name of both runs are the pairs."""
    order = sorted(rows, key=lambda pair: str(pair[0]["clip"]))
    names = [str(pair[1]["clip"]) for pair in order]
    return names == sorted(names)


def _columns(
    rows: Sequence[tuple[Row, Row]], seed: int, among: Collection[str] | None
) -> dict[str, tuple[float, float, PairedDifference]]:
    """Paired differences of the columns that both runs have (`among` others: only those)."""
    result: dict[str, tuple[float, float, PairedDifference]] = {}
    both = set(_numeric(rows, 1)) if among is None else set(_numeric(rows, 1)) & set(among)
    shared = [name for name in _numeric(rows, 0) if name in both]
    if {"tp", "fn"} <= set(shared):
        counts = _values(rows, ("tp", "fn"))
        difference = share_difference(counts[:, 0], counts[:, 1], seed)
        if difference is not None:
            (a, b), totals = counts[:, :, 0].sum(0), counts.sum((0, 2))
            result[SHARE] = float(a / totals[0]), float(b / totals[1]), difference
    for name in shared:
        values = _values(rows, (name,))[:, :, 0]
        difference = mean_difference(values[:, 0], values[:, 1], seed)
        if difference is not None:
            result[name] = float(values[:, 0].mean()), float(values[:, 1].mean()), difference
    return result


def _values(rows: Sequence[tuple[Row, Row]], names: Sequence[str]) -> NDArray[np.float64]:
    """Columns of both runs [pairs, 2, names] where all are defined."""
    numbers = [[[_number(row.get(name)) for name in names] for row in pair] for pair in rows]
    defined = [pair for pair in numbers if all(v is not None for row in pair for v in row)]
    return np.array(defined, np.float64).reshape(-1, 2, len(names))


def _numeric(rows: Sequence[tuple[Row, Row]], side: int) -> list[str]:
    """The columns with a number in some row."""
    names: dict[str, None] = {}
    for pair in rows:
        names |= dict.fromkeys(k for k, v in pair[side].items() if _number(v) is not None)
    return list(names)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _difference(first: MetricResult, second: MetricResult, whole: bool) -> dict[str, Any]:
    """The difference of a metric of two sets, as far as the runs tell."""
    difference = distance_difference(first, second, whole)
    if difference is None:
        values = first.value, second.value
        value = None if None in values else first.value - second.value  # type: ignore[operator]
        return {"difference": value, "low": None, "high": None, "paired": False}
    return {
        "difference": difference.value,
        "low": difference.low,
        "high": difference.high,
        "paired": difference.paired,
    }


def p_words(p: float) -> str:
    """A p value as text; none is zero."""
    return f"{p:.3f}" if p >= 0.0005 else "< 0.001"


def as_text(comparison: Comparison) -> str:
    """A comparison in aligned lines."""
    names = [run.name for run in comparison.runs]
    blocks = [[["", *names, "difference (95 %)", "p"]]]
    for name, (first, second, d) in comparison.columns.items():
        cells = [_between(d.value, d.low, d.high), p_words(d.p)]
        blocks[0].append([name, format_number(first), format_number(second), *cells])
    blocks.append([["", *names, "difference (95 %)"]])
    for name, pair in comparison.metrics.items():
        d = comparison.differences[name]  # type: ignore[assignment]
        values = [_between(r.value, r.low, r.high) for r in pair]
        blocks[1].append([label(name), *values, _between(d["difference"], d["low"], d["high"])])  # type: ignore[index]
    titles = (f"{comparison.pairs} clips in both runs, means of columns:", "Metrics of the sets:")
    return "\n\n".join(
        f"{title}\n{aligned(rows)}"
        for title, rows in zip(titles, blocks, strict=True)
        if len(rows) > 1
    )


def _between(value: float | None, low: float | None, high: float | None) -> str:
    interval = "" if low is None else f" ({format_number(low)}…{format_number(high)})"
    return format_number(value) + interval
