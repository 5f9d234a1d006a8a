"""Every registered metric: against its own oracle, in any order, with no clip and with one."""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import linear_sum_assignment

from savg.annotation import Boxes, ClipLabels, SoundEvents
from savg.clip import Clip
from savg.errors import SavgError
from savg.evaluation.observe import extract, features_of, reference_of
from savg.format import SAVGBENCH
from savg.metrics.base import Item, Metric, MetricResult, Need, NeedError, Observation, Truth
from savg.metrics.registry import METRICS, metric_class, metric_classes
from savg.metrics.spatial import BASELINES

SMALL = SAVGBENCH.with_size(64)
CLASSES = {name: metric_class(name) for name in METRICS}
FEATURES = features_of(CLASSES.values())


def small_clip(rng: np.random.Generator, silent: bool = False) -> Clip:
    """Noise in the frames, a bright block that moves, and noise at one side."""
    video = rng.integers(0, 60, (SMALL.frames, 64, 64, 3)).astype(np.uint8)
    left = int(rng.integers(4, 52))
    for frame in range(SMALL.frames):
        top = 20 + frame % 12
        video[frame, top : top + 8, left : left + 8] = 250
    audio = rng.normal(0, 0.05, (2, SMALL.samples)).astype(np.float32).clip(-1, 1)
    audio *= 0 if silent else rng.uniform(0.1, 1, (2, 1)).astype(np.float32)
    return Clip(video, audio, SMALL)


def draw_item(index: int, silent: bool = False) -> Item:
    rng = np.random.default_rng(index)
    clip = small_clip(rng, silent)
    n, m = int(rng.integers(5, 40)), int(rng.integers(1, 25))
    events = SoundEvents(rng.integers(0, 50, n), rng.integers(0, 2, n), rng.uniform(-20, 270, n))
    left, top = rng.uniform(0, 230, m), rng.uniform(0, 150, m)
    xyxy = np.stack([left, top, left + rng.uniform(10, 60, m), top + rng.uniform(10, 90, m)], 1)
    detections = Boxes(rng.integers(0, 20, m), np.zeros(m), xyxy, rng.uniform(0.3, 1, m))
    labels = events.with_x(events.x + rng.normal(0, 40, n))
    truth = Truth(
        labels, Boxes(detections.frames, detections.categories, xyxy + rng.uniform(0, 6, (m, 1)))
    )
    observation = Observation(events, detections, features=extract(clip, FEATURES))
    return Item(f"clip {index:02d}", observation, clip, truth)


ITEMS = [draw_item(index) for index in range(9)]
REFERENCE_CLIPS = [small_clip(np.random.default_rng(100 + index)) for index in range(5)]
REFERENCE = reference_of(REFERENCE_CLIPS, FEATURES)


def result_of(metric: type[Metric], items: Sequence[Item]) -> MetricResult:
    filled = metric(REFERENCE)
    for item in items:
        filled.update(item)
    return filled.compute()


def spatial(items: Sequence[Item], keep: Callable[[float], bool] = lambda x: True) -> float:
    matched = []
    for item in items:
        events, boxes = item.observation.events, item.observation.boxes
        for frame, x in zip(events.frames.tolist(), events.x.tolist(), strict=True):
            if not keep(x):
                continue
            video = min(round(frame / 10 * 4), 19)
            matched.append(
                any(
                    abs(f - video) <= 1 and int(x1) >= int(x) - 40 and int(x0) <= int(x) + 40
                    for f, (x0, _, x1, _) in zip(
                        boxes.frames.tolist(), boxes.xyxy.tolist(), strict=True
                    )
                )
            )
    return sum(matched) / len(matched)


def f_score(items: Sequence[Item], category: int) -> float:
    tp = ours = theirs = 0
    for item in items:
        assert item.truth is not None
        for frame in range(50):
            a, b = (
                t.x[(t.frames == frame) & (t.categories == category)]
                for t in (item.observation.events, item.truth.events)
            )
            fits = np.abs(a[:, None] - b[None]) <= 40
            tp += int(fits[linear_sum_assignment(fits, maximize=True)].sum())
            ours, theirs = ours + len(a), theirs + len(b)
    return 2 * tp / (ours + theirs)


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    common = max(wide, 0) * max(high, 0)
    return (
        common
        / sum((r[2] - r[0]) * (r[3] - r[1]) for r in (a, b))
        / (1 - common / sum((r[2] - r[0]) * (r[3] - r[1]) for r in (a, b)))
    )


