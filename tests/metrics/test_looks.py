"""Edges and motion inside people, against numbers by hand and plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from savg.annotation import Boxes
from savg.clip import Clip
from savg.format import SAVGBENCH
from savg.metrics.looks import (
    CHANGE,
    EDGES,
    Looks,
    inside_people,
    people_mask,
    relative_looks,
)

FORMAT = SAVGBENCH.with_frames(3)


def clip(video: np.ndarray) -> Clip:
    return Clip(video, np.zeros((2, FORMAT.samples), np.float32), FORMAT)


def boxes(*rows: tuple[int, float, float, float, float]) -> Boxes:
    table = np.array(rows, float).reshape(-1, 5)
    return Boxes(table[:, 0].astype(int), np.zeros(len(table), int), table[:, 1:])


def by_loops(video: np.ndarray, people: Boxes) -> Looks:
    """The same figures pixel by pixel."""
    edges, change, edge_pixels, change_pixels = 0.0, 0.0, 0, 0
    grey = video.astype(float).mean(axis=3)

    def inside(frame: int, y: int, x: int) -> bool:
        return any(
            f == frame and x0 < x + 0.5 < x1 and y0 < y + 0.5 < y1
            for f, (x0, y0, x1, y1) in zip(people.frames, people.xyxy, strict=True)
        )

    for f in range(FORMAT.frames):
        for y in range(FORMAT.top, FORMAT.bottom):
            for x in range(FORMAT.size):
                here = inside(f, y, x)
                if here and x < FORMAT.size - 1 and y < FORMAT.bottom - 1:
                    right = grey[f, y, x + 1] - grey[f, y, x]
                    edges += math.hypot(right, grey[f, y + 1, x] - grey[f, y, x])
                    edge_pixels += 1
                if f + 1 < FORMAT.frames and (here or inside(f + 1, y, x)):
                    change += abs(grey[f + 1, y, x] - grey[f, y, x])
                    change_pixels += 1
    return Looks(edges, edge_pixels, change, change_pixels)


def test_edges_and_change_are_those_of_plain_loops() -> None:
    rng = np.random.default_rng(3)
    video = rng.integers(0, 256, (3, 256, 256, 3)).astype(np.uint8)
    people = boxes(
        (0, 10.2, 60.0, 24.7, 90.0),
        (0, 20.0, 70.0, 30.0, 80.0),  # overlaps the one before, and counts once
        (1, 240.0, 180.0, 300.0, 230.0),  # beyond the picture
        (2, 12.0, 60.0, 25.0, 90.0),
    )
    ours, expected = inside_people(clip(video), people), by_loops(video, people)
    assert (ours.edge_pixels, ours.change_pixels) == (
        expected.edge_pixels,
        expected.change_pixels,
    )
    assert ours.edges == pytest.approx(expected.edges) and ours.edge_pixels > 500
    assert ours.change == pytest.approx(expected.change)


def test_a_ramp_has_its_slope_and_a_brighter_frame_its_step() -> None:
    video = np.zeros((3, 256, 256, 3), np.uint8)
    video[:] = np.arange(256, dtype=np.uint8)[None, None, :, None]
    video[1] += 30
    person = boxes(*((f, 100, 80, 120, 160) for f in range(3)))
    looks = inside_people(clip(video), person)
    assert looks.edge_pixels == 3 * 20 * 80 and looks.change_pixels == 2 * 20 * 80
    assert looks.edges / looks.edge_pixels == pytest.approx(1.0)
    assert looks.change / looks.change_pixels == pytest.approx(30)
    nobody = inside_people(clip(video), Boxes.empty())
    assert nobody == Looks(0.0, 0, 0.0, 0)


def test_boxes_are_pixels_of_the_published_frame_whatever_the_clips_size() -> None:
    small = SAVGBENCH.with_size(64).with_frames(3)
    video = np.zeros((3, 64, 64, 3), np.uint8)
    one = Clip(video, np.zeros((2, small.samples), np.float32), small)
    mask = people_mask(one, boxes((1, 128, 0, 160, 256)))
    assert mask.shape == one.picture.shape[:3]
    assert np.unique(np.nonzero(mask)[2]).tolist() == list(range(32, 40))
    assert not mask[0].any() and mask[1].any(axis=1).all()


def test_looks_are_multiples_of_the_datas() -> None:
    data = [Looks(100.0, 10, 40.0, 10), Looks(0.0, 0, 0.0, 0), Looks(300.0, 30, 40.0, 10)]
    own = [Looks(20.0, 5, 6.0, 2), Looks(30.0, 5, 6.0, 2)]
    result = relative_looks(own, data)
    assert result[EDGES].value == pytest.approx(5 / 10)
    assert result[CHANGE].value == pytest.approx(3 / 4)
    assert result[EDGES].n == 2 and result[EDGES].notes["levels_of_data"] == 10
    assert result[EDGES].low == pytest.approx(0.4) and result[EDGES].high == pytest.approx(0.6)
    nobody = relative_looks([data[1]], data)
    assert nobody[EDGES].value is None and "Nobody" in nobody[EDGES].notes["reason"]
    flat = [Looks(0.0, 9, 0.0, 9)] * 2
    assert relative_looks(own, flat)[CHANGE].value is None
    assert Looks.of_array(own[0].array()) == own[0]
    with pytest.raises(ValueError, match=r"shape \(4,\), got \(3,\)"):
        Looks.of_array(np.zeros(3))
