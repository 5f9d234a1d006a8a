"""The SELD F-score against maximal matchings found by brute force."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from savg.annotation import Boxes, ClipLabels, SoundEvents
from savg.metrics.base import Item, MetricResult, Observation, Truth
from savg.metrics.registry import metric_class
from savg.metrics.sound_detection import count_pairs, count_sounds, seld_f_score


def events(rows: list[tuple[int, int, float]]) -> SoundEvents:
    table = np.array(rows, float).reshape(-1, 3)
    return SoundEvents(table[:, 0], table[:, 1], table[:, 2])  # type: ignore[arg-type]


def best_pairs(a: list[float], b: list[float], tolerance: float) -> int:
    """The largest number of pairs over every way to put the shorter list beside the longer."""
    short, long = sorted((a, b), key=len)
    return max(
        sum(abs(s - p) <= tolerance for s, p in zip(short, order, strict=True))
        for order in permutations(long, len(short))
    )


def test_pairs_are_as_many_as_any_assignment_has() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        a, b = (rng.integers(0, 200, rng.integers(0, 6)).astype(float) for _ in range(2))
        assert count_pairs(a, b, 30.0) == best_pairs(a.tolist(), b.tolist(), 30.0)


def test_scores_against_brute_force() -> None:
    rng = np.random.default_rng(1)

    def draw() -> SoundEvents:
        n = int(rng.integers(0, 40))
        return SoundEvents(rng.integers(0, 12, n), rng.integers(0, 2, n), rng.uniform(-20, 280, n))

    clips = [(draw(), draw()) for _ in range(10)]
    counts = seld_f_score(clips)
    for category in (0, 1):
        tp = fp = fn = 0
        for detected, labels in clips:
            for frame in range(12):
                a, b = (
                    [x for f, c, x in zip(t.frames, t.categories, t.x, strict=True)
                     if (f, c) == (frame, category)]
                    for t in (detected, labels)
                )  # fmt: skip
                pairs = best_pairs(a, b, 40.0)
                tp, fp, fn = tp + pairs, fp + len(a) - pairs, fn + len(b) - pairs
        assert (counts.tp[category], counts.fp[category], counts.fn[category]) == (tp, fp, fn)
        precision, recall = tp / (tp + fp), tp / (tp + fn)
        harmonic = 2 * precision * recall / (precision + recall)
        assert counts.f_score[category] == pytest.approx(harmonic)
        assert counts.precision[category] == pytest.approx(precision)
        assert counts.recall[category] == pytest.approx(recall)


def test_rules_by_hand() -> None:
    labels = ClipLabels(
        np.array([0, 1, 2, 3]), np.array([0, 1, 9, 9]), np.array([100.0] * 4), np.zeros(4)
    )
    detected = events([(0, 0, 140.0), (1, 0, 140.5), (2, 0, 100.0), (3, 1, 60.0), (4, 1, 100.0)])
    counts = count_sounds(detected, labels)
    assert counts.tp.tolist() == [1, 1]  # exactly 40 pixels still count
    assert counts.fp.tolist() == [2, 1]  # too far, wrong class; no label
    assert counts.fn.tolist() == [1, 1]
    assert count_sounds(detected, labels, tolerance=256.0).tp.tolist() == [2, 1]


def test_perfect_and_empty() -> None:
    labels = ClipLabels(np.arange(50), np.full(50, 9), np.linspace(0, 255, 50), np.zeros(50))
    counts = seld_f_score([(labels.events(), labels)])
    assert counts.f_score[1] == 1.0 and np.isnan(counts.f_score[0])
    silent = seld_f_score([(SoundEvents.empty(), labels)])
    assert silent.f_score[1] == 0.0 and silent.fn[1] == 50 and np.isnan(silent.precision[1])
    assert np.isnan(seld_f_score([]).f_score).all()


@pytest.mark.parametrize(("name", "value"), [("seld_f", 1.0), ("seld_le", 0.0), ("seld_lr", 1.0)])
def test_a_class_that_a_resample_lacks_leaves_its_mean(name: str, value: float) -> None:
    """Three clips of speech and one of an instrument, all found: no resample is worse."""
    metric = metric_class(name)()
    for index, category in enumerate((0, 0, 0, 1)):
        table = events([(frame, category, 100.0) for frame in range(31)])
        item = Observation(table, Boxes.empty())
        metric.update(Item(f"c{index}", item, truth=Truth(table, Boxes.empty())))
    result = metric.compute()
    assert (result.value, result.low, result.high) == pytest.approx((value, value, value))


def test_seld_scores_beside_chance_by_hand() -> None:
    """Two clips that are all right, their sounds 100 px to either side of the centre."""
    items = []
    for index, x in enumerate((28.0, 228.0)):
        table = events([(frame, 0, x) for frame in range(31)])
        truth = Truth(table, Boxes.empty())
        items.append(Item(f"c{index}", Observation(table, Boxes.empty()), truth=truth))

    def result_of(name: str) -> MetricResult:
        metric = metric_class(name)()
        for item in items:
            metric.update(item)
        return metric.compute()

    error = result_of("seld_le")  # the class that never occurs has the worst distance, 256 px
    assert error.value == 128
    assert error.nulls == {"centre": (100 + 256) / 2, "shuffled": (200 + 256) / 2}
    assert not error.notes["warnings"] and metric_class("seld_le").higher_is_better is False
    assert result_of("seld_f").nulls == {"centre": 0, "shuffled": 0}
    assert result_of("seld_er").nulls == {"centre": 1, "shuffled": 1}
    recall = result_of("seld_lr")
    assert recall.nulls == {"shuffled": recall.value}  # it does not ask where
    assert "uninformative" in recall.notes["warnings"][0]
