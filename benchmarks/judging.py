"""Detectors that judge the sets of `generation_quality`, and what they find clip by clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.generated_sets import DIRECTED, SETS, Sets
from savg.evaluation.cache import Cache, digest
from savg.evaluation.code_version import version_of
from savg.evaluation.directed import DirectedClip, directed_results
from savg.evaluation.observe import Detectors, Failure
from savg.evaluation.observers import Observers, Source, observe_all
from savg.evaluation.parts import Persons
from savg.evaluation.result_files import SetResult
from savg.evaluation.score import Scorer
from savg.metrics.base import Item, Metric, MetricResult, Need, Reference
from savg.metrics.looks import Looks, inside_people, relative_looks
from savg.metrics.pan_agreement import person_x
from savg.metrics.people_count import Expected, people_count, wrong_people
from savg.metrics.registry import metric_classes
from savg.metrics.spatial import SpatialAvAlign
from savg.metrics.statistics import deviation_interval

JUDGES = ("nanodet", "yolox")
"""Detectors of people."""

MEASURES = (
    "spatial_av_align",
    "spatial_off_centre",
    "pixel_error",
    "pan_spread",
    "pan_person",
    "person_share",
)
BESIDE = ("spatial_av_align", "spatial_off_centre", "person_share")
"""Measures by further judges than the first."""

OF_FRAMES = ("person_share",)
"""Measures of sets whose audio is the truth's."""

SPREAD = "person_x_spread_px"


class Judge:
    """The judges, and what all sets share.

    reference: training clips, to tell copies.
    """

    def __init__(self, sets: Sets, cache: Cache, reference: Reference | None = None) -> None:
        args = sets.args
        self.sets, self.cache, self.reference = sets, cache, reference
        source = args.judge_weights
        self.detectors = {
            name: Detectors.load(source, person=name, person_weights=_weights(name, source))
            for name in args.judges
        }
        self.first = args.judges[0]

    def metrics(self, name: str, judge: str) -> dict[str, type[Metric]]:
        """The registered metrics of a set by a judge."""
        names = MEASURES if judge == self.first else BESIDE
        if name == "small_truth":
            names = OF_FRAMES if judge == self.first else ()
        elif self.reference is not None and judge == self.first and name != "ground_truth":
            names = (*names, "nearest_clip")
        inputs = {Need.PERSONS, Need.SOUNDS, Need.FEATURES}
        return metric_classes(names, inputs | ({Need.REFERENCE} if self.reference else set()))


def _weights(name: str, source: str) -> str:
    """NanoDet is the bundled one, which was trained on photographs alone."""
    return "demo" if name == "nanodet" else source


