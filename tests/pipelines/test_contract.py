"""What every pipeline holds to: those of the registries, stages of others, and the studio's fakes."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import studio_fakes
import torch
import toy_pipeline
from numpy.typing import NDArray

from savg.clip import Clip
from savg.errors import Cancelled, CheckpointError, SavgError
from savg.hub import CONFIG_FILE, write_json
from savg.pipelines import video as video_stage
from savg.pipelines.base import AudioPipeline, ClipPipeline, Pipeline
from savg.pipelines.description import Description
from savg.pipelines.registry import AUDIO, CLIPS, Entry
from savg.video import Video

ROUNDING = 1e-4
"""float32 rounding differs with the batch's shape."""


def tiny(entry: Entry) -> Callable[[], Pipeline]:
    module = importlib.import_module(entry.place.split(":")[0])
    make: Callable[[], Pipeline] = module.tiny
    return make


MAKERS: dict[str, Callable[[], Pipeline]] = {
    **{
        name: tiny(entry) for registry in (CLIPS, AUDIO) for name, entry in registry.entries.items()
    },
    "video": video_stage.tiny,
    "toy": toy_pipeline.tiny,
    "fake": lambda: studio_fakes.FakePipeline(0),
    "fake_two_stage": lambda: studio_fakes.FakeTwoStage(0),
    "fake_audio": lambda: studio_fakes.FakeAudioPipeline(0),
}


@pytest.fixture(scope="module", params=MAKERS)
def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    return MAKERS[request.param]()


def video(index: int) -> Video:
    frames = np.random.default_rng(max(index, 0)).integers(0, 255, (8, 32, 32, 3), dtype=np.uint8)
    return Video(frames, Fraction(4))


def results(pipeline: Any, count: int, *, seed: int = 0, first: int = 0, **options: Any) -> list:
    """Results number first, first + 1, … of a seed, as lists of arrays."""
    if isinstance(pipeline, AudioPipeline):
        videos = [video(index) for index in range(first, first + count)]
        outputs: Sequence[Any] = pipeline.for_videos(videos, seed, first=first, **options)
    else:
        outputs = pipeline(count, seed=seed, first=first, **options)
    assert len(outputs) == count
    return [[one.video, one.audio] if isinstance(one, Clip) else [one] for one in outputs]


def total(pipeline: Any, count: int, **options: Any) -> int:
    if isinstance(pipeline, AudioPipeline):
        return pipeline.total([Fraction(2)] * count, **options)
    return pipeline.total(count, **options)


def close(one: list[NDArray[Any]], other: list[NDArray[Any]]) -> bool:
    return all(
        np.abs(a.astype(float) - b).max() <= (1 if a.dtype == np.uint8 else ROUNDING)
        for a, b in zip(one, other, strict=True)
    )


def equal(one: list[NDArray[Any]], other: list[NDArray[Any]]) -> bool:
    return all(a.dtype == b.dtype and (a == b).all() for a, b in zip(one, other, strict=True))


def test_a_result_is_what_its_output_says(pipeline: Pipeline) -> None:
    (arrays,) = results(pipeline, 1, seed=1)
    kinds = [(array.dtype, array.ndim) for array in arrays]
    frames, audio = (np.dtype(np.uint8), 4), (np.dtype(np.float32), 2)
    expected = {"clip": [frames, audio], "frames": [frames], "audio": [audio]}
    assert kinds == expected[pipeline.output]
    assert isinstance(pipeline, {"clip": ClipPipeline, "audio": AudioPipeline}.get(
        pipeline.output, Pipeline
    ))  # fmt: skip
    assert pipeline.compute.device.type == "cpu" and pipeline.batch_size >= 1


def test_a_result_depends_on_its_seed_and_number_alone(pipeline: Pipeline) -> None:
    torch.manual_seed(1)
    together = results(pipeline, 3, seed=5, batch_size=3)
    torch.manual_seed(2)
    split = results(pipeline, 3, seed=5, batch_size=2)
    (alone,) = results(pipeline, 1, seed=5, first=2, batch_size=1)
    assert all(close(a, b) for a, b in zip(together, split, strict=True))
    assert close(together[2], alone)
    assert equal(alone, results(pipeline, 1, seed=5, first=2, batch_size=1)[0])
    assert not close(alone, results(pipeline, 1, seed=6, first=2)[0])
    assert not close(together[0], together[1])


@pytest.mark.parametrize("steps", [None, 2])
def test_steps_are_counted_up_to_the_total(pipeline: Pipeline, steps: int | None) -> None:
    calls: list[tuple[int, int]] = []

    def on_step(done: int, total: int, preview: NDArray[np.uint8]) -> None:
        assert preview.dtype == np.uint8 and preview.ndim == 4 and preview.shape[-1] == 3
        calls.append((done, total))

    results(pipeline, 3, batch_size=2, steps=steps, on_step=on_step)
    expected_total = total(pipeline, 3, batch_size=2, steps=steps)
    assert calls == [(i, expected_total) for i in range(1, expected_total + 1)]
    stages = pipeline.stages(steps)
    assert sum(count for _, count in stages) == total(pipeline, 1, steps=steps)
    assert all(words and count > 0 for words, count in stages)


