"""SELD scores by published rules, against plain loops on random tables and cases worked by hand."""

from __future__ import annotations

from math import acos, cos, degrees, radians, sin

import numpy as np
import pytest
from seld_by_hand import blocks, stereo

from savg.metrics.seld_blocks import (
    DCASE2022_RULES,
    SAVGBENCH_RULES,
    Located,
    block_scores,
    count_blocks,
)
from savg.metrics.seld_stereo import StereoEvents, count_stereo, fold_azimuth, stereo_scores

Rows = list[tuple]


def located(rows: Rows) -> Located:
    frames, classes = (np.array([row[i] for row in rows], np.int64) for i in (0, 1))
    positions = np.array([row[2:] for row in rows], float)
    return Located(frames, classes, positions.reshape(len(rows), len(rows[0]) - 2 if rows else 1))


def scores(files: list[tuple[Rows, Rows]], rules=SAVGBENCH_RULES) -> dict[str, float]:
    counts = sum(count_blocks(*map(located, pair), rules) for pair in files)
    return {name: float(value) for name, value in block_scores(counts, rules).items()}


def random_x(rng: np.random.Generator, rows: int) -> Rows:
    return [
        (int(rng.integers(0, 45)), int(rng.integers(0, 2)), float(rng.uniform(0, 256)))
        for _ in range(rows)
    ]


def test_random_tables_by_savgbench() -> None:
    rng = np.random.default_rng(0)
    for trial in range(12):
        files = []
        for _ in range(3):
            labels = random_x(rng, int(rng.integers(1, 90)))
            near = [(f, c, x + rng.normal(0, 30)) for f, c, x in labels if rng.random() < 0.7]
            files.append((near + random_x(rng, int(rng.integers(0, 12))), labels))
        expected = blocks(files, 2, 40, 256, lambda a, b: abs(a[0] - b[0]))
        assert scores(files) == pytest.approx(expected), trial


def angle(a: tuple[float, float], b: tuple[float, float]) -> float:
    (az, el), (bz, fl) = ([radians(v) for v in p] for p in (a, b))
    dot = cos(el) * cos(az) * cos(fl) * cos(bz) + cos(el) * sin(az) * cos(fl) * sin(bz)
    return degrees(acos(max(-1, min(1, dot + sin(el) * sin(fl)))))


def test_random_tables_by_dcase2022() -> None:
    rng = np.random.default_rng(1)
    files = []
    for _ in range(4):
        labels = [
            (int(rng.integers(0, 60)), int(rng.integers(0, 13)), float(rng.uniform(-180, 180)),
             float(rng.uniform(-60, 60))) for _ in range(150)
        ]  # fmt: skip
        near = [(f, c, a + rng.normal(0, 15), e) for f, c, a, e in labels if rng.random() < 0.8]
        files.append((near, labels))
    expected = blocks(files, 13, 20, 180, angle)
    assert scores(files, DCASE2022_RULES) == pytest.approx(expected)


def test_blocks_by_hand() -> None:
    labels = [(f, 0, 100.0) for f in range(30)]
    guesses = [(f, 0, 120.0 if f < 20 else 150.0) for f in range(30)] + [(5, 1, 9.0)]
    # three blocks: right, right, 50 px away; and an instrument that is not there
    expected = {"er": 2 / 3, "f": (2 / 3 + 0) / 2, "le": (30 + 256) / 2, "lr": 0.5}
    expected["seld"] = (2 / 3 + 2 / 3 + 143 / 256 + 0.5) / 4
    assert scores([(guesses, labels)]) == pytest.approx(expected)
    both = [*labels, (2, 1, 7.0)]
    perfect = scores([(both, both)])
    assert perfect == {"er": 0, "f": 1, "le": 0, "lr": 1, "seld": 0}


def test_traits_of_the_published_blocks() -> None:
    labels = [(f, 0, 100.0) for f in range(31)]
    # the last labelled frame, 30, would begin a fourth block: neither it nor later guesses count
    assert scores([(labels[:30], labels)]) == scores([([*labels[:30], (44, 1, 0.0)], labels)])
    # label and prediction of a second that share no frame: as many misses as predicted tracks
    apart = count_blocks(
        located([(1, 0, 5.0), (1, 0, 9.0)]), located([(2, 0, 5.0), (9, 1, 0.0)]), SAVGBENCH_RULES
    )
    assert block_scores(apart, SAVGBENCH_RULES)["er"] == (2 + 1) / 2
    assert np.isnan(scores([([], [])])["er"]) and np.isnan(scores([(labels, [])])["f"])
    # a file of a day takes no longer than its rows
    day = [(900_000, 0, 0.0), (900_009, 0, 0.0)]
    assert scores([(day, day)])["er"] == 0
    # a mean at 40 px is right, above it is not
    assert scores([([(0, 0, 40.0)], [(0, 0, 0.0), (9, 0, 0.0)])])["f"] == 0.5
    assert scores([([(0, 0, 40.5)], [(0, 0, 0.0), (9, 0, 0.0)])])["f"] == 0.0


