"""AP50 against a brute-force oracle and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from savg.annotation import Boxes, SoundEvents
from savg.metrics.base import Item, Observation, Truth
from savg.metrics.person_detection import (
    PersonAp50,
    average_precision,
    box_iou,
    match_boxes,
    person_ap50,
)


def table(frames, boxes, scores=None, categories=None):
    categories = np.zeros(len(frames)) if categories is None else categories
    return Boxes(np.array(frames), categories, np.array(boxes, float).reshape(-1, 4), scores)


def overlap_by_counting(a, b):
    """Intersection over union of whole-number boxes by counting pixels."""
    pixels = [{(x, y) for x in range(q[0], q[2]) for y in range(q[1], q[3])} for q in (a, b)]
    return len(pixels[0] & pixels[1]) / max(len(pixels[0] | pixels[1]), 1)


def oracle(detections, truth):
    """The definition in loops: rank all, match greedily, best later precision at each recall."""
    ranked = sorted(
        (-s, clip, f, tuple(map(int, b)))
        for clip, t in enumerate(detections)
        for f, b, s in zip(t.frames, t.xyxy, t.scores, strict=True)
    )
    taken: set = set()
    total = sum(len(t) for t in truth)
    points, right = [], 0
    for n, (_, clip, frame, box) in enumerate(ranked, 1):
        options = []
        for k, (f, b) in enumerate(zip(truth[clip].frames, truth[clip].xyxy, strict=True)):
            if f == frame and (clip, k) not in taken:
                options.append((overlap_by_counting(box, tuple(map(int, b))), k))
        if options and max(options)[0] >= 0.5:
            taken.add((clip, max(options)[1]))
            right += 1
        points.append((right, right / n))
    values = []
    for r in range(101):
        values.append(max((p for hit, p in points if 100 * hit >= r * total), default=0.0))
    return sum(values) / 101


@pytest.mark.parametrize("seed", range(6))
def test_against_brute_force(seed):
    rng = np.random.default_rng(seed)
    detections, truth = [], []
    for _ in range(3):
        frames = rng.integers(0, 4, 8)
        start = rng.integers(0, 20, (8, 2))
        real = np.concatenate([start, start + rng.integers(6, 16, (8, 2))], axis=1)
        near = real + rng.integers(-2, 3, real.shape)
        far = np.roll(real, 1, axis=0)
        truth.append(table(frames, real))
        detections.append(
            table(np.tile(frames, 2), np.concatenate([near, far]), rng.permutation(16) / 16)
        )
    value = person_ap50(detections, truth)
    assert value == pytest.approx(oracle(detections, truth), abs=1e-12)
    assert 0 < value < 1


def test_by_hand():
    truth = [table([0, 0], [[0, 0, 10, 10], [20, 0, 30, 10]])]
    perfect = table([0, 0], truth[0].xyxy, np.array([0.9, 0.4]))
    assert person_ap50([perfect], truth) == 1.0
    double = table([0, 0], [[0, 0, 10, 10], [0, 0, 10, 9]], np.array([0.9, 0.8]))
    assert person_ap50([double], truth) == pytest.approx(51 / 101)
    other_frame = table([1, 1], truth[0].xyxy, np.array([0.9, 0.4]))
    assert person_ap50([other_frame], truth) == 0.0
    first_wrong = table([0, 0], [[50, 50, 60, 60], [0, 0, 10, 10]], np.array([0.9, 0.4]))
    assert person_ap50([first_wrong], truth) == pytest.approx(0.5 * 51 / 101)


def test_the_edges():
    nothing, scored = Boxes.empty(), table([], [], np.zeros(0))
    person = table([0], [[0, 0, 4, 4]], np.ones(1))
    assert person_ap50([scored], [nothing]) is None
    assert person_ap50([scored], [person]) == 0.0
    chair = table([0], [[0, 0, 4, 4]], np.ones(1), np.array([56]))
    assert person_ap50([chair], [person]) == 0.0
    assert person_ap50([nothing], [person]) == 0.0
    bare = table([0], [[0, 0, 4, 4]])
    with pytest.raises(ValueError, match="scores"):
        person_ap50([bare], [person])
    metric = PersonAp50()
    for name, found in (("a", nothing), ("b", bare)):
        observation = Observation(SoundEvents.empty(), found)
        metric.update(Item(name, observation, truth=Truth(SoundEvents.empty(), person)))
    result = metric.compute()  # boxes of tables, which have no scores
    assert result.value is None and "no scores" in result.notes["reason"]
    with pytest.raises(ValueError, match="clips"):
        person_ap50([], [person])
    assert average_precision(np.array([0.1, 0.9]), np.array([True, False]), 1) == 0.5


def test_overlap_and_matching():
    a = np.array([[0, 0, 4, 4], [0, 0, 0, 0]], float)
    assert box_iou(a, a).tolist() == [[1.0, 0.0], [0.0, 0.0]]
    half = np.array([[0, 0, 4, 8]], float)
    assert match_boxes(half, a).tolist() == [True]
    assert match_boxes(np.array([[0, 0, 4, 8.1]]), a).tolist() == [False]
