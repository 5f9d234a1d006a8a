"""Metrics over observed clips: a row for each clip, a result for each metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from savg.evaluation.observe import Failure
from savg.metrics.base import Item, Metric, MetricResult, Reference

Row = dict[str, Any]
"""One clip: `clip` (its name) and its metrics' columns, or `error`; ready for JSON."""


@dataclass(frozen=True)
class Evaluation:
    """Results of metrics for a set of clips, a row for each clip, and by metric the rows' columns that
    it gave."""

    metrics: Mapping[str, MetricResult]
    rows: Sequence[Row]
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def failed(self) -> list[Row]:
        """The rows of clips that could not be evaluated."""
        return [row for row in self.rows if "error" in row]

    @property
    def clips(self) -> int:
        """Clips that were evaluated."""
        return len(self.rows) - len(self.failed)


class Scorer:
    """Adds clips one by one and returns their rows; `evaluation()` covers all of them."""

    def __init__(
        self,
        metrics: Mapping[str, type[Metric]],
        reference: Reference | None = None,
        seed: int = 0,
    ) -> None:
        self.metrics = {name: metric(reference, seed) for name, metric in metrics.items()}
        self.rows: list[Row] = []
        self._columns: dict[str, dict[str, None]] = {}

    def add(self, item: Item | Failure, **more: Any) -> Row:
        """The row of a clip, with `more` columns; NeedError if a metric lacks an input."""
        row: Row = {"clip": item.name}
        if isinstance(item, Failure):
            row["error"] = item.reason
        else:
            for name, metric in self.metrics.items():
                metric.update(item)
                cells = metric.cells(item)
                if cells:
                    self._columns.setdefault(name, {}).update(dict.fromkeys(cells))
                row |= cells
        self.rows.append(row | more)
        return self.rows[-1]

    def evaluation(self) -> Evaluation:
        """The results over all clips added so far."""
        results = {name: metric.compute() for name, metric in self.metrics.items()}
        columns = {name: tuple(cells) for name, cells in self._columns.items()}
        return Evaluation(results, tuple(self.rows), columns)


def evaluate(
    items: Iterable[Item | Failure],
    metrics: Mapping[str, type[Metric]],
    reference: Reference | None = None,
) -> Evaluation:
    """All metrics over all clips.

    Args:
        items: of `savg.evaluation.observe.observe_all`.
        metrics: of `savg.metrics.registry.metric_classes`.
        reference: the set that reference metrics compare with.

    Raises:
        NeedError: a metric lacks an input that it needs.

    Example:
        >>> print(as_text(evaluate(items, metric_classes(None, {Need.PERSONS, Need.SOUNDS}))))
    """
    scorer = Scorer(metrics, reference)
    for item in items:
        scorer.add(item)
    return scorer.evaluation()
