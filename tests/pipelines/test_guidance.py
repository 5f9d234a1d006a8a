"""Guidance wraps a denoiser: the same on every device, in every batch, and in a training's samples."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pretended_device import DEVICE, pretended_device

from savg.device import choose
from savg.diffusion import Diffusion, Schedule
from savg.diffusion.dpm_solver import Predictor, multistep, time_steps
from savg.errors import CheckpointError
from savg.paths import assets_dir
from savg.pipelines.guidance import Guidance, MirrorGuidance, NoiseGuidance
from savg.pipelines.joint import JointPipeline, joint_denoiser
from savg.pipelines.joint import tiny as tiny_joint
from savg.pipelines.sampling import SAMPLERS, ClipNoise, NoisePurpose, SamplerConfig
from savg.pipelines.video import VideoPipeline
from savg.pipelines.video import tiny as tiny_video
from savg.train.joint import CONFIGS as JOINT
from savg.train.video import CONFIGS as VIDEO

ROUNDING = 1e-4
"""Of float32, as kernels differ from device to device."""


def of_x0(pipeline: Any) -> Any:
    """The pipeline as if its network predicted the clean clip."""
    card = replace(pipeline.cards[pipeline.name], facts={"prediction": "x0"})
    pipeline.cards = {**pipeline.cards, pipeline.name: card}
    pipeline.__post_init__()
    return pipeline


def guided_joint() -> JointPipeline:
    pipeline: JointPipeline = of_x0(tiny_joint())
    pipeline.guidance = MirrorGuidance(2.0, noise=NoiseGuidance(1.5, first=0.4))
    return pipeline


def guided_video() -> VideoPipeline:
    pipeline: VideoPipeline = of_x0(tiny_video(upscale=False))
    pipeline.guidance = NoiseGuidance(1.5, shift=0.1)
    return pipeline


def arrays(result: Any) -> list[np.ndarray]:
    return [result] if isinstance(result, np.ndarray) else [result.video, result.audio]


def count_calls(pipeline: Any) -> list[int]:
    """Grows by the batch of each evaluation of the pipeline's network."""
    calls: list[int] = []
    pipeline.network.register_forward_hook(lambda _, args, __: calls.append(len(args[0])))
    return calls


@pytest.mark.parametrize(
    ("make", "sampler"),
    [
        (guided_joint, "dpmpp_multistep"),
        (guided_video, "dpmpp_multistep"),
        (guided_video, "ddpm"),
    ],
)
def test_one_seed_gives_one_clip_on_every_device(make: Callable[[], Any], sampler: str) -> None:
    here = make()
    network, large = copy.deepcopy((here.network, here.superres.model))
    calls = count_calls(here)
    clips = here(2, seed=3, steps=5, sampler=sampler)
    assert not torch.equal(torch.tensor(calls), torch.tensor([2] * 5))  # guided somewhere
    with pretended_device() as device:
        compute = choose(device, "float32")
        there = type(here).build(network, large, here.cards, here.description, compute)
        there.guidance = here.guidance
        assert next(there.network.parameters()).device == DEVICE
        calls_there = count_calls(there)
        others = there(2, seed=3, steps=5, sampler=sampler)
    assert calls_there == calls
    for clip, other in zip(clips, others, strict=True):
        (video, *audio), (other_video, *other_audio) = arrays(clip), arrays(other)
        assert np.abs(video.astype(int) - other_video).max() <= 1
        for a, b in zip(audio, other_audio, strict=True):
            np.testing.assert_allclose(a, b, atol=ROUNDING)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samplers_tell_times_that_the_host_knows(sampler: str) -> None:
    calls = []

    def network(state: tuple[torch.Tensor, ...], t: torch.Tensor) -> tuple[torch.Tensor, ...]:
        calls.append((state[0].device, t.device, t.dtype, tuple(t.shape)))
        return state

    with pretended_device():
        noise = ClipNoise(0, range(2), NoisePurpose.START)
        start = (noise.draw((4,), DEVICE),)
        SamplerConfig(sampler, steps=4).run(Diffusion(Schedule.linear(50)), network, start, noise)
    assert set(calls) == {(DEVICE, torch.device("cpu"), torch.int64, (2,))}


def test_a_clips_noise_does_not_depend_on_its_batch_where_steps_differ() -> None:
    """The adaptive solver has each clip at times of its own."""
    pipeline = guided_video()
    together = pipeline(3, seed=5, sampler="dpmpp_adaptive", batch_size=3)
    for index, clip in enumerate(together):
        alone = pipeline(1, seed=5, first=index, sampler="dpmpp_adaptive")[0]
        assert np.abs(clip.astype(int) - alone).max() <= 1


def test_the_worse_prediction_is_asked_for_inside_the_stretch_alone() -> None:
    times: list[int] = []

    def worse(state, t):
        times.append(int(t[0]))
        return tuple(torch.zeros_like(x) for x in state)

    denoiser = Guidance(1.0, 0.5, 0.75).wrap(lambda state, t: state, worse, 100)
    state = (torch.ones(1, 2, 3, 4, 4), torch.ones(1, 2, 8))
    results = {t: denoiser(state, torch.tensor([t])) for t in (49, 50, 75, 76)}
    assert times == [50, 75]
    assert [float(results[t][0].mean()) for t in results] == [1.0, 2.0, 2.0, 1.0]
    assert all(result[1] is state[1] for result in results.values())

    def plain(state, t):
        return state

    assert Guidance(0.0).wrap(plain, worse, 100) is plain


