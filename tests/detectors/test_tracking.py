"""Boxes of single frames become paths of persons: identity through crossings and gaps, smooth paths."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from torchvision.ops import generalized_box_iou

from savg.annotation import Boxes
from savg.detectors.tracking import (
    Motion,
    Track,
    choose_person,
    generalised_iou,
    persons,
    smoothed,
    to_centre,
    to_corners,
    track,
)
from savg.errors import SavgError

FPS = 4


def table(rows: list[tuple[int, float, float, float]], seed: int = 0) -> Boxes:
    """Boxes (frame, middle x, width, height) standing on y = 180, in a shuffled order."""
    order = np.random.default_rng(seed).permutation(len(rows))
    frames, x, width, height = np.array([rows[i] for i in order], float).reshape(-1, 4).T
    xyxy = np.stack([x - width / 2, 180 - height, x + width / 2, np.full(len(x), 180.0)], axis=1)
    return Boxes(frames, np.zeros(len(x)), xyxy)


def test_a_person_alone_is_one_track_through_a_gap() -> None:
    x = 60 + 6 * np.arange(20)
    rows = [(k, x[k], 30, 90) for k in range(20) if k not in (7, 8, 9, 10)]
    (one,) = track(table(rows), FPS)
    assert one.frames.tolist() == list(range(20)) and one.seen == 16
    assert np.flatnonzero(~one.observed).tolist() == [7, 8, 9, 10]
    assert np.abs(one.x - x).max() < 1
    assert np.abs(to_centre(one.xyxy)[:, 3] - 90).max() < 1e-9
    assert one.x_at(np.array([-3.0, 0.5, 99.0])) == pytest.approx(
        [one.x[0], one.x[:2].mean(), one.x[-1]]
    )


def test_people_who_cross_keep_their_identity() -> None:
    steps = np.arange(24)
    right, left = 40 + 8 * steps, 220 - 8 * steps
    rows = [(k, right[k], 30, 100) for k in steps] + [(k, left[k], 30, 80) for k in steps]
    tracks = track(table(rows), FPS)
    assert len(tracks) == 2
    heights = [to_centre(one.xyxy)[:, 3].mean() for one in tracks]
    tall, small = (tracks[i] for i in np.argsort(heights)[::-1])
    assert np.abs(tall.x - right).max() < 4 and np.abs(small.x - left).max() < 4


def test_order_of_rows_and_other_categories_do_not_matter() -> None:
    rows = [(k, 60 + 5 * k, 30, 90) for k in range(12)] + [(k, 200, 34, 95) for k in range(12)]
    results = []
    for seed in (1, 2):
        boxes = table(rows, seed)
        chair = Boxes([*boxes.frames, 3], [*boxes.categories, 56], [*boxes.xyxy, [60, 90, 90, 180]])
        tracks = sorted(track(chair, FPS), key=lambda one: one.x[0])
        results.append(np.stack([one.xyxy for one in tracks]))
    assert (results[0] == results[1]).all() and results[0].shape == (2, 12, 4)


def test_somebody_gone_for_too_long_is_somebody_else() -> None:
    early = [(k, 60, 30, 90) for k in range(4)]
    for gap, count in ((8, 1), (9, 2)):  # 2 s at 4 frames a second
        late = [(3 + gap + k, 60, 30, 90) for k in range(4)]
        assert len(track(table(early + late), FPS)) == count


def test_a_far_box_is_another_person_and_a_fast_one_the_same() -> None:
    assert len(track(table([(0, 40, 30, 90), (1, 200, 30, 90)]), FPS)) == 2
    walk = [(k, 20 + 28 * k, 30, 90) for k in range(8)]  # nearly a width a frame
    assert len(track(table(walk), FPS)) == 1


def test_the_smoother_is_the_likeliest_path_of_the_model() -> None:
    """Against the solution of the whole model at once by least squares."""
    rng = np.random.default_rng(3)
    motion, scale, n = Motion(acceleration=0.7, velocity=0.5, error=0.05), 80.0, 15
    times = np.cumsum(rng.uniform(0.1, 0.4, n)) - 0.1
    detections = 100 + 40 * rng.standard_normal((n, 4))
    detections[[4, 5, 9]] = np.nan
    rows, targets = [], []

    def add(row: np.ndarray, target: np.ndarray, covariance: np.ndarray) -> None:
        weight = np.linalg.inv(np.linalg.cholesky(covariance * scale**2))
        rows.append(weight @ row)
        targets.append(weight @ target)

    def place(i: int, block: np.ndarray) -> np.ndarray:
        row = np.zeros((len(block), 2 * n))
        row[:, 2 * i : 2 * i + 2] = block
        return row

    add(
        place(0, np.eye(2)),
        np.stack([detections[0], np.zeros(4)]),
        np.diag([motion.error**2, motion.velocity**2]),
    )
    for i, t in enumerate(np.diff(times)):
        step = place(i + 1, np.eye(2)) - place(i, np.array([[1, t], [0, 1]]))
        walk = np.array([[t**3 / 3, t**2 / 2], [t**2 / 2, t]]) * motion.acceleration**2
        add(step, np.zeros((2, 4)), walk)
    for i in range(1, n):
        if not np.isnan(detections[i, 0]):
            add(
                place(i, np.array([[1.0, 0.0]])), detections[i : i + 1], np.eye(1) * motion.error**2
            )
    solution = np.linalg.lstsq(np.concatenate(rows), np.concatenate(targets), rcond=None)[0]
    path = smoothed(times, detections, scale, motion)
    assert path == pytest.approx(solution[::2], abs=1e-6)


def test_noise_of_a_detector_is_smoothed() -> None:
    rng = np.random.default_rng(5)
    x = 40 + 5 * np.arange(40)
    rows = [(k, x[k] + 4 * rng.standard_normal(), 30, 90) for k in range(40)]
    (one,) = track(table(rows), FPS)
    noise = np.abs(np.array([row[1] for row in rows]) - x).mean()
    assert np.abs(one.x - x).mean() < 0.8 * noise


def test_generalised_iou_is_torchvisions() -> None:
    rng = np.random.default_rng(0)
    a, b = (
        to_corners(np.concatenate([rng.uniform(0, 200, (n, 2)), rng.uniform(1, 80, (n, 2))], 1))
        for n in (6, 9)
    )
    expected = generalized_box_iou(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    assert generalised_iou(a, b) == pytest.approx(expected, abs=1e-12)
    assert to_corners(to_centre(a)) == pytest.approx(a)


def path(x: float, seen: int, height: float = 90) -> Track:
    centre = np.tile([x, 130.0, 30.0, height], (20, 1))
    return Track(np.arange(20), to_corners(centre), np.arange(20) < seen)


def test_one_of_several_is_chosen_by_a_rule_or_a_number() -> None:
    left, middle, right, fleeting = path(40, 12), path(100, 20, 80), path(200, 20), path(10, 2)
    tracks = [right, fleeting, middle, left]
    assert persons(tracks) == [left, middle, right]
    assert choose_person(tracks) is right  # seen as long as the middle one, and larger
    assert [choose_person(tracks, k) for k in (1, 2, 3)] == [left, middle, right]
    for wrong in (0, 4, "tallest", 1.5, True):
        with pytest.raises(SavgError, match=r"'longest' or a number in 1\.\.3.*3 persons"):
            choose_person(tracks, wrong)  # type: ignore[arg-type]
    with pytest.raises(SavgError, match="No person was found"):
        choose_person([])


def test_no_box_is_nobody_and_a_wrong_rate_is_refused() -> None:
    assert track(Boxes.empty(), FPS) == []
    assert len(track(table([(5, 40, 30, 0)]), Fraction(25, 6))) == 1  # of no height
    with pytest.raises(ValueError, match="fps must be > 0, got 0"):
        track(Boxes.empty(), 0)


def piece(first: int, x: float) -> Track:
    """Somebody who is seen in two frames."""
    corners = to_corners(np.tile([x, 130.0, 30.0, 90.0], (2, 1)))
    return Track(np.arange(first, first + 2), corners, np.ones(2, bool))


def test_pieces_of_a_broken_track_are_no_persons_and_the_sentence_says_who_there_is() -> None:
    pieces = [piece(10 * i, 20.0 * i) for i in range(9)]
    assert persons(pieces) == pieces[:1]
    assert len(persons(pieces[:4])) == 4, "people in succession, each a quarter of the time"
    whole = path(100, 20)
    assert persons([*pieces, whole]) == [whole]
    people = [path(200, 9), path(10, 9)]
    with pytest.raises(SavgError, match=r"2 persons in the video: 1 at x = 10, 2 at x = 200\)"):
        choose_person(people, 9)
