"""Tables of runs side by side: their numbers, paired differences, and where the numbers come from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from savg.errors import SavgError
from savg.evaluation.compare import Comparison, compare_runs, p_words
from savg.evaluation.report import label as label_of
from savg.evaluation.report_plots import columns_of, in_words
from savg.evaluation.report_values import (
    ARROWS,
    NOTHING,
    Cell,
    cell_of,
    decimals,
    figure,
    metric_of,
    metrics_of,
    row_decimals,
)
from savg.evaluation.results_file import Run
from savg.format import SAVGBENCH
from savg.geometry import x_to_azimuth
from savg.metrics.base import MetricResult
from savg.metrics.pixel_error import PixelError
from savg.studio.results.components import board_value, listed


def metrics_in(runs: Sequence[Run]) -> list[str]:
    """Metrics that at least one of the runs has a value of."""
    names = dict.fromkeys(name for run in runs for name in metrics_of(run))
    return [n for n in names if any(_value(run, n) is not None for run in runs)]


def _value(run: Run, name: str) -> float | None:
    result = run.generated.metrics.get(name)
    return None if result is None else result.value


def columns_in(runs: Sequence[Run]) -> list[str]:
    """Columns of clips that both of the first two runs have."""
    if len(runs) < 2:
        return []
    second = set(columns_of(runs[1].each))
    return [name for name in columns_of(runs[0].each) if name in second]


def names_of(runs: Sequence[Run]) -> list[str]:
    """Names of runs, told apart by their folders where two are equal."""
    names = [run.name for run in runs]
    return [
        f"{run.name} ({run.path.parent.name})"
        if names.count(run.name) > 1 and run.path
        else run.name
        for run in runs
    ]


def board_of(runs: Sequence[Run]) -> dict[str, Any]:
    """The table of all metrics, the paired differences and where the numbers come from."""
    notes: dict[str, int] = {}
    rows = []
    for name in dict.fromkeys(n for run in runs for n in metrics_of(run)):
        rows += _rows(name, runs, notes)
    names = names_of(runs)
    head = [
        "metric",
        *(f"{n}, {r.generated.clips} clips" for n, r in zip(names, runs, strict=True)),
    ]
    numbered = [f"[{number}] {note}" for note, number in notes.items()]
    scores = {"caption": f"Mode {runs[0].mode}", "how": "", "head": head, "rows": rows}
    tables = [scores | {"notes": numbered}]
    compared, told = _compared(runs, names) if len(runs) > 1 else ([], [])
    notes_of_runs = [f"{run.name}: {warning}" for run in runs for warning in run.warnings]
    told += _differences(runs) if len(runs) > 2 or not compared else []
    tables += [*compared, _origins(runs, names)]
    return board_value("", [], tables, notes=[*told, *notes_of_runs])


def _rows(name: str, runs: Sequence[Run], notes: dict[str, int]) -> list[list[str]]:
    metric = metric_of(name)
    results = [run.generated.metrics.get(name) for run in runs]
    if all(result is None for result in results):
        return []
    places = row_decimals(result for result in results if result)
    cells = [cell_of(result, notes, places) if result else None for result in results]
    arrow = ARROWS[metric.higher_is_better] if metric else ""
    rows = [[f"{label_of(name)} {arrow}".strip(), *map(_text, cells)]]
    if name == PixelError.name:
        rows.append(["in degrees", *map(_degrees, results)])
    for null in dict.fromkeys(n for cell in cells if cell for n, _ in cell.nulls):
        values = [dict(cell.nulls).get(null, NOTHING) if cell else NOTHING for cell in cells]
        rows.append([f"chance: {null}", *values])
    return rows


def _degrees(result: MetricResult | None) -> str:
    """A distance in degrees; where a run of before has none, what its pixels are in the middle."""
    if result is None or result.value is None:
        return NOTHING
    told = result.notes.get("distance_degrees")
    if isinstance(told, int | float):
        return f"{told:.1f}°"
    middle = abs(float(x_to_azimuth(SAVGBENCH.size / 2 + result.value)))
    return f"{middle:.1f}° in the middle of the frame"


def _text(cell: Cell | None) -> str:
    if cell is None:
        return NOTHING
    interval = f" ({cell.interval})" if cell.interval else ""
    return cell.value + interval + "".join(f" [{n}]" for n in cell.notes)


def _compared(runs: Sequence[Run], names: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Tables of the differences of the first two runs, and what must be known of them."""
    try:
        comparison = compare_runs(runs[0], runs[1])
    except SavgError as error:
        return [], [str(error)]
    tables = [_columns_table(comparison, names), _metrics_table(comparison, names)]
    return [table for table in tables if table["rows"]], list(comparison.warnings)