def ap50(items: Sequence[Item]) -> float:
    guesses, truths, taken = [], 0, set()
    for item in items:
        assert item.truth is not None and item.observation.boxes.scores is not None
        truths += len(item.truth.boxes)
        boxes = item.observation.boxes
        guesses += [
            (float(s), item, int(f), box)
            for s, f, box in zip(boxes.scores, boxes.frames, boxes.xyxy.tolist(), strict=True)
        ]
    hits = []
    for _, item, frame, box in sorted(guesses, key=lambda g: -g[0]):
        real = item.truth.boxes
        free = [
            (overlap(box, real.xyxy[k].tolist()), k)
            for k in range(len(real))
            if real.frames[k] == frame and (item.name, k) not in taken
        ]
        best, k = max(free, default=(0.0, -1))
        hits.append(best >= 0.5)
        if hits[-1]:
            taken.add((item.name, k))
    curve = [(sum(hits[:n]) / truths, sum(hits[:n]) / n) for n in range(1, len(hits) + 1)]
    best_from = [
        max((p for r, p in curve if r >= level / 100), default=0.0) for level in range(101)
    ]
    return sum(best_from) / 101


def pan(item: Item) -> float:
    assert item.clip is not None
    left, right = (float(np.linalg.norm(channel.astype(float))) for channel in item.clip.audio)
    return (right - left) / (right + left)


def motion(item: Item) -> float:
    assert item.clip is not None
    grey = item.clip.picture.astype(float).mean(axis=-1)
    still = np.median(grey, axis=0)
    change = [np.mean([np.abs(f[:, x] - still[:, x]).mean() for f in grey]) for x in range(64)]
    weight = [max(c - statistics.median(change), 0) for c in change]
    return sum(w * (x + 0.5) for x, w in enumerate(weight)) / sum(weight)


def surest(item: Item) -> float:
    boxes, centres = item.observation.boxes, {}
    assert boxes.scores is not None
    order = np.argsort(boxes.scores)  # the surest of a frame is written last
    for frame, (x0, _, x1, _) in zip(boxes.frames[order], boxes.xyxy[order], strict=True):
        centres[int(frame)] = (x0 + x1) / 2
    return statistics.fmean(centres.values())


def nearest(items: Sequence[Item]) -> float:
    distances = []
    for item in items:
        assert item.clip is not None
        a = item.clip.picture[::5].astype(float)
        b = [c.picture[::5].astype(float) for c in REFERENCE_CLIPS]
        both = [*b, *(x[:, :, ::-1] for x in b)]
        distances.append(min(float(np.sqrt(((a - x) ** 2).mean())) for x in both))
    return statistics.median(distances)


ORACLES: dict[str, Callable[[Sequence[Item]], float]] = {
    "speech_f_score": lambda items: f_score(items, 0),
    "instrument_f_score": lambda items: f_score(items, 1),
    "person_ap50": ap50,
    "spatial_av_align": spatial,
    "spatial_off_centre": lambda items: spatial(items, lambda x: abs(x - 128) > 40),
    "pan_spread": lambda items: statistics.pstdev(map(pan, items)),
    "pan_person": lambda items: stats.pearsonr([*map(pan, items)], [*map(surest, items)])[0],
    "pan_motion": lambda items: stats.pearsonr([*map(pan, items)], [*map(motion, items)])[0],
    "person_share": lambda items: statistics.fmean(
        len(set(i.observation.boxes.frames.tolist())) / 20 for i in items
    ),
    "nearest_clip": nearest,
    "events_per_clip": lambda items: statistics.fmean(len(i.observation.events) for i in items),
}


def test_every_metric_has_an_oracle() -> None:
    assert set(ORACLES) == set(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_the_contract_is_filled_in(name: str) -> None:
    metric = CLASSES[name]
    assert metric.name == name and metric.label and isinstance(metric.unit, str)
    assert metric.higher_is_better in (True, False, None)
    assert bool(metric.features) == (Need.FEATURES in metric.needs)
    result = result_of(metric, ITEMS)
    assert set(result.nulls) <= set(BASELINES) and metric.text(result)
    assert MetricResult.from_json(json.loads(json.dumps(result.to_json()))) == result


@pytest.mark.parametrize("name", METRICS)
def test_the_value_is_the_oracles(name: str) -> None:
    result = result_of(CLASSES[name], ITEMS)
    assert result.value == pytest.approx(ORACLES[name](ITEMS), rel=1e-5)
    assert result.n == len(ITEMS)
    if result.low is not None and result.high is not None:
        assert result.low <= result.value <= result.high


@pytest.mark.parametrize("name", METRICS)
def test_neither_order_nor_company_matters(name: str) -> None:
    metric = CLASSES[name]
    expected, shuffled = result_of(metric, ITEMS), list(ITEMS)
    random.Random(1).shuffle(shuffled)
    assert json.dumps(result_of(metric, shuffled).to_json()) == json.dumps(expected.to_json())
    other = metric(REFERENCE)
    for item in ITEMS:
        other.update(replace(item, name=f"x {item.name}"))
        other.compute()  # computing early changes nothing
    assert other.compute() == expected
    alone = [metric.cells(item) for item in ITEMS]
    assert [metric.cells(item) for item in shuffled] == [alone[ITEMS.index(i)] for i in shuffled]


def empty_item() -> Item:
    item = draw_item(50, silent=True)
    empty = Observation(SoundEvents.empty(), no_boxes(), features=item.observation.features)
    labels = ClipLabels(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0))
    return Item("quiet", empty, item.clip, Truth(labels, Boxes.empty()))


