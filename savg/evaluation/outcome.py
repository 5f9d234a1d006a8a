"""What an evaluation gives: results of each set of clips, and what tables and reports need beside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self

from savg.evaluation.frame_table import FrameTable
from savg.evaluation.observe import Failure
from savg.evaluation.result_files import SetResult
from savg.evaluation.results_file import GENERATED, REFERENCE
from savg.evaluation.score import Evaluation, Scorer
from savg.metrics.base import Item, Metric, Reference

STANDARD, OFFICIAL = MODES = ("standard", "official")
"""Whole clips in evaluation mode, or as the published evaluator does it."""

CENTRE, BOXES = "centre", "boxes"

LABELS = {
    GENERATED: "generated",
    REFERENCE: "reference set",
    CENTRE: "trivial: sound at the centre",
    BOXES: "trivial: mono sound panned by the boxes",
}
"""Sets in tables, in order."""


@dataclass
class Outcome:
    """Results of an evaluation: by set an `Evaluation`; facts of the clips; what reports need.

    A context that closes the table of frames, which lies in a temporary file.
    """

    sets: dict[str, Evaluation] = field(default_factory=dict)
    frames: FrameTable | None = None
    silent: list[str] = field(default_factory=list)
    networks: dict[str, dict[str, Any]] = field(default_factory=dict)
    thumbnails: list[Item] = field(default_factory=list)
    reference: Reference | None = None

    def results(self) -> dict[str, SetResult]:
        """The sets in the order of tables."""
        return {
            key: SetResult.of(LABELS[key], self.sets[key]) for key in LABELS if key in self.sets
        }

    @property
    def failed(self) -> list[dict[str, Any]]:
        """Clips that could not be evaluated; those of trivial baselines are the generated ones."""
        return [
            {"clip": row["clip"], "set": key, "reason": row["error"]}
            for key in (GENERATED, REFERENCE)
            if key in self.sets
            for row in self.sets[key].failed
        ]

    def close(self) -> None:
        """Drop the table of frames."""
        if self.frames is not None:
            self.frames.close()

    @contextmanager
    def closed_on_error(self) -> Iterator[None]:
        """A block that fills this outcome: it is closed where the block fails."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def evaluate_items(
    items: Iterable[Item | Failure], metrics: Mapping[str, type[Metric]], seed: int = 0
) -> Outcome:
    """The results of clips that are observed already, such as tables."""
    scorer, frames = Scorer(metrics, None, seed), FrameTable(metrics.values())
    outcome = Outcome(frames=frames)
    with outcome.closed_on_error():
        for item in items:
            scorer.add(item)
            if isinstance(item, Item):
                frames.add(item)
        outcome.sets[GENERATED] = with_facts(
            scorer.evaluation(), lambda name: {"mode": STANDARD, "networks": {}}
        )
    return outcome


def with_facts(evaluation: Evaluation, facts: Callable[[str], Mapping[str, Any]]) -> Evaluation:
    """An evaluation with further facts of a metric's name in the notes of its result: its mode, and its
    networks' provenance by name."""
    results = {
        name: replace(result, notes={**result.notes, **facts(name)})
        for name, result in evaluation.metrics.items()
    }
    return replace(evaluation, metrics=results)