@pytest.mark.parametrize("raises", [False, True])
def test_it_stops_at_the_next_step(pipeline: Pipeline, raises: bool) -> None:
    last = total(pipeline, 1)
    for end in {1, 2, last - 1, last}:
        steps: list[int] = []

        def on_step(done: int, *_: Any, end: int = end, steps: list[int] = steps) -> bool:
            steps.append(done)
            if raises and done == end:
                raise Cancelled("enough")
            return done < end

        with pytest.raises(Cancelled):
            results(pipeline, 1, on_step=on_step)
        assert steps == list(range(1, end + 1))


def test_saved_and_loaded_it_gives_the_same(pipeline: Pipeline, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    pipeline.save_pretrained(folder)
    description = json.loads((folder / "pipeline.json").read_text())
    assert (
        description == json.loads(json.dumps(pipeline.describe()))
        and description["pipeline"] == pipeline.name
    )
    loaded = type(pipeline).from_pretrained(folder, "cpu", "float32")
    assert loaded.describe() == pipeline.describe()
    assert equal(results(pipeline, 1, seed=8)[0], results(loaded, 1, seed=8)[0])
    described = type(pipeline).find(folder)
    assert described.is_complete and set(described.components) == set(loaded.components)
    assert type(pipeline).is_complete(folder)
    for part in described.components.values():
        (part / "model.safetensors").rename(part / "away")
        assert not type(pipeline).is_complete(folder)
        (part / "away").rename(part / "model.safetensors")


def test_another_folder_is_refused_in_one_sentence(pipeline: Pipeline, tmp_path: Path) -> None:
    load = type(pipeline).from_pretrained
    with pytest.raises(SavgError, match="expected 'demo', a folder of weights"):
        load(tmp_path / "nowhere", "cpu")
    with pytest.raises(CheckpointError, match=r"pipeline\.json could not be read"):
        load(tmp_path, "cpu")
    file = tmp_path / "pipeline.json"
    file.write_text("[1]")
    with pytest.raises(CheckpointError, match="JSON object"):
        load(tmp_path, "cpu")
    file.write_text('{"pipeline": "another"}')
    with pytest.raises(CheckpointError, match=f"a '{pipeline.name}' pipeline, found 'another'"):
        load(tmp_path, "cpu")
    assert not type(pipeline).is_complete(tmp_path)


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"first": -1}, {"steps": 0}, {"batch_size": 0}])
def test_impossible_values_are_refused(pipeline: Pipeline, wrong: dict[str, int]) -> None:
    with pytest.raises(SavgError):
        results(pipeline, 1, **wrong)


def test_its_options_are_arguments_of_a_call(pipeline: Any) -> None:
    call = pipeline.for_videos if isinstance(pipeline, AudioPipeline) else pipeline.__call__
    assert pipeline.options <= set(inspect.signature(call).parameters)


@pytest.mark.parametrize(("registry", "output"), [(CLIPS, "clip"), (AUDIO, "audio")])
def test_the_registries_hold_pipelines_of_one_output(registry: Any, output: str) -> None:
    for name in registry:
        assert registry[name].name == name and registry[name].output == output
        assert registry.entries[name].title and registry.entries[name].about
    with pytest.raises(SavgError, match=f"must be one of {', '.join(registry)}"):
        registry["nothing"]


def test_a_folder_without_a_pipeline_of_the_output_is_refused(tmp_path: Path) -> None:
    MAKERS["joint"]().save_pretrained(tmp_path / "p")
    with pytest.raises(
        CheckpointError, match="one of the pipelines video_to_audio, pan, stereosync, found 'joint'"
    ):
        AUDIO.load(tmp_path / "p")
    assert CLIPS.load(tmp_path / "p", device="cpu").name == "joint"


def test_texts_that_are_no_folders_are_no_components(tmp_path: Path) -> None:
    values = {"pipeline": "p", "flow": "flow", "clip": "ViT-B-32", "sampler": {"name": "ddim"}}
    described = Description(tmp_path, {**values, "sound": {"vae": "v", "persons": "../x"}}, "p")
    assert described.components == {"flow": tmp_path / "flow", "vae": tmp_path / "v"}
    assert described.stages["sound"].name == "video_to_audio" and not described.is_complete


@pytest.mark.parametrize(
    ("config", "takes_boxes"),
    [({"boxes": 2}, True), ({"boxes": 0}, False), ({}, False), (None, False)],
)
def test_a_described_network_takes_boxes_as_its_configuration_says(
    tmp_path: Path, config: object, takes_boxes: bool
) -> None:
    (tmp_path / "flow").mkdir()
    write_json(tmp_path / "flow" / CONFIG_FILE, {"config": config})
    assert Description(tmp_path, {"flow": "flow"}).takes_boxes is takes_boxes
