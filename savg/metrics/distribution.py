"""Metrics that compare the features of generated clips with those of a reference set.

A family is a class here with its formula; a metric is a subclass of a few lines that names a backbone.
Every result has beside its value: a 95 % interval over the clips of both sets (jackknife), chance
baselines, the distance of each view of the audio where a backbone hears each (the value is that of
the middle), and warnings where the number says little.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from numpy.typing import NDArray

from savg.features.base import VIEWS
from savg.metrics.base import Metric, MetricResult, Need, with_interval
from savg.metrics.feature_sets import (
    FeatureError,
    FeatureSet,
    identical_clips,
    shared_clips,
    view_sets,
)
from savg.metrics.frechet import FrechetPair, FrechetTarget, frechet_distance
from savg.metrics.frechet_infinite import frechet_infinite
from savg.metrics.jackknife import FEWEST, Jackknife
from savg.metrics.kernel_distances import (
    Kernel,
    KernelPair,
    gaussian_kernel,
    median_distance,
    polynomial_kernel,
)
from savg.metrics.sample_baselines import ALPHA, Between, Indices, permuted, reference_split

MAIN_VIEW = "mid"
"""The view whose distance is the value: what a mono network hears."""

FEW = 30
"""Clips of a set below which the interval itself is rough."""

FLOOR_MATTERS = 0.01
"""Relative change of a Fréchet distance by the published treatment of small singular values that is
worth a warning."""

ROUNDING = 1e-9
"""Share of a set's variance below which a difference of distances is rounding."""

BIAS_MATTERS = 0.2
"""Share of a Fréchet distance that is worth a warning where it comes of few clips."""