def random_model(recipe: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    model = recipe.build().eval()
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return model


@torch.inference_mode()
def test_both_pushes_of_a_joint_network_start_from_the_same_prediction() -> None:
    pipeline = guided_joint()
    both, t = pipeline.guidance, torch.tensor([800, 450])
    generator = torch.Generator().manual_seed(0)
    state = tuple(torch.randn(2, *shape, generator=generator) for shape in pipeline.shapes)
    pipeline.guidance = replace(both, weight=0.0)
    through_noise = pipeline.denoiser(3, range(2))(state, t)
    pipeline.guidance = replace(both, noise=NoiseGuidance())
    mirrored = pipeline.denoiser(3, range(2))(state, t)
    pipeline.guidance = MirrorGuidance()
    plain = pipeline.denoiser(3, range(2))(state, t)
    pipeline.guidance = both
    video, audio = pipeline.denoiser(3, range(2))(state, t)
    pushes = [guided[0] - plain[0] for guided in (mirrored, through_noise)]
    torch.testing.assert_close(video, plain[0] + sum(pushes), rtol=1e-4, atol=1e-5)
    assert torch.equal(audio, plain[1])
    for push, inside in zip(pushes, ((True, False), (True, True)), strict=True):
        assert tuple((push.abs().amax((1, 2, 3, 4)) > 1e-4).tolist()) == inside


def test_pushes_of_a_joint_network_are_saved_and_need_predictions_of_x0(tmp_path: Path) -> None:
    pipeline = guided_joint()
    pipeline.save_pretrained(tmp_path / "p")
    loaded = JointPipeline.from_pretrained(tmp_path / "p", device="cpu", dtype="float32")
    assert loaded.guidance == pipeline.guidance
    together, alone = pipeline(2, seed=4)[1], loaded(1, seed=4, first=1)[0]
    assert np.abs(together.video.astype(int) - alone.video).max() <= 1
    plain = tiny_joint()
    plain.description = {**plain.description, "guidance": {"noise": {"weight": 1.0}}}
    with pytest.raises(CheckpointError, match="prediction of a guided network must be 'x0'"):
        plain.__post_init__()


@torch.inference_mode()
@pytest.mark.parametrize("kind", ["joint", "video"])
def test_a_trainings_samples_are_drawn_as_a_pipeline_draws(kind: str) -> None:
    recipe: Any = replace(
        {"joint": JOINT, "video": VIDEO}[kind]["tiny"], prediction="x0", sample_steps=8
    )
    model = random_model(recipe)
    joint = MirrorGuidance(2.0, noise=NoiseGuidance(1.5, first=0.4))
    guidance = {"joint": joint, "video": NoiseGuidance(2.0)}[kind]
    plain = recipe.generate(model, 2, seed=4)
    guided = replace(recipe, guidance=guidance).generate(model, 2, seed=4)
    assert not torch.equal(plain[0], guided[0])
    pipeline: Any = {"joint": JointPipeline, "video": VideoPipeline}[kind].build(
        model,
        None,
        {kind: recipe.card("synthetic")},
        {
            "codec": recipe.codec.to_dict(),
            "format": vars(recipe.clips),
            "guidance": asdict(guidance),
        },
        choose("cpu", "float32"),
    )
    generator = torch.Generator().manual_seed(4)
    start = tuple(torch.randn(2, *shape, generator=generator) for shape in recipe.shapes)
    if (
        kind == "joint"
    ):  # the pipeline's window shifts are those of its seed, the sheets' torch's own
        shifts = torch.Generator().manual_seed(4)
        denoiser = joint_denoiser(
            model, recipe.codec, recipe.diffusion, guidance, shifts, seed=4, clips=range(2)
        )
    else:
        denoiser = pipeline.denoiser(4, range(2))
    times = time_steps(pipeline.diffusion, recipe.sample_steps, "logSNR", snap=True)
    sampled = multistep(Predictor(pipeline.diffusion, denoiser), start, times)
    assert all(torch.equal(a, b) for a, b in zip(sampled, guided, strict=True))


def test_the_video_recipes_samples_are_guided_as_the_bundled_pipeline_is() -> None:
    description = json.loads((assets_dir() / "demo" / "two_stage.json").read_text())
    assert asdict(VIDEO["demo"].guidance) == description["video"]["guidance"]


def test_the_bundled_joint_network_is_sampled_as_it_was_distilled_and_guided_in_one_step() -> None:
    pipeline = JointPipeline.from_pretrained("demo")
    assert asdict(pipeline.sampler) == pipeline.cards["joint"].facts["sampler"]
    sampler, guidance = pipeline.sampler, pipeline.guidance
    times = time_steps(pipeline.diffusion, sampler.steps, sampler.spacing, snap=True)[:-1]
    indices = pipeline.diffusion.schedule.model_times(times)
    for one in (guidance, guidance.noise):
        assert one.weight > 0 and int(one.inside(indices, 1000).sum()) == 1
