"""ZeroGPU with a stand-in for the package `spaces`: what crosses the border of processes is pickled,
and a GPU is borrowed for a time of steps and clips."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import studio_fakes
import torch

from savg.errors import Cancelled, SavgError
from savg.pipelines import joint
from savg.studio.shared import zero_gpu
from savg.studio.shared.services import Services
from savg.video import Video

FRAMES = np.zeros((24, 2, 2, 3), np.uint8)
"""Of 6 s at 4 a second."""


class Borrowed:
    """What the stand-in was asked for: seconds of each call, and messages that came back."""

    def __init__(self) -> None:
        self.seconds: list[int] = []
        self.messages: list[Any] = []
        self.closed = 0


@pytest.fixture
def borrowed(monkeypatch: pytest.MonkeyPatch) -> Borrowed:
    record = Borrowed()

    def gpu(*, duration: Callable[..., int]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def decorate(task: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any) -> Iterator[Any]:
                record.seconds.append(duration(*args))
                messages = task(*pickle.loads(pickle.dumps(args)))
                try:
                    for message in messages:
                        record.messages.append(message)
                        yield pickle.loads(pickle.dumps(message))
                finally:
                    record.closed += 1
                    messages.close()

            return call

        return decorate

    spaces = ModuleType("spaces")
    spaces.GPU = gpu  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spaces", spaces)
    monkeypatch.setenv(zero_gpu.VARIABLE, "true")
    monkeypatch.setattr(zero_gpu, "BORROW", zero_gpu._decorated())
    monkeypatch.setattr(zero_gpu, "_KEPT", {})

    def compiled(*args: Any, **options: Any) -> None:
        raise AssertionError("nothing may be compiled on ZeroGPU")

    monkeypatch.setattr(torch, "compile", compiled)
    return record


def test_clips_come_from_a_borrowed_gpu_as_they_would_without(borrowed: Borrowed) -> None:
    pipeline = joint.tiny()
    on_gpu = zero_gpu.borrowing("pipeline joint", pipeline)
    steps: list[tuple[int, int, Any]] = []

    def on_step(done: int, total: int, preview: Any) -> None:
        steps.append((done, total, preview))

    (clip,) = on_gpu(1, seed=3, first=1, steps=2, on_step=on_step)
    (own,) = pipeline(1, seed=3, first=1, steps=2)
    assert np.array_equal(clip.video, own.video) and np.array_equal(clip.audio, own.audio)
    total = pipeline.total(1, 2)
    assert [done for done, _, _ in steps] == list(range(1, total + 1))
    assert all(preview.shape[0] == 1 and preview.dtype == np.uint8 for _, _, preview in steps)
    on_gpu(2, seed=3, steps=2)
    assert borrowed.seconds == [zero_gpu.seconds_for(total), zero_gpu.seconds_for(total, clips=2)]
    assert on_gpu.stages(2) == pipeline.stages(2) and on_gpu.format == pipeline.format


def test_seconds_grow_with_steps_and_clips_up_to_what_a_call_may_last() -> None:
    one, more = zero_gpu.seconds_for(20), zero_gpu.seconds_for(20, clips=4)
    assert one == 15 and more == 30
    assert [zero_gpu._clips(first) for first in (3, Video(FRAMES, Fraction(4)))] == [3, 2]
    assert zero_gpu.seconds_for(60, clips=100) == zero_gpu.MOST_SECONDS <= 120


def test_what_goes_wrong_there_is_told_here(borrowed: Borrowed) -> None:
    on_gpu = zero_gpu.borrowing("pipeline joint", joint.tiny())
    with pytest.raises(SavgError, match="seed must be"):
        on_gpu(1, seed=-1)
    with pytest.raises(Cancelled):
        on_gpu(1, seed=0, steps=3, on_step=lambda done, total, preview: done < 2)
    done = [message[1] for message in borrowed.messages if message[0] == zero_gpu.STEP]
    assert borrowed.closed == 2 and max(done) < joint.tiny().total(1, 3)


def test_all_is_loaded_before_the_studio_is_served(borrowed: Borrowed) -> None:
    services = studio_fakes.services(seconds=0.001, both=True)
    services.load_all()
    kept = set(zero_gpu._KEPT)
    assert {"pipeline fake", "pipeline second", "persons yolox", "persons none", "sounds"} <= kept
    clip = services.pipeline("fake")(1, seed=3, steps=4)[0]
    assert len(borrowed.seconds) == 1
    annotation = services.annotate(clip, "yolox")
    assert len(annotation.boxes) and len(borrowed.seconds) == 1, "detectors borrow nothing"
    audio = services.audio_pipeline("second")(clip, seed=1, steps=2)
    assert audio.shape[0] == 2 and len(borrowed.seconds) == 2


def test_another_detector_is_named_and_not_sent(borrowed: Borrowed) -> None:
    services: Services = studio_fakes.services(seconds=0.001, both=True)
    services.load_all()
    pan = services.audio_pipeline("pan")
    detector = services._loaded["persons yolox"]
    assert pan.with_persons(detector)._persons == "persons yolox"  # type: ignore[attr-defined]
    with pytest.raises(SavgError, match="not loaded when"):
        pan.with_persons(lambda clip: None)  # type: ignore[arg-type,return-value]


def test_elsewhere_nothing_of_it_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(zero_gpu.VARIABLE, raising=False)
    pipeline = joint.tiny()
    assert zero_gpu.borrowing("pipeline joint", pipeline) is pipeline
    assert zero_gpu.BORROW is zero_gpu._messages
    monkeypatch.setitem(sys.modules, "spaces", None)
    assert zero_gpu._decorated() is zero_gpu._messages, "the package is optional"
