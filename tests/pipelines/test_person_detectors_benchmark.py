"""The measures of benchmarks/person_detectors.py, on boxes worked out by hand."""

from __future__ import annotations

import numpy as np

from benchmarks.person_detectors import found_people, hand_boxes, in_turns, label_errors, on_labels
from savg.annotation import Boxes, ClipLabels
from savg.clip import Clip
from savg.format import ClipFormat


def test_boxes_drawn_by_hand_are_of_two_people_in_every_fourth_frame() -> None:
    truth = hand_boxes()
    expected = {(clip, frame) for clip in ("joint_1", "joint_2") for frame in range(0, 20, 4)}
    assert set(truth) == expected
    for people in truth.values():
        assert people.shape == (2, 4) and (people[:, 2:] > people[:, :2]).all()
        assert people[:, [0, 2]].min() >= 0 and people[:, [0, 2]].max() <= 256
        assert people[:, [1, 3]].min() >= 56 and people[:, [1, 3]].max() <= 200


def test_a_person_is_found_where_a_box_overlaps_by_half() -> None:
    people = np.array([[0.0, 60, 20, 100], [100, 60, 140, 100]])
    truth = {("a", 0): people, ("a", 4): people}
    halves = [[0.0, 60, 20, 80], [100, 60, 119, 100], [0, 60, 20, 100]]
    boxes = Boxes(np.array([0, 0, 3]), np.zeros(3), np.array(halves))
    assert found_people({"a": boxes}, truth) == {
        "a, person 1": "1 of 2 frames",  # 0.5 of the union
        "a, person 2": "0 of 2 frames",  # 0.475
    }


def test_each_label_is_held_against_the_nearest_box_of_its_frame() -> None:
    # Label frames 0, 3 and 9 at 10 a second are video frames 0, 1 and 4 at 4 a second, the last one 3.
    labels = ClipLabels(np.array([0, 3, 9]), np.zeros(3), np.array([10.0, 50, 100]), np.zeros(3))
    corners = np.array([[0.0, 0, 30, 9], [90, 0, 110, 9], [60, 0, 80, 9]])
    boxes = Boxes(np.array([0, 0, 3]), np.zeros(3), corners)
    errors = label_errors(boxes, labels, 4, 10, 4)
    np.testing.assert_array_equal(errors, [5.0, np.nan, 30.0])
    assert on_labels(errors) == {
        "nearest box centre, median error": "17.5 px",
        "within 20 px": "33.3%",
        "no box in the label's frame": "33.3%",
    }


def test_times_are_of_each_way_over_all_clips() -> None:
    format = ClipFormat(frames=2)
    frames = np.zeros((2, 256, 256, 3), np.uint8)
    clip = Clip(frames, np.zeros((2, format.samples), np.float32), format)
    seen: list[str] = []
    ways = {
        "slow": lambda c: (seen.append("slow"), sum(range(200_000))),
        "fast": lambda c: seen.append("fast"),
    }
    times = in_turns(ways, [clip, clip])
    assert (
        seen == ["slow", "fast", "slow", "fast", "slow", "fast"]
        and times["slow"] > times["fast"] >= 0
    )
