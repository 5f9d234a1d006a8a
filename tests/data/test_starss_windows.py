"""Rules of windows and views: the fast judge against one that visits every frame in turn."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from savg.data.starss.labels import RecordingLabels
from savg.data.starss.results import RULES, Candidate, Construction, Steps
from savg.data.starss.windows import clip_labels, judge
from savg.format import ClipFormat

SETTINGS = Construction()


def table(rows: list[tuple[float, ...]]) -> RecordingLabels:
    """Labels out of rows of frame, class, source, azimuth, elevation."""
    return RecordingLabels(*np.array(rows, float).reshape(-1, 5).T)


def talking(
    frames: range, azimuth: float = 0.0, elevation: float = 0.0, label: int = 0
) -> list[tuple[float, ...]]:
    """Events of a source at one place in all of `frames`."""
    return [(frame, label, 0, azimuth, elevation) for frame in frames]


# ---- a judge written plainly


def visible_plainly(azimuth: float, elevation: float, view: int, settings: Construction) -> bool:
    """By the point where the ray meets the picture plane one unit in front of the camera."""
    a, e = math.radians(azimuth - view), math.radians(elevation)
    ahead, left, up = math.cos(a) * math.cos(e), math.sin(a) * math.cos(e), math.sin(e)
    if ahead <= 1e-9:
        return False
    half_width = math.tan(math.radians(settings.field_of_view / 2))
    half_height = half_width * settings.format.picture_height / settings.format.size
    return abs(left / ahead) <= half_width + 1e-9 and abs(up / ahead) <= half_height + 1e-9


def window_plainly(rows: list[tuple[float, ...]], settings: Construction) -> tuple[int, str | None]:
    """Category of a window and the first rule that drops it for every view."""
    of_frame = Counter(row[0] for row in rows)
    speech = len({row[0] for row in rows if row[1] in (0, 1)})
    instrument = len({row[0] for row in rows if row[1] == 9})
    category = 1 if instrument > speech else 0
    if any(row[1] not in (0, 1, 9) for row in rows):
        return category, "class"
    if any(count > 1 for count in of_frame.values()):
        return category, "overlap"
    if len(of_frame) < settings.min_active * settings.format.label_frames - 1e-9:
        return category, "activity"
    return category, None


def judge_plainly(
    labels: RecordingLabels, seconds: float, settings: Construction
) -> tuple[list[Candidate], int, dict[str, int]]:
    length = settings.format.label_frames
    columns = (labels.frames, labels.classes, labels.sources, labels.azimuths, labels.elevations)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    accepted, windows, dropped = [], 0, dict.fromkeys(RULES, 0)
    start = 0
    while (start + length) / settings.format.label_fps <= seconds + 1e-7:
        inside = [row for row in rows if start <= row[0] < start + length]
        category, rule = window_plainly(inside, settings)
        steps = settings.instrument if category else settings.speech
        if start % steps.window == 0:
            for view in range(0, 360, steps.view):
                windows += 1
                if rule is not None:
                    dropped[rule] += 1
                elif all(visible_plainly(row[3], row[4], view, settings) for row in inside):
                    accepted.append(Candidate(start, view, category))
                else:
                    dropped["off_screen"] += 1
        start += 1
    return accepted, windows, dropped


def random_labels(rng: np.random.Generator, frames: int) -> RecordingLabels:
    """People and others who move take turns of random length, with pauses, sometimes at once."""
    rows: list[tuple[float, ...]] = []
    at = int(rng.integers(0, 15))
    while at < frames + 20:
        label = int(rng.choice([0, 1, 9, 2], p=[0.35, 0.25, 0.35, 0.05]))
        azimuth, elevation = int(rng.integers(-180, 180)), int(rng.normal(0, 14))
        drift = rng.integers(-2, 3)
        if rng.random() < 0.5:
            azimuth, elevation = 50 + int(rng.integers(-3, 4)), int(rng.integers(-4, 5))
        for _ in range(int(rng.integers(5, 70))):
            if rng.random() < 0.95:
                rows.append((at, label, 0, azimuth, elevation))
            azimuth = (azimuth + drift * (rng.random() < 0.3) + 180) % 360 - 180
            at += 1
        at = max(0, at + int(rng.choice([-6, 0, 3, 9], p=[0.1, 0.4, 0.3, 0.2])))
    order = rng.permutation(len(rows))
    return table([rows[i] for i in order])


@pytest.mark.parametrize("seed", range(12))
def test_same_as_the_plain_judge(seed: int) -> None:
    rng = np.random.default_rng(seed)
    format = ClipFormat(frames=int(rng.choice([4, 8, 20])))
    settings = Construction(
        speech=Steps(int(rng.integers(1, 8)), int(rng.choice([10, 15, 24]))),
        instrument=Steps(int(rng.integers(1, 8)), int(rng.choice([8, 10, 30]))),
        min_active=float(rng.choice([0.5, 0.8, 1.0])),
        field_of_view=float(rng.choice([60.0, 100.0])),
        format=format,
    )
    labels = random_labels(rng, 260)
    seconds = float(rng.choice([25.96, 20.0, 13.37]))
    verdict = judge(labels, seconds, settings)
    accepted, windows, dropped = judge_plainly(labels, seconds, settings)
    assert list(verdict.candidates) == accepted
    assert verdict.windows == windows
    assert verdict.dropped == dropped


def test_random_labels_reach_every_rule() -> None:
    total: Counter[str] = Counter()
    for seed in range(12):
        labels = random_labels(np.random.default_rng(seed), 260)
        verdict = judge(labels, 26.0, SETTINGS)
        total.update({**verdict.dropped, "accepted": len(verdict.candidates)})
        assert sum(verdict.dropped.values()) + len(verdict.candidates) == verdict.windows
    assert all(total[rule] for rule in ("class", "overlap", "activity", "off_screen", "accepted"))
    assert total["clipping"] == 0


# ---- rules one by one


def test_a_talker_in_front_is_visible_in_eleven_views() -> None:
    verdict = judge(table(talking(range(50))), 5.0, SETTINGS)
    assert verdict.windows == 36
    assert [c.view for c in verdict.candidates] == [0, 10, 20, 30, 40, 50, 310, 320, 330, 340, 350]
    assert {c.category for c in verdict.candidates} == {0}
    assert verdict.dropped["off_screen"] == 25


@pytest.mark.parametrize(("seconds", "starts"), [(4.99, 0), (5.0, 1), (5.49, 1), (5.5, 2), (7, 5)])
def test_windows_lie_wholly_within_the_recording(seconds: float, starts: int) -> None:
    verdict = judge(table(talking(range(100))), seconds, SETTINGS)
    assert verdict.windows == starts * 36
    assert sorted({c.start for c in verdict.candidates}) == [5 * i for i in range(starts)]


def test_activity_counts_label_frames() -> None:
    assert judge(table(talking(range(40))), 5.0, SETTINGS).candidates
    verdict = judge(table(talking(range(39))), 5.0, SETTINGS)
    assert not verdict.candidates
    assert verdict.dropped["activity"] == 36


def test_two_rows_in_a_frame_overlap_even_from_one_source() -> None:
    twice = [*talking(range(50)), (30, 0, 0, 3.0, 0.0)]
    assert judge(table(twice), 5.0, SETTINGS).dropped["overlap"] == 36


def test_an_event_of_another_class_counts_before_its_overlap() -> None:
    clap = [*talking(range(50)), (30, 2, 1, 3.0, 0.0)]
    assert judge(table(clap), 5.0, SETTINGS).dropped["class"] == 36


def test_one_event_outside_the_picture_drops_a_view() -> None:
    moving = talking(range(49)) + talking(range(49, 50), azimuth=50)
    views = {c.view for c in judge(table(moving), 5.0, SETTINGS).candidates}
    assert views == {0, 10, 20, 30, 40, 50}


def test_steep_events_are_above_the_picture() -> None:
    """144 rows of a picture 256 wide at 100° reach 33.8° at its centre, less of the way at a side."""
    assert judge(table(talking(range(50), elevation=33.8)), 5.0, SETTINGS).candidates
    assert not judge(table(talking(range(50), elevation=33.9)), 5.0, SETTINGS).candidates
    views = {
        c.view for c in judge(table(talking(range(50), elevation=-30)), 5, SETTINGS).candidates
    }
    assert views == {0, 10, 20, 30, 330, 340, 350}


def test_the_category_is_that_of_more_frames_and_has_its_own_steps() -> None:
    settings = replace(SETTINGS, speech=Steps(10, 60), instrument=Steps(25, 90))
    song = table(talking(range(26)) + talking(range(26, 200), label=9))
    verdict = judge(song, 20.0, settings)
    category = {c.start: c.category for c in verdict.candidates}
    assert category == {0: 0, **dict.fromkeys(range(25, 151, 25), 1)}
    assert {c.view for c in verdict.candidates if c.category} == {0}
    assert verdict.windows == 1 * 6 + 6 * 4


def test_silence_counts_under_the_steps_of_speech() -> None:
    settings = replace(SETTINGS, speech=Steps(50, 120), instrument=Steps(1, 1))
    verdict = judge(table([]), 10.0, settings)
    assert (verdict.candidates, verdict.windows, verdict.dropped["activity"]) == ((), 6, 6)


def test_labels_beyond_the_searched_seconds_do_not_matter() -> None:
    late = [*talking(range(50)), (51, 5, 0, 0.0, 0.0), (9999, 0, 0, 0.0, 0.0)]
    assert judge(table(late), 5.0, SETTINGS) == judge(table(talking(range(50))), 5.0, SETTINGS)


def test_a_recording_shorter_than_a_clip_has_no_window() -> None:
    for seconds in (0.0, 0.04, 3.0):
        assert judge(table(talking(range(50))), seconds, SETTINGS).windows == 0


def test_five_minutes_take_less_than_fifty_milliseconds() -> None:
    rng = np.random.default_rng(0)
    frames = np.arange(3000)
    azimuths = np.cumsum(rng.normal(0, 1, 3000))
    labels = RecordingLabels(frames, frames * 0, frames * 0, azimuths, azimuths * 0)
    times = []
    for _ in range(7):
        start = time.perf_counter()
        verdict = judge(labels, 300.0, SETTINGS)
        times.append(time.perf_counter() - start)
    assert len(verdict.candidates) > 4000
    assert min(times) < 0.05


# ---- labels of a clip


def test_clip_labels_count_frames_from_the_clip_and_rotate_with_the_view() -> None:
    rows = talking(range(100, 150), azimuth=10) + talking(range(150, 200), azimuth=30, label=9)
    order = np.random.default_rng(1).permutation(len(rows))
    labels = table([rows[i] for i in order])
    clip = clip_labels(labels, Candidate(125, 20, 0), SETTINGS)
    assert clip.frames.tolist() == list(range(50))
    assert clip.classes.tolist() == [0] * 25 + [9] * 25
    focal = 128 / math.tan(math.radians(50))
    shift = focal * math.tan(math.radians(10))
    assert np.allclose(clip.x[:25], 128 + shift, atol=0.005)
    assert np.allclose(clip.x[25:], 128 - shift, atol=0.005)
    assert np.all(clip.y == 72)


def test_clip_labels_stay_in_the_picture_for_every_candidate() -> None:
    for seed in range(6):
        labels = random_labels(np.random.default_rng(seed), 260)
        for candidate in judge(labels, 26.0, SETTINGS).candidates:
            clip = clip_labels(labels, candidate, SETTINGS)
            assert 40 <= len(clip) == len(set(clip.frames.tolist())) <= 50
            assert clip.x.min() >= 0 and clip.x.max() <= 256
            assert clip.y.min() >= 0 and clip.y.max() <= 144
            assert clip.frames.min() >= 0 and clip.frames.max() < 50
