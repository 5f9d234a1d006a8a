"""Which metrics are computed: by name, a paper's set, or all whose inputs and weights are here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from savg.errors import SavgError
from savg.features.registry import backbone_class
from savg.metrics.base import Metric, Need
from savg.metrics.registry import METRICS, metric_class

ALL = "all"
"""Name of all metrics whose inputs and weights are here."""

SETS: dict[str, tuple[str, ...]] = {
    "savgbench": ("fvd", "kvd", "fad-audioclip", "temporal_av_align", "spatial_av_align"),
    "stereosync": ("spatial_av_align", "fad-clap", "favd", "e_l1"),
}
"""Metrics that papers report, by the set's name [S2, S3]."""

INPUTS: dict[Need, str] = {
    Need.PERSONS: "boxes of persons",
    Need.SOUNDS: "sound events",
    Need.FEATURES: "the clips themselves (tables are not enough)",
    Need.CLIP: "the clips themselves (tables are not enough)",
    Need.TRUTH: "true tables (--truth DIR)",
    Need.REFERENCE: "a reference set (--reference DIR)",
    Need.PAIRS: "reference clips of the same names (--reference DIR)",
}
"""Inputs in words."""


@dataclass(frozen=True)
class Selection:
    """Metrics by name, in the order asked for or of the registry; left_out: why others are not
    computed, a sentence by name; named: those that were asked for by name."""

    metrics: Mapping[str, type[Metric]]
    left_out: Mapping[str, str] = field(default_factory=dict)
    named: frozenset[str] = frozenset()

    def without(self, problems: Mapping[str, str]) -> Selection:
        """The metrics that have no problem.

        problems: sentences by the metrics' names.

        Raises:
            SavgError: a metric that was asked for by name has one.
        """
        for name, sentence in problems.items():
            if name in self.named:
                raise SavgError(sentence)
        kept = {name: metric for name, metric in self.metrics.items() if name not in problems}
        return Selection(kept, {**self.left_out, **problems}, self.named)

    def only(self, names: Collection[str]) -> Selection:
        """The same of these names alone."""
        kept = {name: metric for name, metric in self.metrics.items() if name in names}
        left_out = {name: why for name, why in self.left_out.items() if name in names}
        return Selection(kept, left_out, self.named)


def check_names(names: Iterable[str]) -> None:
    """SavgError, which names those nearest to it and where all are listed, where one is no metric and
    no set."""
    known = [*METRICS, *SETS, ALL]
    for name in names:
        if name not in known:
            small = {one.lower(): one for one in known}
            near = [small[one] for one in get_close_matches(name.lower(), small, 4, 0.6)]
            meant = f" Did you mean {' or '.join(near)}?" if near else ""
            raise SavgError(
                f"{name!r} is no metric.{meant} `python -m savg evaluate --help` and "
                "docs/evaluation.md list all names."
            )


def select_metrics(
    names: Sequence[str] | None,
    available: Collection[Need],
    networks: str | None = None,
) -> Selection:
    """The metrics of these names.

    Args:
        names: of registered metrics and of `SETS`; with "all" among them, or None, every metric whose
            inputs and weights are here. Weights that a library fetches are fetched for metrics that are
            asked for by name alone, when they are loaded.
        available: inputs that the caller can provide.
        networks: folder of the backbones' weights, None for the default one.

    Raises:
        SavgError: a name is unknown, or a metric that was asked for by name lacks an input or weights.

    Example:
        >>> select_metrics(["stereosync"], {Need.PERSONS, Need.SOUNDS}).metrics
    """
    check_names(names or ())
    expanded = [one for name in names or () for one in SETS.get(name, (name,))]
    named = frozenset(expanded) - {ALL}
    everything = names is None or ALL in names
    chosen = dict.fromkeys([*METRICS] if everything else expanded)
    classes = {name: metric_class(name) for name in chosen}
    problems = {
        name: sentence
        for name, metric in classes.items()
        if (sentence := _problem(name, metric, available, networks, name in named))
    }
    return Selection(classes, {}, named).without(problems)


def _problem(
    name: str,
    metric: type[Metric],
    available: Collection[Need],
    networks: str | None,
    may_fetch: bool,
) -> str:
    """Why a metric cannot be computed, as a sentence; "" where it can.

    may_fetch: whether weights may be fetched, by backbones that do so.
    """
    lacking = list(dict.fromkeys(INPUTS[need] for need in sorted(metric.needs - set(available))))
    if Need.PAIRS in metric.needs and INPUTS[Need.REFERENCE] in lacking:
        lacking.remove(INPUTS[Need.REFERENCE])
    if lacking:
        return f"The metric {name} needs {' and '.join(lacking)}."
    for backbone in metric.backbones:
        kind = backbone_class(backbone)
        sentence = kind.missing(networks)
        if sentence and not (may_fetch and kind.fetched):
            return f"The metric {name} cannot be computed: {sentence}"
    return ""