class Judged:
    """What the judges found in a set of clips so far."""

    def __init__(self, name: str, judge: Judge) -> None:
        self.name, self.judge = name, judge
        self.scorers: dict[str, Scorer] = {}
        self.observers: dict[str, Observers] = {}
        for one, detectors in judge.detectors.items():
            metrics = judge.metrics(name, one)
            if metrics:
                self.scorers[one] = Scorer(metrics, judge.reference)
                self.observers[one] = Observers.for_metrics(metrics.values(), detectors)
        self.looks: list[Looks] = []
        self.counts: list[int] = []
        self.expected: list[Expected | None] = []
        self.directed: list[DirectedClip] = []
        self.person_x: list[float] = []

    @property
    def has_audio(self) -> bool:
        """Whether the set has audio of its own."""
        return self.name != "small_truth"

    def add_batch(self, numbers: Sequence[int]) -> None:
        """Observe these clips of the set."""
        sets, name = self.judge.sets, self.name
        sources = [
            Source(
                f"{index:04d}",
                partial(sets.clip, name, index),
                sets.key(name, index),
                sets.key(name, index, video=True),
            )
            for index in numbers
        ]
        for judge, scorer in self.scorers.items():
            found = observe_all(
                sources,
                self.observers[judge],
                self.judge.cache,
                group=len(sources) or 1,
                ahead=False,
            )
            for index, source, item in zip(numbers, sources, found, strict=True):
                scorer.add(item)
                if judge == self.judge.first and not isinstance(item, Failure):
                    self._look(index, source, item)

    def _look(self, index: int, source: Source, item: Item) -> None:
        """What the first judge's boxes say of a clip beside registered metrics."""
        sets, seen = self.judge.sets, item.observation
        frames = seen.format.frames
        self.looks.append(self._looks(source, item))
        self.counts.append(people_count(seen.boxes, frames))
        self.person_x.append(person_x(seen.boxes, frames))
        asked = sets.asked(self.name, index)
        expected = asked.people
        if self.name in ("ground_truth", "small_truth"):
            expected = sets.true_people(index)
        self.expected.append(None if expected is None else (expected, expected))
        if self.name in DIRECTED:
            self.directed.append(DirectedClip(asked, seen.events, seen.boxes, seen.format))

    def _looks(self, source: Source, item: Item) -> Looks:
        """Edges and change inside the people of a clip, from the cache where they are."""
        parts = self.observers[self.judge.first].parts
        persons = next(part for part in parts if isinstance(part, Persons))
        file = f"looks-{digest([persons.file, version_of(inside_people)])[:16]}"
        key = source.key_of(persons)
        assert key is not None
        arrays = self.judge.cache.read(key, file)
        if arrays is not None and arrays.get("values", np.zeros(0)).shape == (4,):
            return Looks.of_array(arrays["values"])
        looks = inside_people(source.read(), item.observation.boxes)
        self.judge.cache.write(key, file, {"values": looks.array()})
        return looks

    def evaluated(self, judge: str) -> SetResult:
        """The registered metrics by a judge."""
        return SetResult.of(SETS[self.name], self.scorers[judge].evaluation())

    def result(self, judge: str, truth: Judged | None) -> SetResult:
        """All measures by the first judge; looks and people beside those of the truth."""
        sets, evaluation = self.judge.sets, self.scorers[judge].evaluation()
        metrics = dict(evaluation.metrics)
        metrics[SPREAD] = self._spread()
        people = self._people(truth)
        if self.directed:
            metrics |= directed_results(self.directed)
        elif people is not None:
            metrics[people.name] = people
        if truth is not None:
            metrics |= relative_looks(self.looks, truth.looks)
        seconds = sets.seconds_a_clip(self.name)
        facts = {} if seconds is None else {"seconds_a_clip": seconds}
        return replace(
            SetResult.of(SETS[self.name], evaluation, weights=sets.weights(self.name), **facts),
            metrics=metrics,
        )

    def _people(self, truth: Judged | None) -> MetricResult | None:
        """Clips with duplicate or missing people; None where nothing says how many there may be."""
        if None not in self.expected:
            return wrong_people(self.counts, [e for e in self.expected if e is not None])
        known = [e[1] for e in truth.expected if e is not None] if truth else []
        return wrong_people(self.counts, [(1, max(known))] * len(self.counts)) if known else None

    def _spread(self) -> MetricResult:
        """Standard deviation over clips of where the surest person is on average, in pixels."""
        known = np.array([x for x in self.person_x if np.isfinite(x)])
        if len(known) < 2:
            reason = "A spread needs two clips with a person."
            return MetricResult(SPREAD, None, n=len(known), notes={"reason": reason})
        low, high = deviation_interval(known)
        return MetricResult(SPREAD, float(known.std()), low, high, len(known))

    def alignment_counts(self, judge: str, metric: str) -> NDArray[np.int64]:
        """Hits and misses [clips, 2] of a metric of spatial alignment."""
        scorer = self.scorers[judge].metrics[metric]
        assert isinstance(scorer, SpatialAvAlign)
        judged = [scorer.judge(*scorer.pair(i), i.observation.format) for i in scorer.items]
        return np.array([(one.tp, one.fn) for one in judged], np.int64).reshape(-1, 2)
