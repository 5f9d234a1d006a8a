"""Reports of an evaluation: JSON, a table in Markdown, a CSV of clips, lines for a terminal.

The JSON form, which `evaluate --json` and `annotate --json` print alike:

    {"clips": 2, "failed": 0,
     "tp": 3, "fn": 1, "score": 0.75, "low": 0.5, "high": 1.0,
     "nulls": {"centre": 0.0, "swapped": 0.25, "shuffled": 0.25},
     "metrics": {"spatial_av_align": {"name": ..., "value": 0.75, "low": 0.5, "high": 1.0, "n": 2,
                                      "nulls": {...}, "notes": {"tp": 3, "fn": 1, ...}}, ...},
     "each": [{"clip": "left", "tp": 2, "fn": 0, "score": 1.0, ...}, {"clip": ..., "error": "..."}]}

- clips: how many were evaluated; failed: how many could not be, each with an `error` in its row.
- tp … nulls: the headline, Spatial AV-Align of the set and its chance baselines, where it is among the
  metrics.
- each: one row a clip, with the columns of all metrics; a value that is not defined is null.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from savg.evaluation.score import Evaluation
from savg.metrics.base import Metric, MetricResult, format_number
from savg.metrics.registry import METRICS, metric_class
from savg.metrics.spatial import SpatialAvAlign
from savg.paths import atomic_file
from savg.tables import write_csv


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """The documented form of this module, ready for `json.dumps`."""
    return {
        "clips": evaluation.clips,
        "failed": len(evaluation.failed),
        **_headline(evaluation.metrics.get(SpatialAvAlign.name)),
        "metrics": {name: result.to_json() for name, result in evaluation.metrics.items()},
        "each": list(evaluation.rows),
    }


def _headline(result: MetricResult | None) -> dict[str, Any]:
    if result is None:
        return {}
    return {
        "tp": result.notes["tp"],
        "fn": result.notes["fn"],
        "score": result.value,
        "low": result.low,
        "high": result.high,
        "nulls": dict(result.nulls),
    }


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
    return "\n\n".join(_aligned(lines) for lines in blocks if lines)


def _aligned(lines: Sequence[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:{width}}  {value}" for name, value in lines)


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
    return "\n".join(f"| {' | '.join(row)} |" for row in [*rows, *last])


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


def write_report(folder: Path, evaluation: Evaluation, title: str) -> list[Path]:
    """Write report.json, report.md and clips.csv into a folder, each atomically; returns their paths.

    Raises SavgError where the folder cannot be written to.
    """
    table = markdown_table({"value": evaluation.metrics}, [["clips", str(evaluation.clips)]])
    paths = [folder / name for name in ("report.json", "report.md", "clips.csv")]
    texts = [json.dumps(to_json(evaluation), indent=1, allow_nan=False), f"# {title}\n\n{table}"]
    for path, content in zip(paths, texts, strict=False):
        with atomic_file(path) as part:
            part.write_text(content + "\n", encoding="utf-8")
    write_csv(paths[2], evaluation.rows)
    return paths
