"""Drawn paths of what sounds: between the boxes, beyond them, as tracks, from files, in pipelines."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from savg.annotation import Boxes
from savg.cli.v2a_steering import _person
from savg.detectors.tracking import Track
from savg.device import choose
from savg.errors import SavgError
from savg.pipelines import stereosync
from savg.pipelines.box_path import BoxPath, read_box_path
from savg.pipelines.pan import PanPipeline, PanSettings
from savg.video import Soundtrack, Video

RATE = 16_000


def box(x: float) -> list[float]:
    return [x - 20, 80, x + 20, 180]


def path(*rows: tuple[float, float]) -> BoxPath:
    return BoxPath(np.array([t for t, _ in rows]), np.array([box(x) for _, x in rows]))


def video(seconds: int = 4) -> Video:
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal((2, seconds * RATE)).astype(np.float32)
    frames = np.zeros((8 * seconds, 16, 16, 3), np.uint8)
    return Video(frames, Fraction(8), None, Soundtrack(noise, RATE))


def law(x: float) -> float:
    """Left over right in dB of a box whose middle is at x, in a view of 100°."""
    azimuth = np.arctan((128 - x) / 128 * np.tan(np.deg2rad(50)))
    return 20 * np.log10((1 + np.sin(azimuth)) / (1 - np.sin(azimuth)))


def level_difference(audio: np.ndarray) -> float:
    left, right = np.square(audio.astype(np.float64)).mean(axis=1)
    return 10 * np.log10(left / right)


def test_lines_between_boxes_and_the_ends_held() -> None:
    drawn = path((1, 40), (3, 200))
    np.testing.assert_allclose(drawn.at(np.array([0, 1, 2, 3, 9]))[:, 0], [20, 20, 100, 180, 180])
    person, fps = drawn.track(Fraction(4))
    assert fps == 25 and person.frames.tolist() == list(range(100))
    assert person.x[0] == 40 and person.x[-1] == 200
    np.testing.assert_allclose(person.x[50], 40 + 160 * (50.5 / 25 - 1) / 2)


def test_a_tracked_person_is_not_there_before_and_after() -> None:
    frames = np.arange(8, 16)
    person = Track(frames, np.array([box(x) for x in frames * 10]), np.ones(8, np.bool_))
    tracked = BoxPath.of_track(person, 8)
    again, fps = tracked.track(Fraction(4))
    assert (again.frames[0], again.frames[-1]) == (25, 49) and fps == 25
    np.testing.assert_allclose(
        again.x_at(np.array([37.0])), person.x_at(np.array([37.5 * 8 / 25 - 0.5]))
    )
    short = BoxPath(np.array([0.001, 0.002]), np.array([box(50), box(50)]), held=False)
    assert len(short.track(Fraction(1))[0].frames) == 1


@pytest.mark.parametrize(
    ("seconds", "xyxy", "words"),
    [
        ([], np.zeros((0, 4)), "a box for each time"),
        ([0.0], [[1, 2, 3]], "a box for each time"),
        ([1.0, 1.0], [box(9), box(9)], "must be ≥ 0 and rise"),
        ([-1.0], [box(9)], "must be ≥ 0 and rise"),
        ([np.nan], [box(9)], "must be ≥ 0 and rise"),
        ([0.0], [[9, 9, 9, 10]], "x0 < x1"),
        ([0.0], [[0, 0, np.inf, 10]], "x0 < x1"),
    ],
)
def test_what_is_no_path(seconds: list[float], xyxy: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        BoxPath(np.array(seconds), np.array(xyxy))


def test_paths_are_read_from_json_and_csv(tmp_path: Path) -> None:
    files = {
        "a.json": '{"boxes": [[0, 10, 80, 50, 180], [1.5, 20, 80, 60, 180]]}',
        "b.json": "[[0, 10, 80, 50, 180], [1.5, 20, 80, 60, 180]]",
        "c.csv": "0,10,80,50,180\n1.5,20,80,60,180\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        assert read_box_path(tmp_path / name).at(np.array([0.75])).tolist() == [[15, 80, 55, 180]]
        whom = _person(str(tmp_path / name))
        assert isinstance(whom, BoxPath) and len(whom.seconds) == 2
    assert _person("longest") == "longest" and _person("2") == 2
    with pytest.raises(SavgError, match=r"--person must be 'longest', a number .*, got '0'"):
        _person("0")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.json", "{}", r"boxes must be a list of \[seconds, x0, y0, x1, y1\], got None"),
        ("a.json", "[[0, 1, 2]]", "boxes must be a list"),
        ("a.json", "[]", "a box for each time"),
        ("a.csv", "0,5,5,4,6\n", "x0 < x1"),
        ("a.csv", "0,1\n", r"a\.csv, line 1: expected 5 columns"),
    ],
)
def test_files_that_hold_no_path_are_told(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SavgError, match=words) as caught:
        read_box_path(tmp_path / name)
    assert name in str(caught.value)


def panning(found: list[int]) -> PanPipeline:
    """A pipeline whose detector counts how often it is asked."""

    def persons(clip: object) -> Boxes:
        found.append(1)
        return Boxes.empty()

    return PanPipeline(PanSettings(sample_rate=RATE), choose("cpu", "float32"), {}, persons)


@pytest.mark.parametrize("x", [50.0, 128.0, 220.0])
def test_pan_follows_a_path_by_the_law(x: float) -> None:
    asked: list[int] = []
    audio = panning(asked)(video(), person=path((1, x)))
    assert level_difference(audio) == pytest.approx(law(x), abs=0.1)
    assert asked == []  # nobody is looked for


def test_pan_follows_a_path_that_moves() -> None:
    steps: list[tuple[int, int]] = []
    audio = panning([])(
        video(), person=path((1, 40), (3, 216)), on_step=lambda d, n, _: steps.append((d, n))
    )
    first, last = audio[:, : RATE // 2], audio[:, -RATE // 2 :]
    assert level_difference(first) == pytest.approx(law(40), abs=0.3)
    assert level_difference(last) == pytest.approx(law(216), abs=0.3)
    assert steps[-1][0] == steps[-1][1]


def test_stereosync_gets_the_path_and_nothing_without_boxes() -> None:
    pipeline = stereosync.tiny()
    clip = video(2)
    left, right = (pipeline(clip, person=path((0, x))) for x in (40, 216))
    again = pipeline(clip, person=path((0, 40)))
    assert np.array_equal(left, again) and not np.array_equal(left, right)
    withheld = [pipeline(clip, person=path((0, x)), boxes=False) for x in (40, 216)]
    assert np.array_equal(*withheld)
