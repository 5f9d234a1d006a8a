"""The check-up of the metrics: which of them sees which known damage?

The same clips are evaluated as they are and with each damage of `savg.evaluation.damages` at each
level. A damage counts as seen where the difference of the two values is at least `SEEN` standard
errors, both read off their 95 % intervals as if they were independent (they are of the same clips, so
this is careful); where a metric has no interval it counts as seen if its value changes by more than
`CHANGED` of itself. A metric whose value becomes undefined has seen it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from savg.clip import Clip
from savg.errors import SavgError
from savg.evaluation.cache import Cache, derived_key
from savg.evaluation.damages import DAMAGES, damaged
from savg.evaluation.observe import Failure
from savg.evaluation.observers import Observers, Source, observe_all, reference_of
from savg.evaluation.report import label, markdown_rows
from savg.metrics.base import (
    Item,
    Metric,
    MetricResult,
    Need,
    Reference,
    Truth,
    format_number,
)
from savg.metrics.registry import METRICS, metric_class
from savg.viz.heat_table import HeatCell, heat_table

SEEN, SURE = 2.0, 4.0
"""Standard errors from which a damage is seen, and from which it is plain."""

FEW = 16
"""Clips below which intervals are so wide that gross damages alone are seen."""

CHANGED = 0.05
"""Relative change that counts where a metric has no interval."""

WORSE, BETTER, OTHER, UNDEFINED, UNSEEN = "worse", "better", "other", "undefined", "unseen"
"""Verdicts: seen as worse; taken for an improvement; seen by a metric without a direction; no value any
more; not seen."""

Key = tuple[str, float]
"""Name of a damage and its level."""


@dataclass(frozen=True)
class SelfTest:
    """Results of every metric by name: of the clips as they are, and with each damage."""

    clips: int
    reference: int
    clean: Mapping[str, MetricResult]
    damaged: Mapping[Key, Mapping[str, MetricResult]]

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics, in the registry's order."""
        return [name for name in METRICS if name in self.clean]

    def effect(self, name: str, key: Key) -> float | None:
        """Difference to the clean value in standard errors; None where one of them is undefined, or
        neither has an interval."""
        return effect(self.clean[name], self.damaged[key][name])

    def verdict(self, name: str, key: Key) -> str:
        """One of the verdicts of this module."""
        return verdict(
            self.clean[name], self.damaged[key][name], metric_class(name).higher_is_better
        )

    def to_json(self) -> dict[str, Any]:
        """Ready for `json.dumps`."""
        return {
            "clips": self.clips,
            "reference": self.reference,
            "clean": {name: result.to_json() for name, result in self.clean.items()},
            "damages": [
                {
                    "damage": key[0],
                    "level": key[1],
                    "title": DAMAGES[key[0]].title(key[1]),
                    "metrics": {
                        name: {
                            "value": result.value,
                            "low": result.low,
                            "high": result.high,
                            "effect": self.effect(name, key),
                            "verdict": self.verdict(name, key),
                        }
                        for name, result in results.items()
                    },
                }
                for key, results in self.damaged.items()
            ],
        }


def standard_error(result: MetricResult) -> float | None:
    """Of a value, from its 95 % interval; None without one."""
    if result.low is None or result.high is None:
        return None
    return (result.high - result.low) / (2 * 1.959963984540054)


def effect(clean: MetricResult, worse: MetricResult) -> float | None:
    """(worse − clean) in standard errors of the difference of independent values."""
    errors = [standard_error(result) for result in (clean, worse)]
    known = [error for error in errors if error is not None]
    if clean.value is None or worse.value is None or not known:
        return None
    difference = worse.value - clean.value
    total = sum(error**2 for error in known) ** 0.5
    if difference == 0:
        return 0.0
    most = 99.0  # a value that never varies has no error
    return (
        max(-most, min(most, difference / total)) if total else most * (1 if difference > 0 else -1)
    )


def verdict(clean: MetricResult, worse: MetricResult, higher_is_better: bool | None) -> str:
    """What a metric makes of a damage, one of the verdicts of this module."""
    if clean.value is None:
        return UNSEEN
    if worse.value is None:
        return UNDEFINED
    size = effect(clean, worse)
    difference = worse.value - clean.value
    if size is None:
        is_seen = abs(difference) > CHANGED * abs(clean.value)
    else:
        is_seen = abs(size) >= SEEN
    if not is_seen:
        return UNSEEN
    if higher_is_better is None:
        return OTHER
    return BETTER if (difference > 0) == higher_is_better else WORSE


@dataclass(frozen=True)
class Subject:
    """A clip of the check-up; key: of its content in the cache; truth: where it is known."""

    name: str
    read: Callable[[], Clip]
    key: str | None = None
    truth: Truth | None = None

    def source(self) -> Source:
        """The clip as it is."""
        return Source(self.name, self.read, self.key)

    def damaged(self, damage: str, level: float, seed: int, index: int) -> Source:
        """The clip with a damage; of one of the audio the video's parts in the cache are used."""

        def read() -> Clip:
            return damaged(self.read(), damage, level, seed, index)

        if self.key is None:
            return Source(self.name, read)
        key = derived_key(self.key, damage=damage, level=level, seed=seed, index=index)
        same_video = self.key if DAMAGES[damage].changes == "audio" else None
        return Source(self.name, read, key, same_video)


