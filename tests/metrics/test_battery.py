"""Every registered metric: against its own oracle, in any order, with no clip and with one."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from metric_items import CLASSES, FEATURES, ITEMS, REFERENCE, SMALL, draw_item, small_clip
from metric_oracles import ORACLES
from metric_oracles.basic import nearest

from savg.annotation import Boxes, ClipLabels, SoundEvents
from savg.clip import Clip
from savg.errors import SavgError
from savg.evaluation.observe import extract
from savg.metrics.base import (
    Item,
    Metric,
    MetricResult,
    Need,
    NeedError,
    Observation,
    Reference,
    Truth,
)
from savg.metrics.registry import METRICS, metric_class, metric_classes


def result_of(metric: type[Metric], items: Sequence[Item]) -> MetricResult:
    filled = metric(REFERENCE)
    for item in items:
        filled.update(item)
    return filled.compute()


def test_every_metric_has_an_oracle() -> None:
    assert set(ORACLES) == set(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_the_contract_is_filled_in(name: str) -> None:
    metric = CLASSES[name]
    assert metric.name == name and metric.label and isinstance(metric.unit, str)
    assert metric.higher_is_better in (True, False, None)
    assert bool(metric.features or metric.backbones) == (Need.FEATURES in metric.needs)
    result = result_of(metric, ITEMS)
    assert all(re.fullmatch("[a-z_]+", null) for null in result.nulls) and metric.text(result)
    assert MetricResult.from_json(json.loads(json.dumps(result.to_json()))) == result


@pytest.mark.parametrize("name", METRICS)
def test_the_value_is_the_oracles(name: str) -> None:
    result = result_of(CLASSES[name], ITEMS)
    assert result.value == pytest.approx(ORACLES[name](ITEMS), rel=1e-5)
    assert result.notes.get("clips", result.n) == len(ITEMS) and 0 < result.n <= len(ITEMS)
    if result.low is not None and result.high is not None:
        assert result.low <= result.value <= result.high


@pytest.mark.parametrize("name", METRICS)
def test_neither_order_nor_company_matters(name: str) -> None:
    metric = CLASSES[name]
    expected, shuffled = result_of(metric, ITEMS), list(ITEMS)
    random.Random(1).shuffle(shuffled)
    assert json.dumps(result_of(metric, shuffled).to_json()) == json.dumps(expected.to_json())
    renamed = {f"x {name}": features for name, features in REFERENCE.features.items()}
    other = metric(Reference(renamed))
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
    if result.value is None or len(items) < 2:  # one clip says nothing of others
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
    assert list(chosen) == [n for n in METRICS if CLASSES[n].needs <= {Need.PERSONS, Need.SOUNDS}]
    assert {"spatial_av_align", "person_share", "events_per_clip"} < set(chosen)
    assert "pan_spread" not in chosen and "speech_f_score" not in chosen
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


def test_the_nearest_has_an_interval_over_clips() -> None:
    result = result_of(CLASSES["nearest_clip"], ITEMS)
    distances = [nearest([item]) for item in ITEMS]
    drawn = np.random.default_rng(0).integers(0, len(ITEMS), (2000, len(ITEMS)))
    medians = np.median(np.array(distances)[drawn], axis=1)
    expected = np.quantile(medians, [0.025, 0.975])
    assert (result.low, result.high) == pytest.approx(tuple(expected), rel=1e-5)
    assert "least" in CLASSES["nearest_clip"].text(result)


def test_reference_clips_stand_beside_the_distance_to_the_nearest_one() -> None:
    rng = np.random.default_rng(0)
    clips = rng.integers(0, 256, (9, 4, 36, 64, 3)).astype(np.uint8)
    clips[8] = clips[0, :, :, ::-1]  # a mirrored copy

    def compute(generated: np.ndarray) -> MetricResult:
        reference = {f"r{i}": {"thumbnails": clip} for i, clip in enumerate(clips)}
        metric = metric_class("nearest_clip")(Reference(reference))
        for i, thumbs in enumerate(generated):
            features = {"thumbnails": thumbs}
            observed = Observation(SoundEvents.empty(), Boxes.empty(), features=features)
            metric.update(Item(f"g{i}", observed))
        return metric.compute()

    rows = clips.reshape(9, -1).astype(float)
    mirrored = clips[:, :, :, ::-1].reshape(9, -1).astype(float)
    others = [[x for j in range(9) if j != i for x in (rows[j], mirrored[j])] for i in range(9)]
    apart = [min(np.sqrt(((rows[i] - x) ** 2).mean()) for x in others[i]) for i in range(9)]
    assert sorted(apart)[:2] == [0, 0]
    own = compute(rng.integers(0, 256, (8, 4, 36, 64, 3)).astype(np.uint8))
    assert own.nulls["among_reference"] == pytest.approx(np.median(apart), rel=1e-6)
    assert own.notes["warnings"] == []
    copied = compute(clips[:8] ^ 1)
    assert copied.value == 1.0
    assert "nearer to reference clips than those are to each other" in copied.notes["warnings"][0]