@dataclass(frozen=True)
class Measurement:
    """A distance between two sets, with what leaving clips out says and a function for the distance
    between other sets of the same clips; notes and warnings of the formula's own."""

    value: float
    jackknife: Jackknife | None
    between: Between
    notes: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class DistributionMetric(Metric):
    """A distance between the sets' features; subclasses name `backbones`.

    scale: factor of every number that is reported; digits: after the point in tables; stand_in: whether
    its features are in place of those that the field compares by.
    """

    higher_is_better = False
    needs = frozenset({Need.FEATURES, Need.REFERENCE})
    least_clips = 2
    scale: ClassVar[float] = 1.0
    digits: ClassVar[int] = 3
    stand_in: ClassVar[bool] = False

    @abstractmethod
    def measure(self, x: FeatureSet, y: FeatureSet, whole: bool) -> Measurement:
        """The distance of the generated set x to the reference set y; whole: with the notes and
        warnings that take longer. Raises FeatureError where there is none."""

    @classmethod
    def clip_features(cls, features: Mapping[str, NDArray[Any]]) -> NDArray[Any] | None:
        """The features [W, D] or [V, W, D] of a clip, None where it has none."""
        return features.get(cls.backbones[0])

    def compute(self) -> MetricResult:
        try:
            x_views, y_views = self._sets()
            names = VIEWS if len(x_views) == len(VIEWS) else (MAIN_VIEW,)
            main = names.index(MAIN_VIEW)
            x, y = x_views[main], y_views[main]
            measured = self.measure(x, y, whole=True)
        except FeatureError as error:
            return self.undefined(str(error), len(self._items))
        notes = {**self._facts(x, y), **measured.notes, **_errors(measured.jackknife, self.scale)}
        if len(names) > 1:
            others = zip(names, x_views, y_views, strict=True)
            notes["views"] = {
                name: self._view(measured if name == MAIN_VIEW else self._measured(a, b))
                for name, a, b in others
            }
        nulls = self._nulls(measured, len(x), len(y))
        notes |= {name: null for name, null in nulls.items() if null is not None}
        notes["warnings"] = [*measured.warnings, *self._warnings(x, y, notes)]
        means = {name: None if null is None else null["mean"] for name, null in nulls.items()}
        value, (low, high) = self.scale * measured.value, self._bounds(measured)
        return MetricResult(self.name, value, low, high, len(x), means, notes)

    def _sets(self) -> tuple[list[FeatureSet], list[FeatureSet]]:
        """The generated and the reference set of each view."""
        assert self.reference is not None
        name = " + ".join(self.backbones)
        generated = [(i.name, self.clip_features(i.observation.features)) for i in self.items]
        reference = [(n, self.clip_features(f)) for n, f in sorted(self.reference.features.items())]
        x = view_sets(name, "generated", [(n, f) for n, f in generated if f is not None])
        y = view_sets(name, "reference", [(n, f) for n, f in reference if f is not None])
        forms = [(len(views), views[0].dimensions) for views in (x, y)]
        if forms[0] != forms[1]:
            raise FeatureError(
                f"Features {name} of both sets must have the same form, got {forms[0][0]} views of "
                f"{forms[0][1]} values and {forms[1][0]} of {forms[1][1]}."
            )
        return x, y

    def _facts(self, x: FeatureSet, y: FeatureSet) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "reference_n": len(y),
            "dimensions": x.dimensions,
            "windows": {"generated": len(x.rows), "reference": len(y.rows)},
        }
        if self.scale != 1:
            facts["scale"] = self.scale
        if self.stand_in:
            facts["stand_in"] = True
        return facts

    def _measured(self, x: FeatureSet, y: FeatureSet) -> Measurement | None:
        """The distance of another view; None where there is none (a silent side, say)."""
        try:
            return self.measure(x, y, whole=False)
        except FeatureError:
            return None

    def _view(self, measured: Measurement | None) -> dict[str, float | None]:
        if measured is None:
            return {"value": None, "low": None, "high": None}
        low, high = self._bounds(measured)
        return {"value": self.scale * measured.value, "low": low, "high": high}

    def _bounds(self, measured: Measurement) -> tuple[float | None, float | None]:
        if measured.jackknife is None:
            return None, None
        return self.scale * measured.jackknife.low, self.scale * measured.jackknife.high

    def _nulls(self, measured: Measurement, n: int, m: int) -> dict[str, dict[str, Any] | None]:
        """The chance baselines of n generated and m reference clips."""
        drawn = {
            "reference_split": reference_split(measured.between, n, m, self.seed),
            "permuted": permuted(measured.between, measured.value, n, m, self.seed),
        }
        return {
            name: null and {**null, **{k: self.scale * null[k] for k in ("mean", "low", "high")}}
            for name, null in drawn.items()
        }

    def _warnings(self, x: FeatureSet, y: FeatureSet, notes: Mapping[str, Any]) -> list[str]:
        warnings = []
        assert self.reference is not None
        given = {"generated": len(self._items), "reference": len(self.reference.features)}
        for whose, clips in (("generated", x), ("reference", y)):
            if without := given[whose] - len(clips):
                warnings.append(f"Left out for want of features: {_clips(without, whose)}.")
            if len(clips) < FEW:
                warnings.append(f"Only {_clips(len(clips), whose)}: the interval itself is rough.")
            if same := identical_clips(clips):
                warnings.append(f"Equal to another clip in all features: {_clips(same, whose)}.")
        if copies := shared_clips(x, y):
            warnings.append(
                f"Equal to a reference clip in all features: {_clips(copies, 'generated')}."
            )
        if "permuted" in notes and (p := notes["permuted"]["p"]) > ALPHA:
            warnings.append(
                f"No difference between the sets is shown: clips dealt at random into sets of these "
                f"sizes are as far apart in {100 * p:.0f} % of cases."
            )
        return warnings

    @classmethod
    def text(cls, result: MetricResult) -> str:
        return with_interval(result, cls.digits)