def events(rows: Rows) -> StereoEvents:
    columns = [np.array([row[i] for row in rows], float) for i in range(6)]
    whole = (column.astype(np.int64) for column in columns[:3])
    return StereoEvents(*whole, *columns[3:])


def stereo_of(files: list[tuple[Rows, Rows]], official: bool) -> dict[str, float]:
    counts = sum(count_stereo(*map(events, pair), official) for pair in files)
    return {name: float(value) for name, value in stereo_scores(counts, official).items()}


@pytest.mark.parametrize("official", [True, False])
def test_random_tables_by_dcase2025(official: bool) -> None:
    rng = np.random.default_rng(2)
    for _ in range(4):
        files = []
        for _ in range(2):
            labels = [
                (int(rng.integers(0, 12)), int(rng.integers(0, 5)), int(rng.integers(0, 3)),
                 float(rng.uniform(-180, 180)), float(rng.uniform(50, 400)),
                 int(rng.integers(0, 2))) for _ in range(70)
            ]  # fmt: skip
            near = [
                (f, c, s, a + rng.normal(0, 12), d * rng.uniform(0.5, 2.4), float(rng.random()))
                for f, c, s, a, d, _ in labels if rng.random() < 0.8
            ]  # fmt: skip
            extra = [(int(rng.integers(0, 14)), 6, 0, 10.0, 100.0, 1.0) for _ in range(3)]
            files.append((near + extra, labels))
        assert stereo_of(files, official) == pytest.approx(stereo(files, official))


def test_stereo_by_hand() -> None:
    label = (0, 2, 0, 150.0, 200.0, 1)  # behind to the left: heard as 30°
    right = (0, 2, 0, 35.0, 300.0, 1.0)
    one = stereo_of([([right], [label])], official=False)
    assert one == pytest.approx(
        {"f": 1, "f_onscreen": 1, "azimuth_error": 5, "distance_error": 100,
         "relative_distance_error": 0.5, "onscreen_accuracy": 1}
    )  # fmt: skip
    far = [(0, 2, 0, 30.0, 401.0, 1.0)]
    assert stereo_of([(far, [label])], official=False)["f"] == 0
    wide = [(0, 2, 0, 51.0, 200.0, 1.0)]
    assert stereo_of([(wide, [label])], official=False)["f"] == 0
    hidden = stereo_of([([(0, 2, 0, 30.0, 200.0, 0.0)], [label])], official=False)
    assert hidden["f"] == 1 and hidden["f_onscreen"] == 0 and hidden["onscreen_accuracy"] == 0
    # one right, one surplus, one of another class missing: F of the classes 1 / 1.5 and 0
    more = stereo_of(
        [([right, (0, 2, 1, -80.0, 9.0, 0.0)], [label, (0, 5, 0, 0.0, 9.0, 1)])], official=False
    )
    assert more["f"] == pytest.approx((1 / 1.5 + 0) / 2)


def test_traits_of_the_public_baseline() -> None:
    labels = [(f, 2, 0, 0.0, 100.0, 1) for f in range(10)]
    only_last = [(9, 2, 0, 0.0, 100.0, 1.0)]
    corrected = stereo_of([(only_last, labels)], official=False)["f"]
    assert corrected == pytest.approx(1 / (1 + 9 / 2))
    assert stereo_of([(only_last, labels)], official=True)["f"] == 0
    # all right: one class of thirteen, and a probability of 0.9 is cut off to off-screen
    probable = [(f, c, s, a, d, 0.9) for f, c, s, a, d, _ in labels]
    official = stereo_of([(probable, labels)], official=True)
    assert official["f"] == pytest.approx(1 / 13) and official["onscreen_accuracy"] == 0
    plain = stereo_of([(probable, labels)], official=False)
    assert plain["f"] == plain["onscreen_accuracy"] == plain["f_onscreen"] == 1
    # of twelve rows of a class in a frame the baseline keeps ten
    crowd = [(0, 2, source, 5.0 * source, 100.0, 1) for source in range(12)]
    end = [(1, 2, 0, 0.0, 100.0, 1)]
    assert count_stereo(events(crowd), events(crowd + end), True)[2].sum() == 10
    assert count_stereo(events(crowd), events(crowd + end), False)[2].sum() == 12


def test_folding() -> None:
    azimuths = np.array([0.0, 90, 91, 180, -180, -91, -90, 270, 359, 450])
    assert fold_azimuth(azimuths).tolist() == [0, 90, 89, 0, 0, -89, -90, -90, -1, 90]