def _columns_table(comparison: Comparison, names: Sequence[str]) -> dict[str, Any]:
    """Differences clip by clip, which are surer than those of the sets."""
    rows = []
    for column, (first, second, d) in comparison.columns.items():
        result = MetricResult(column, d.value, d.low, d.high, d.pairs)
        places = min(decimals(result), decimals(MetricResult(column, max(first, second))))
        means = [figure(first, places), figure(second, places)]
        difference = _text(cell_of(result, places=places))
        rows.append([in_words(column), *means, difference, p_words(d.p), str(d.pairs)])
    how = (
        "Means over the clips that both runs have, and their difference, first minus second, with "
        "its 95 % interval by bootstrap over pairs; p: how often chance exchanges of the pairs "
        "differ as much."
    )
    head = ["column", *names[:2], "difference", "p", "pairs"]
    return {"caption": "Clip by clip, first two runs", "how": how, "head": head, "rows": rows}


def _metrics_table(comparison: Comparison, names: Sequence[str]) -> dict[str, Any]:
    """Differences of distances to the reference set, where their intervals are known."""
    rows = []
    for name, (first, second) in comparison.metrics.items():
        facts = comparison.differences[name]
        if facts["low"] is None:
            continue
        difference = MetricResult(name, facts["difference"], facts["low"], facts["high"])
        places = row_decimals([first, second])
        values = [_text(cell_of(result, places=places)) for result in (first, second, difference)]
        rows.append([label_of(name), *values])
    how = (
        "First minus second, with a 95 % jackknife interval that leaves out what both runs share: the "
        "reference clips, and the seeds where they are the same."
    )
    head = ["metric", *names[:2], "difference"]
    return {"caption": "Distances, first two runs", "how": how, "head": head, "rows": rows}


def _origins(runs: Sequence[Run], names: Sequence[str]) -> dict[str, Any]:
    """Where the numbers of each run come from."""
    facts = ("reference", "created", "version", "seed", "reading", "networks", "command")
    rows = []
    for fact in facts:
        values = [_origin(fact, run.about.get(fact)) for run in runs]
        if any(value != NOTHING for value in values):
            rows.append([fact, *values])
    return {
        "caption": "Where the numbers come from",
        "how": "",
        "head": ["", *names],
        "rows": rows,
        "words": True,
    }


def _origin(fact: str, value: object) -> str | dict[str, Any]:
    if fact == "networks" and isinstance(value, Mapping):
        return listed(fact, [without_folders(line) for line in lines_of(value)])
    return without_folders(in_one_line(value))


def lines_of(facts: Mapping[str, Any]) -> list[str]:
    """Facts by name, a line each."""
    return [f"{name}: {in_one_line(value)}" for name, value in facts.items() if value is not None]


def without_folders(text: str) -> str:
    """A text without the folders of absolute paths, which are the server's own affair."""
    return re.sub(r"(?<![\w.~])/(?:[^\s/]+/)+", "…/", text)


def in_one_line(value: object) -> str:
    """A value of JSON in words, – for nothing."""
    if isinstance(value, Mapping):
        return (
            "; ".join(f"{k} {in_one_line(v)}" for k, v in value.items() if v is not None) or NOTHING
        )
    if isinstance(value, list):
        return ", ".join(map(in_one_line, value)) or NOTHING
    return NOTHING if value in (None, "") else str(value)


def _differences(runs: Sequence[Run]) -> list[str]:
    """Sentences about what keeps numbers of several runs from being compared."""
    sentences = []
    if len({in_one_line(run.about.get("reference")) for run in runs}) > 1:
        sentences.append(
            "The runs have other reference sets: their distances to it are not comparable."
        )
    if len({in_one_line(run.about.get("reading")) for run in runs}) > 1:
        sentences.append("The runs read their clips at other rates or sizes: compare with care.")
    for name in metrics_in(runs):
        used = {
            in_one_line(run.generated.metrics[name].notes.get("networks"))
            for run in runs
            if name in run.generated.metrics
        }
        if len(used) > 1:
            sentences.append(
                f"{label_of(name)} comes of other networks: its values are not comparable."
            )
    return sentences