def run_selftest(
    subjects: Sequence[Subject],
    reference: Sequence[Subject],
    metrics: Mapping[str, type[Metric]],
    observers: Observers,
    cache: Cache | None = None,
    damages: Sequence[Key] | None = None,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> SelfTest:
    """Evaluate the subjects as they are and with each damage.

    Args:
        subjects: clips whose video and audio agree.
        reference: other clips of the same kind, for metrics that compare sets.
        metrics: by name; those that compare pairs compare with the subjects as they are.
        observers: of these metrics.
        cache: spares looking at the same video again where only the audio is damaged.
        damages: which ones (None: every damage at every level).
        seed: of the damages and of resampling.
        progress: called with what is evaluated, how many are done and how many there are.

    Raises:
        SavgError: a clip cannot be read or observed.
    """
    keys = damages or [(name, level) for name, d in DAMAGES.items() for level in d.levels]
    report, total = progress or (lambda *_: None), len(keys) + 2

    def items(sources: Iterable[Source]) -> Iterator[Item]:
        truths = {subject.name: subject.truth for subject in subjects}
        for item in observe_all(sources, observers, cache):
            if isinstance(item, Failure):
                raise SavgError(item.reason)
            yield replace(item, truth=truths.get(item.name))

    report("reference clips", 0, total)
    others = reference_of(items(subject.source() for subject in reference))
    report("clips as they are", 1, total)
    clean = list(items(subject.source() for subject in subjects))
    score = partial(_results, metrics, others, reference_of(clean), seed)
    results = {}
    for number, (name, level) in enumerate(keys, 2):
        report(DAMAGES[name].title(level), number, total)
        sources = (s.damaged(name, level, seed, index) for index, s in enumerate(subjects))
        results[name, level] = score(items(sources))
    return SelfTest(len(subjects), len(others.features), score(clean), results)


def _results(
    metrics: Mapping[str, type[Metric]],
    others: Reference,
    pairs: Reference,
    seed: int,
    items: Iterable[Item],
) -> dict[str, MetricResult]:
    made = {
        name: metric(pairs if Need.PAIRS in metric.needs else others, seed)
        for name, metric in metrics.items()
    }
    for item in items:
        for metric in made.values():
            metric.update(item)
    return {name: metric.compute() for name, metric in made.items()}


def as_markdown(test: SelfTest) -> str:
    """A table of metrics by damages: from which level on each is seen; below it what to know of few
    clips."""
    names = list(dict.fromkeys(name for name, _ in test.damaged))
    head = ["metric", "as they are", *(DAMAGES[name].label for name in names)]
    lines = [head, ["---"] * len(head)]
    for metric in test.metrics:
        clean = metric_class(metric).text(test.clean[metric])
        lines.append([label(metric), clean, *(_first_seen(test, metric, name) for name in names)])
    return markdown_rows(lines) + few_clips(test.clips)


def few_clips(count: int) -> str:
    """A paragraph on what so few clips cannot show; "" for `FEW` or more."""
    if count >= FEW:
        return ""
    return (
        f"\n\n{count} clips can show gross damages alone: – says little here, and metrics without an "
        f"interval may change by chance. Take {FEW} clips or more, better 32.\n"
    )


def _first_seen(test: SelfTest, metric: str, damage: str) -> str:
    """The mildest level from which on a damage is seen at every level: "from 20°", "better from …"."""
    keys = [key for key in test.damaged if key[0] == damage]
    verdicts = [test.verdict(metric, key) for key in keys]
    first = len(keys)
    while first and verdicts[first - 1] != UNSEEN:
        first -= 1
    if first == len(keys):
        return "–"
    what = verdicts[-1]
    mark = {WORSE: "seen", BETTER: "**better**", OTHER: "seen", UNDEFINED: "undefined"}[what]
    if len(keys) == 1:
        return mark
    return f"{mark} from {DAMAGES[damage].amount(keys[first][1])}"


_MARKS = {WORSE: "●", BETTER: "▲", OTHER: "○", UNDEFINED: "∅", UNSEEN: ""}
_COLOURS = {
    WORSE: "#0072B2",
    BETTER: "#D55E00",
    OTHER: "#009E73",
    UNDEFINED: "#6B7280",
    UNSEEN: "#9CA3AF",
}
_MEANINGS = {
    WORSE: "sees the damage: the value gets worse",
    BETTER: "takes the damage for an improvement",
    OTHER: "sees it; the metric has no better or worse",
    UNDEFINED: "the metric has no value any more",
    UNSEEN: "does not see it",
}


def as_svg(test: SelfTest) -> str:
    """The same as a table of marks, each damage at every level from mild to severe."""
    groups: dict[str, list[str]] = {}
    for name, level in test.damaged:
        one = DAMAGES[name]
        groups.setdefault(one.label, []).append(one.amount(level))
    rows = [label(name) for name in test.metrics]
    cells = [[_cell(test, name, key) for key in test.damaged] for name in test.metrics]
    legend = [
        (HeatCell(_MARKS[v], 0.0 if v == UNSEEN else 0.8, _COLOURS[v]), meaning)
        for v, meaning in _MEANINGS.items()
    ]
    caption = f"Which metric sees which damage ({test.clips} clips, {test.reference} for reference)"
    return heat_table(rows, groups, cells, caption, legend)


def _cell(test: SelfTest, name: str, key: Key) -> HeatCell:
    seen, size = test.verdict(name, key), test.effect(name, key)
    strength = 0.0 if seen == UNSEEN else 0.5
    if seen != UNSEEN and size is not None:
        strength = min(1.0, 0.3 + 0.7 * abs(size) / (4 * SURE))
    values = [format_number(r.value) for r in (test.clean[name], test.damaged[key][name])]
    errors = "" if size is None else f" ({size:+.1f} standard errors)"
    title = f"{label(name)}, {DAMAGES[key[0]].title(key[1])}: {' → '.join(values)}{errors}"
    return HeatCell(_MARKS[seen], strength, _COLOURS[seen], title)