class FrechetMetric(DistributionMetric):
    """Fréchet distance between the sets [S1, code]."""

    def measure(self, x: FeatureSet, y: FeatureSet, whole: bool) -> Measurement:
        pair = FrechetPair(x, y)
        jackknife = pair.jackknife() if min(len(x), len(y)) >= FEWEST else None
        both = pair.x.joined(pair.y)

        def between(first: Indices, second: Indices) -> float:
            return FrechetTarget(both.take(second).rows).distance(both.take(first).rows)

        if not whole:
            return Measurement(pair.value, jackknife, between)
        notes: dict[str, Any] = {
            "rank": dict(zip(("generated", "reference"), pair.ranks, strict=True)),
            "infinite": self._infinite(pair),
        }
        doubts = self._doubts(pair, jackknife, x.dimensions)
        exact = frechet_distance(pair.x.rows, pair.y.rows, floor=0.0)
        if abs(pair.value - exact) > max(FLOOR_MATTERS * exact, ROUNDING * pair.to_y.trace):
            notes["all_rooted"] = self.scale * exact
            doubts.append(
                "The published treatment of small singular values decides more than 1 % of the "
                f"value: with all of them rooted it is {self.scale * exact:.{self.digits}f}."
            )
        return Measurement(pair.value, jackknife, between, notes, tuple(doubts))

    def _infinite(self, pair: FrechetPair) -> dict[str, Any] | None:
        line = frechet_infinite(pair.x, pair.y, self.seed)
        if line is None:
            return None
        both = frechet_infinite(pair.x, pair.y, self.seed, both=True)
        return {
            "value": self.scale * line.value,
            "both_sets": None if both is None else self.scale * both.value,
            "slope": self.scale * line.slope,
            "r2": line.r2,
            "points": [[n, self.scale * value] for n, value in line.points],
        }

    def _doubts(self, pair: FrechetPair, jackknife: Jackknife | None, dimensions: int) -> list[str]:
        """What few clips do to the value: singular covariances, or a bias that is much of it."""
        counts = {"generated": len(pair.x.rows), "reference": len(pair.y.rows)}
        short = [f"{n} {whose}" for whose, n in counts.items() if n <= dimensions]
        if short:
            return [
                f"{' and '.join(short)} feature vectors leave covariances of {dimensions} dimensions "
                "singular: the value rises with fewer clips, compares only with values of as many, "
                "and its extrapolation to infinitely many is a guess."
            ]
        if jackknife is not None and jackknife.bias > BIAS_MATTERS * pair.value > 0:
            share = min(jackknife.bias / pair.value, 1)
            return [
                f"About {100 * share:.0f} % of the value comes of the number of clips (small-sample "
                "bias): it compares only with values of as many."
            ]
        return []


class KernelMetric(DistributionMetric):
    """Unbiased MMD² between the sets; subclasses choose the kernel."""

    @abstractmethod
    def kernel(self, y: FeatureSet) -> tuple[Kernel, dict[str, Any]]:
        """The kernel for a reference set, and notes about it."""

    def measure(self, x: FeatureSet, y: FeatureSet, whole: bool) -> Measurement:
        kernel, notes = self.kernel(y)
        pair = KernelPair.of(x, y, kernel)
        jackknife = pair.jackknife() if min(len(x), len(y)) >= FEWEST else None
        return Measurement(pair.value, jackknife, pair.between, notes)


class PolynomialMetric(KernelMetric):
    """Kernel distance with the cubic polynomial kernel [code]."""

    digits = 4

    def kernel(self, y: FeatureSet) -> tuple[Kernel, dict[str, Any]]:
        return polynomial_kernel, {}


class GaussianMetric(KernelMetric):
    """Kernel audio distance: Gaussian kernel as wide as the median distance between windows of the
    reference set, times 100 as its toolkit reports it (Chung et al., 2025)."""

    unit = "× 100"
    scale = 100.0

    def kernel(self, y: FeatureSet) -> tuple[Kernel, dict[str, Any]]:
        bandwidth = median_distance(y.rows)
        return gaussian_kernel(bandwidth), {"bandwidth": bandwidth}


def _errors(jackknife: Jackknife | None, scale: float) -> dict[str, Any]:
    if jackknife is None:
        return {}
    sets = ("generated", "reference")
    return {
        "bias": scale * jackknife.bias,
        "errors": {of: scale * e for of, e in zip(sets, jackknife.errors, strict=True)},
        "left_out": {
            of: (scale * distances).tolist()
            for of, distances in zip(sets, jackknife.left_out, strict=True)
        },
    }


def _clips(count: int, whose: str) -> str:
    return f"{count} {whose} clip{'' if count == 1 else 's'}"
