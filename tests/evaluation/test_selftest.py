"""The check-up of metrics: verdicts by hand, and a small run with detectors that read the truth."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

import numpy as np
import pytest

from savg.annotation import Boxes, SoundEvents
from savg.audio.levels import pan
from savg.clip import Clip
from savg.errors import SavgError
from savg.evaluation.cache import Cache
from savg.evaluation.observe import Detectors
from savg.evaluation.observers import Observers
from savg.evaluation.selftest import (
    BETTER,
    OTHER,
    UNDEFINED,
    UNSEEN,
    WORSE,
    Subject,
    as_markdown,
    as_svg,
    effect,
    run_selftest,
    verdict,
)
from savg.format import SAVGBENCH
from savg.metrics.base import MetricResult
from savg.metrics.registry import metric_class


def result(value: float | None, half: float | None = None) -> MetricResult:
    bounds = (None, None) if half is None or value is None else (value - half, value + half)
    return MetricResult("x", value, *bounds, 5, notes={"reason": "No clip has a value."})


def test_an_effect_is_counted_in_standard_errors() -> None:
    half = 1.959963984540054
    assert effect(result(1, 3 * half), result(11, 4 * half)) == pytest.approx(2.0)
    assert effect(result(1, 2 * half), result(0)) == pytest.approx(-0.5)  # one interval is enough
    assert effect(result(1), result(2)) is None and effect(result(None), result(2, 1)) is None
    assert effect(result(1, 0), result(1, 0)) == 0
    assert effect(result(1, 0), result(0, 0)) == -99  # never varies, and yet it changed


@pytest.mark.parametrize(
    ("clean", "worse", "higher", "expected"),
    [
        (result(0.9, 0.1), result(0.2, 0.1), True, WORSE),
        (result(0.9, 0.1), result(0.2, 0.1), False, BETTER),
        (result(0.9, 0.1), result(0.2, 0.1), None, OTHER),
        (result(0.9, 0.1), result(0.85, 0.1), True, UNSEEN),
        (result(0.9, 0.1), result(None), True, UNDEFINED),
        (result(None), result(0.3, 0.1), True, UNSEEN),
        (result(100.0), result(104.0), False, UNSEEN),
        (result(100.0), result(106.0), False, WORSE),
    ],
)
def test_verdicts(
    clean: MetricResult, worse: MetricResult, higher: bool | None, expected: str
) -> None:
    assert verdict(clean, worse, higher) == expected


def subject(index: int, seen: list[int]) -> Subject:
    """A bright column where the sound is."""
    format = SAVGBENCH
    x = 40 + 20 * (index % 10)
    video = np.zeros((format.frames, 256, 256, 3), np.uint8)
    video[:, 100:160, x - 8 : x + 8] = 255
    side = (x - 128) / 128 * 0.8
    rng = np.random.default_rng(index)
    mono = rng.normal(0, 0.05, format.samples)
    audio = np.stack([mono * (1 - side), mono * (1 + side)]).astype(np.float32)

    def read() -> Clip:
        seen.append(index)
        return Clip(video, audio, format)

    return Subject(f"{index:02d}", read, f"key{index}")


class Persons:
    """The brightest column as a person in every frame."""

    provenance: ClassVar = {"backbone": "brightest column"}

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, clip: Clip) -> Boxes:
        self.calls += 1
        column = clip.video[0].astype(float).sum(axis=(0, 2))
        x = float((column * np.arange(256)).sum() / max(column.sum(), 1))
        frames = np.arange(clip.format.frames)
        return Boxes(frames, 0 * frames, np.tile([x - 8, 100, x + 8, 160], (len(frames), 1)))


def sounds(clip: Clip) -> SoundEvents:
    """A sound event in each label frame where the pan points; none in silence."""
    value = pan(clip.audio)
    frames = np.arange(0 if np.isnan(value) else clip.format.label_frames)
    return SoundEvents(frames, 0 * frames, np.full(len(frames), 128 + 128 * value / 0.8))


def test_a_small_run_tells_what_a_metric_sees(tmp_path: Path) -> None:
    seen: list[int] = []
    persons = Persons()
    metrics = {name: metric_class(name) for name in ("spatial_av_align", "person_share")}
    observers = Observers.for_metrics(metrics.values(), Detectors(persons, sounds))
    subjects = [subject(index, seen) for index in range(10)]
    keys = [("pan", 5.0), ("pan", 60.0), ("swapped", 1.0), ("silence", 100.0), ("blur", 2.0)]
    test = run_selftest(
        subjects, [subject(20, seen)], metrics, observers, Cache(tmp_path), keys, seed=3
    )
    assert test.clips == 10 and test.reference == 1 and test.metrics == list(metrics)
    assert test.clean["spatial_av_align"].value == 1.0
    verdicts = {key: test.verdict("spatial_av_align", key) for key in keys}
    assert verdicts == {
        ("pan", 5.0): UNSEEN,
        ("pan", 60.0): WORSE,
        ("swapped", 1.0): WORSE,
        ("silence", 100.0): UNDEFINED,
        ("blur", 2.0): UNSEEN,
    }
    assert {test.verdict("person_share", key) for key in keys} == {UNSEEN}
    assert persons.calls == 10 + 1 + 10  # as they are, reference, blurred: video is looked at once
    table = as_markdown(test).splitlines()
    assert table[0].startswith("| metric | as they are | pan error | swapped channels |")
    assert "seen from 60°" in table[2] and "undefined" in table[2]
    assert table[-2] == "" and table[-1].startswith("10 clips can show gross damages alone")
    many = as_markdown(replace(test, clips=16)).splitlines()
    assert many == table[: len(many)] and len(many) == 2 + len(metrics)
    root = ElementTree.fromstring(as_svg(test))
    titles = [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any(t.startswith("Spatial AV-Align, pan error 60°: 1.000 → ") for t in titles)
    data = json.loads(json.dumps(test.to_json(), allow_nan=False))
    assert [d["title"] for d in data["damages"]][:2] == ["pan error 5°", "pan error 60°"]
    assert data["damages"][1]["metrics"]["spatial_av_align"]["verdict"] == WORSE


def test_a_clip_that_cannot_be_read_ends_the_check_up() -> None:
    def read() -> Clip:
        raise SavgError("x.mp4 has no video.")

    metrics = {"person_share": metric_class("person_share")}
    observers = Observers.for_metrics(metrics.values(), Detectors(Persons(), sounds))
    with pytest.raises(SavgError, match=r"x\.mp4 has no video"):
        run_selftest([Subject("x", read)], [], metrics, observers, damages=[("mono", 1.0)])
