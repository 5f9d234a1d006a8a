"""Spatial AV-Align against the official code's counts, and against plain loops on random tables."""

from __future__ import annotations

import numpy as np
import pytest
from goldens import case

from savg.annotation import Boxes, SoundEvents
from savg.format import SAVGBENCH
from savg.metrics.spatial import FrameError, chance_baselines, spatial_av_align, spatial_report


def tables():
    golden = case("spatial_av_align")
    seld = np.split(golden["seld_rows"], np.cumsum(golden["seld_len"])[:-1])
    boxes_of_clips = np.split(golden["od_rows"], np.cumsum(golden["od_len"])[:-1])
    for i, (s, o) in enumerate(zip(seld, boxes_of_clips, strict=True)):
        events = SoundEvents(s[:, 0], s[:, 1], s[:, 2])
        boxes = Boxes(o[:, 0], o[:, 1], o[:, 2:6])
        yield i, events, boxes, int(golden["tp"][i]), int(golden["fn"][i]), golden.meta


def test_the_official_counts_to_the_row() -> None:
    total = np.zeros(2, int)
    compared = 0
    for i, events, boxes, tp, fn, meta in tables():
        compared += 1
        error = meta["upstream_error"][i]
        if error == "AssertionError":
            with pytest.raises(FrameError, match="Label frames of sound events must be"):
                spatial_av_align(events, boxes)
            continue
        alignment = spatial_av_align(events, boxes)
        if error == "ZeroDivisionError":
            assert len(alignment.matched) == 0 and alignment.score is None
            continue
        assert (alignment.tp, alignment.fn) == (tp, fn), i
        total += tp, fn
    assert compared == 51
    assert total.tolist() == [736, 961]


def by_hand(events: SoundEvents, boxes: Boxes) -> list[bool]:
    answers = []
    for frame, x in zip(events.frames.tolist(), events.x.tolist(), strict=True):
        video = min(round(frame / 10 * 4), 19)
        hit = False
        for f, (x0, _, x1, _) in zip(boxes.frames.tolist(), boxes.xyxy.tolist(), strict=True):
            if video - 1 <= f <= video + 1 and int(x1) >= int(x) - 40 and int(x0) <= int(x) + 40:
                hit = True
        answers.append(hit)
    return answers


def random_pair(rng: np.random.Generator) -> tuple[SoundEvents, Boxes]:
    n, m = rng.integers(0, 60), rng.integers(0, 40)
    events = SoundEvents(rng.integers(0, 52, n), rng.integers(0, 2, n), rng.uniform(-60, 320, n))
    left = rng.uniform(-20, 250, m)
    top = rng.uniform(0, 200, m)
    xyxy = np.stack([left, top, left + rng.uniform(0, 80, m), top + 30], 1)
    return events, Boxes(rng.integers(0, 20, m), np.zeros(m), xyxy)


def test_random_tables_agree_with_plain_loops() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        events, boxes = random_pair(rng)
        assert spatial_av_align(events, boxes).matched.tolist() == by_hand(events, boxes)


def test_mirroring_everything_changes_nothing_for_whole_pixels() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        events, boxes = random_pair(rng)
        events = events.with_x(np.rint(events.x))
        boxes = Boxes(boxes.frames, boxes.categories, np.rint(boxes.xyxy))
        both = spatial_av_align(events.mirrored(), boxes.mirrored())
        np.testing.assert_array_equal(both.matched, spatial_av_align(events, boxes).matched)


def person(x: float, frames: range = range(20)) -> Boxes:
    n = len(frames)
    return Boxes(list(frames), [0] * n, [[x - 10, 60, x + 10, 190]] * n)


def sound(x: float) -> SoundEvents:
    return SoundEvents(range(50), [0] * 50, [x] * 50)


def test_chance_baselines_by_hand() -> None:
    # one person left, one right, each heard where he is
    pairs = [(sound(40), person(40)), (sound(216), person(216))]
    baselines = chance_baselines(pairs)
    assert (baselines.centre, baselines.swapped, baselines.shuffled) == (0.0, 0.0, 0.0)
    report = spatial_report(pairs)
    assert (report.tp, report.fn, report.score) == (100, 0, 1.0)
    assert (report.low, report.high) == (1.0, 1.0)
    # a person in the middle is matched by the centre, by its mirror image and by itself
    middle = chance_baselines([(sound(128), person(128)), (sound(40), person(128))])
    assert (middle.centre, middle.swapped, middle.shuffled) == (1.0, 0.5, 0.5)


def test_shuffling_many_clips_uses_other_clips_only() -> None:
    rng = np.random.default_rng(2)
    xs = rng.uniform(0, 256, 100)
    pairs = [(sound(x), person(x)) for x in xs]
    expected = np.mean([abs(a - b) <= 50 for a in xs for b in xs if a != b])
    assert chance_baselines(pairs, rounds=99).shuffled == pytest.approx(expected, abs=0.02)
    assert spatial_report(pairs).score == 1.0


def test_the_interval_covers_the_truth() -> None:
    """Clips that are all right or all wrong with probability ½: about 95 of 100 intervals hold ½."""
    rng = np.random.default_rng(3)
    held = 0
    for trial in range(40):
        pairs = [(sound(30), person(30 if rng.random() < 0.5 else 220)) for _ in range(40)]
        report = spatial_report(pairs, seed=trial, resamples=400)
        held += report.low <= 0.5 <= report.high
    assert 34 <= held <= 40


def test_nothing_heard_or_seen() -> None:
    report = spatial_report([(SoundEvents.empty(), person(40))])
    assert report.score is None and report.low is None and report.baselines.centre is None
    assert spatial_av_align(sound(40), Boxes.empty()).fn == 50
    assert spatial_report([]).clips == 0
    longer = SAVGBENCH.with_frames(40)
    assert len(spatial_av_align(SoundEvents([99], [0], [1.0]), person(1), longer).matched) == 1


def test_clips_of_several_lengths() -> None:
    """Each is judged by its own length; of a longer clip's sounds those within the shorter count."""
    short, long = SAVGBENCH, SAVGBENCH.with_frames(40)
    frames = np.arange(long.label_frames)
    far = SoundEvents(frames, np.zeros(len(frames)), np.where(frames < 50, 30.0, 220.0))
    pairs = [(sound(30), person(30)), (far, person(30))]
    report = spatial_report(pairs, [short, long])
    # the long clip's first 8 s: the boxes of `person` lie in its first 5 s alone
    alone = spatial_av_align(far, person(30), long)
    assert (report.tp, report.fn) == (50 + alone.tp, alone.fn)
    assert report.low is not None and report.low <= report.score <= report.high
    # shuffled: 50 events of the long clip fall within the short one, and all of them match there
    back = spatial_av_align(sound(30), person(30), long)
    expected = (50 + back.tp) / 100
    assert report.baselines.shuffled == pytest.approx(expected)
    with pytest.raises(ValueError, match="a format for each of 2 clips, got 1"):
        spatial_report(pairs, [short])