def no_boxes() -> Boxes:
    return Boxes(np.zeros(0), np.zeros(0), np.zeros((0, 4)), np.zeros(0))


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(
    "items", [[], [ITEMS[0]], [empty_item()], [empty_item(), ITEMS[0]]], ids=len
)
def test_few_clips_give_a_number_or_a_sentence(name: str, items: list[Item]) -> None:
    result = result_of(CLASSES[name], items)
    text = json.dumps(result.to_json(), allow_nan=False)
    assert "NaN" not in text and CLASSES[name].text(result)
    if result.value is None:
        reason = result.notes["reason"]
        assert reason.endswith(".") and reason[0].isupper() and len(reason.split()) > 3
        assert result.low is None and result.high is None
    for item in items:
        json.dumps(dict(CLASSES[name].cells(item)), allow_nan=False)


def test_a_missing_input_is_named() -> None:
    bare = replace(ITEMS[0], truth=None, observation=replace(ITEMS[0].observation, features={}))
    with pytest.raises(NeedError, match="person AP50 needs true tables of clip 00"):
        CLASSES["person_ap50"]().update(bare)
    with pytest.raises(NeedError, match="pan spread needs the feature 'pan' of clip 00"):
        CLASSES["pan_spread"]().update(bare)
    with pytest.raises(NeedError, match="needs a reference set"):
        CLASSES["nearest_clip"]()
    with pytest.raises(ValueError, match="has taken in 'clip 00' already"):
        result_of(CLASSES["events_per_clip"], [bare, bare])
    with pytest.raises(ValueError, match="value of x must be finite or None, got nan"):
        MetricResult("x", float("nan"))
    with pytest.raises(ValueError, match="without a value must note its reason"):
        MetricResult("x", None)


@pytest.mark.parametrize(
    "wrong", [{"n": float("inf")}, {"value": "1"}, {"nulls": []}, None, [], "x"]
)
def test_a_result_of_another_form_is_refused(wrong: object) -> None:
    right = MetricResult("x", 1.0).to_json()
    for data in (wrong, {"name": "x"}, {**right, **wrong} if isinstance(wrong, dict) else wrong):
        with pytest.raises(ValueError, match=r"must have the form of MetricResult\.to_json"):
            MetricResult.from_json(data)
    assert MetricResult.from_json(right) == MetricResult("x", 1.0)


def test_metrics_are_chosen_by_name_or_by_available_inputs() -> None:
    chosen = metric_classes(None, {Need.PERSONS, Need.SOUNDS})
    assert list(chosen) == [
        "spatial_av_align", "spatial_off_centre", "person_share", "events_per_clip"
    ]  # fmt: skip
    assert list(metric_classes(["pan_spread"], {Need.FEATURES})) == ["pan_spread"]
    with pytest.raises(SavgError, match=r"one of speech_f_score, .*, got 'loudness'"):
        metric_class("loudness")


def test_clips_of_another_length_are_left_out_of_the_nearest() -> None:
    rng = np.random.default_rng(0)
    short = SMALL.with_frames(8)
    clip = small_clip(rng)
    cut = Clip(clip.video[:8], np.ascontiguousarray(clip.audio[:, : short.samples]), short)
    observed = Observation(SoundEvents.empty(), no_boxes(), features=extract(cut, FEATURES))
    both = result_of(CLASSES["nearest_clip"], [Item("short", observed), ITEMS[0]])
    assert both.n == 1 and both.value == pytest.approx(nearest([ITEMS[0]]), rel=1e-5)
    assert result_of(CLASSES["nearest_clip"], [Item("short", observed)]).value is None
