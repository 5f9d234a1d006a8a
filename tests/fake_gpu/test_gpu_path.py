"""What a GPU would do, on a machine without one: every recipe's step, every pipeline's sampling.

Tensors that say they are on a GPU compute on the CPU (`pretended.py`): an operation on two devices is
an error, and each wait of the host for the device is counted. A training step outside logging waits
never; a call of a pipeline waits where it hands over its results. Needs g++, which builds the stand-in
for CUDA's driver: without it the tests are skipped, and say so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_gpu import machine

from benchmarks import gpu_speed
from savg.pipelines.registry import AUDIO, CLIPS
from savg.train.recipe import recipe_names

HERE = Path(__file__).resolve().parent
REASON = machine.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

AT_THE_END = {"item": 1, "copy from the device": 4}
"""Waits of a call that makes two clips: whether all is finite, then frames and audio of each."""

SOUND = {"item": 1, "copy from the device": 1, "copy to the device": 2}
"""Waits of a call of a second stage: its inputs and noise, whether all is finite, the audio."""

LOOKING = "savg/detectors/", "savg/models/yolox_boxes.py"
"""Where boxes of people come from the GPU, a frame at a time: the tracker needs them as numbers."""

FRAMES = 6
"""Frames in which the tiny pipeline that follows people looks for them, and waits at a place."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What became of all cases, in one process that believes in two GPUs."""
    libraries, folder = tmp_path_factory.mktemp("driver"), tmp_path_factory.mktemp("runs")
    machine.build(libraries)
    script = HERE / "cases_pretended.py"
    return machine.run_cases(script, libraries, folder, result=folder / "out.json")


def of_kind(waits: dict[str, int]) -> dict[str, int]:
    """Numbers of waits by kind."""
    kinds: dict[str, int] = {}
    for place, count in waits.items():
        kind = place.partition(" at ")[0]
        kinds[kind] = kinds.get(kind, 0) + count
    return kinds


@pytest.mark.parametrize("name", [*recipe_names(), "distill, guided video"])
def test_a_training_step_never_waits_for_the_gpu(
    name: str, results: dict[str, dict[str, Any]]
) -> None:
    result = results[f"recipe {name}"]
    assert "problem" not in result, result["problem"]
    assert result["reached"] == 3 and result["waits"] == {}


@pytest.mark.parametrize("name", ["seld", "mmaudio"])
def test_a_run_on_another_gpu_leaves_the_first_alone(
    name: str, results: dict[str, dict[str, Any]]
) -> None:
    """`--device cuda:1`: network, data, features and sheets."""
    assert results[f"recipe {name}"]["devices"] == [1]


@pytest.mark.parametrize("name", list(CLIPS))
def test_sampling_never_waits_for_the_gpu_and_makes_the_same_clip(
    name: str, results: dict[str, dict[str, Any]]
) -> None:
    result = results[f"pipeline {name}"]
    assert "problem" not in result, result["problem"]
    allowed = dict(AT_THE_END)
    if CLIPS[name.partition(",")[0]].options >= {"audio_steps"}:
        allowed = {kind: allowed.get(kind, 0) + count for kind, count in SOUND.items()}
        allowed |= {"item": 2}
    assert all(count <= allowed.get(k, 0) for k, count in of_kind(result["waits"]).items()), result
    assert result["worst"] <= 1 and result["devices"] == [0]  # one step of 255 where a value rounds


def test_the_adaptive_solver_waits_once_a_tried_step(results: dict[str, dict[str, Any]]) -> None:
    """It reads the error, by which it chooses the next step; such a step takes two evaluations."""
    result = results["pipeline joint, dpmpp_adaptive"]
    assert "problem" not in result, result["problem"]
    kinds = of_kind(result["waits"])
    tries = result["evaluations"] // 2
    assert kinds == {**AT_THE_END, "copy from the device": 4 + tries} and tries > 1


def test_ancestral_sampling_draws_its_noise_without_a_wait(
    results: dict[str, dict[str, Any]],
) -> None:
    assert of_kind(results["pipeline joint, ddpm"]["waits"]) == AT_THE_END


@pytest.mark.parametrize("name", list(AUDIO))
def test_audio_for_a_video_waits_for_its_inputs_and_results_alone(
    name: str, results: dict[str, dict[str, Any]]
) -> None:
    result = results[f"pipeline {name}"]
    assert "problem" not in result, result["problem"]
    allowed = dict(SOUND)
    if "person" in AUDIO[name].options:
        allowed["copy to the device"] += 2  # boxes, envelope and embedding, in place of frames
        boxes = {k: v for k, v in result["waits"].items() if any(part in k for part in LOOKING)}
        assert boxes and max(boxes.values()) <= FRAMES
        result["waits"] = {k: v for k, v in result["waits"].items() if k not in boxes}
    assert all(count <= allowed.get(k, 0) for k, count in of_kind(result["waits"]).items()), result
    assert result["worst"] < 1e-3


def test_the_benchmark_prints_its_whole_table(results: dict[str, dict[str, Any]]) -> None:
    result = results["benchmark"]
    assert "problem" not in result, result["problem"]
    text = result["text"]
    assert result["code"] == 0 and result["devices"] == [0]
    for name in gpu_speed.TINY:
        assert f"| {name} | 2 | " in text
    for setting in gpu_speed.SETTINGS:
        assert f"96 clips, {setting}, s" in text
    assert "| eager |" in text and "samples/s" in text and "memory GiB" in text


def test_what_is_broken_on_purpose_is_found(results: dict[str, dict[str, Any]]) -> None:
    forgotten = results["broken: a copy forgotten"]
    assert "tensors on cpu and cuda:0" in forgotten["problem"]
    assert "savg/models" in forgotten["problem"]
    for name in ("an item too many", "a number in an if"):
        assert of_kind(results[f"broken: {name}"]["waits"]) == {"item": 1}, name
