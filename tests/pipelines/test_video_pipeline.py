"""The video pipeline on tiny random networks: seeds, progress, cancel, and as a part of another."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from savg.device import choose
from savg.errors import CheckpointError, SavgError
from savg.hub import component_folder, load_component
from savg.models.video_unet import CONFIGS, VideoUNet
from savg.pipelines.description import Description
from savg.pipelines.joint import JointPipeline
from savg.pipelines.joint import tiny as tiny_joint
from savg.pipelines.sampling import SAMPLERS, ClipNoise, NoisePurpose, SamplerConfig
from savg.pipelines.video import VideoPipeline, tiny


@pytest.fixture(scope="module")
def pipeline() -> VideoPipeline:
    return tiny()


def difference(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b).max())


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_clip_depends_on_its_seed_and_index_alone(pipeline, sampler) -> None:
    together = pipeline(3, seed=5, sampler=sampler, steps=3, batch_size=3)
    torch.manual_seed(1)
    alone = pipeline(1, seed=5, first=2, sampler=sampler, steps=3, batch_size=1)[0]
    assert alone.dtype == np.uint8 and alone.shape == (4, 32, 32, 3)
    assert difference(together[2], alone) <= 1
    assert difference(together[0], together[1]) > 10
    assert difference(pipeline(1, seed=6, first=2, sampler=sampler, steps=3)[0], alone) > 10


def test_batches_do_not_change_clips(pipeline) -> None:
    whole, split = pipeline(3, seed=9, batch_size=3), pipeline(3, seed=9, batch_size=2)
    assert all(difference(a, b) <= 1 for a, b in zip(whole, split, strict=True))


def test_progress_counts_up_to_the_total_that_is_known_before(pipeline) -> None:
    for options in ({}, {"steps": 5, "superres_steps": 1}, {"sampler": "dpmpp_adaptive"}):
        calls = []

        def on_step(done, total, preview, calls=calls):
            assert preview.dtype == np.uint8 and preview.ndim == 4 and preview.shape[-1] == 3
            calls.append((done, total))

        pipeline(3, batch_size=2, on_step=on_step, **options)
        total = pipeline.total(3, batch_size=2, **options)
        assert calls[-1] == (total, total) and {n for _, n in calls} == {total}
        assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_the_last_preview_is_the_clip_also_of_mirrored_weights() -> None:
    plain = tiny()(1, seed=4)[0]
    last = []
    turned = tiny(mirrored=True)(1, seed=4, on_step=lambda done, total, frames: last.append(frames))
    assert (turned[0] == plain[:, :, ::-1]).all() and (last[-1] == turned[0]).all()
    assert (tiny(mirrored=True)(1, seed=4, as_published=True)[0] == plain).all()


def test_it_samples_what_the_joint_pipeline_does_without_audio(monkeypatch) -> None:
    """Two networks that answer alike, from the same seed: the same frames."""

    def answer(video: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return 0.9 * video + 0.1 * video.roll(1, -1)

    joint, video = tiny_joint(), tiny()
    monkeypatch.setattr(joint.joint, "forward", lambda v, a, t, shifts: (answer(v, t), a))
    monkeypatch.setattr(video.network, "forward", answer)
    video.superres = joint.superres
    for options in ({"sampler": "ddim"}, {"sampler": "dpmpp_multistep", "steps": 5}):
        clips, frames = joint(2, seed=3, **options), video(2, seed=3, **options)
        for clip, one in zip(clips, frames, strict=True):
            assert one.std() > 1 and difference(clip.video, one) <= 1


def test_saved_and_loaded_it_makes_the_same_clip(pipeline, tmp_path) -> None:
    pipeline.save_pretrained(tmp_path / "p")
    loaded = VideoPipeline.from_pretrained(tmp_path / "p", device="cpu", dtype="float32")
    assert (pipeline(1, seed=8)[0] == loaded(1, seed=8)[0]).all()
    assert loaded.sampler == pipeline.sampler and loaded.cards["video"].licence == "MIT"
    with pytest.raises(CheckpointError, match="expected a 'joint' pipeline, found 'video'"):
        JointPipeline.from_pretrained(tmp_path / "p")


def test_it_is_saved_and_loaded_as_a_part_of_another_pipeline(pipeline, tmp_path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    pipeline.save_components(whole)
    part = json.loads(json.dumps(pipeline.describe()))
    folder = component_folder(whole, part, "video")
    assert load_component(folder, "video_unet")[1].licence == "MIT"
    description = json.dumps({"pipeline": "two_stage", "video": part})
    (whole / "pipeline.json").write_text(description)
    for loaded in (
        VideoPipeline.load(Description(whole, part), choose("cpu", "float32")),
        VideoPipeline.from_pretrained(whole, device="cpu", dtype="float32"),
    ):
        assert (pipeline(1, seed=2)[0] == loaded(1, seed=2)[0]).all()
    with pytest.raises(CheckpointError, match="must name a folder beside it"):
        VideoPipeline.load(Description(whole, {**part, "video": "../x"}), choose("cpu"))


def test_the_codec_may_be_in_the_card_and_bicubic_takes_the_place_of_super_resolution() -> None:
    plain = tiny(upscale=False)
    card = replace(plain.cards["video"], facts={"codec": {"size": 16, "rows": 12}})
    description = {key: plain.description[key] for key in ("format", "sampler")}
    built = VideoPipeline.build(plain.network, None, {"video": card}, description, plain.compute)
    frames = built(1)[0]
    assert built.shapes == ((4, 3, 12, 16),) and frames.shape == (4, 32, 32, 3)
    format = built.format
    assert not frames[:, : format.top].any() and frames[:, format.top : format.bottom].std() > 1
    assert built.sampler == SamplerConfig("dpmpp_multistep", 3)


def test_frames_that_were_stacked_come_out_one_by_one() -> None:
    pipeline = tiny(upscale=False)
    network = VideoUNet(replace(CONFIGS["tiny"], video_channels=6))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    description = {**pipeline.description, "codec": {"size": 16, "rows": 16, "fold": 2}}
    built = VideoPipeline.build(network, None, pipeline.cards, description, pipeline.compute)
    previews = []
    frames = built(1, on_step=lambda done, total, preview: previews.append(preview))[0]
    assert built.shapes == ((2, 6, 16, 16),) and frames.shape == (4, 32, 32, 3)
    small = frames.reshape(4, 16, 2, 16, 2, 3).mean((2, 4))
    assert previews[-2].shape == (4, 16, 16, 3) and np.abs(small - previews[-2]).mean() < 15


def test_values_that_are_not_finite_are_an_error_of_the_user() -> None:
    pipeline = tiny()
    with torch.no_grad():
        next(pipeline.network.parameters()).fill_(float("nan"))
    with pytest.raises(SavgError, match="video network's output must be finite"):
        pipeline(1)


def test_weights_of_another_kind_are_refused(tmp_path) -> None:
    tiny_joint().save_pretrained(tmp_path / "p")
    file = tmp_path / "p" / "pipeline.json"
    description = json.loads(file.read_text()) | {"pipeline": "video", "video": "joint"}
    file.write_text(json.dumps(description))
    with pytest.raises(CheckpointError, match="expected weights of kind 'video_unet'"):
        VideoPipeline.from_pretrained(tmp_path / "p", device="cpu")


@pytest.mark.gpu
def test_an_accelerator_makes_the_same_clip() -> None:
    here = tiny()
    there = VideoPipeline.build(
        here.network, here.superres.model, here.cards, here.description, choose("cuda", "float32")
    )
    a, b = tiny()(2, seed=3)[1], there(2, seed=3)[1]
    assert np.abs(a.astype(int) - b).mean() < 1


def guided(seed: int = 0, **changes: float) -> VideoPipeline:
    """A tiny pipeline that predicts x0, with guidance."""
    plain = tiny(seed)
    card = replace(plain.cards["video"], facts={"prediction": "x0"})
    cards = {**plain.cards, "video": card}
    description = {**plain.description, "guidance": {"weight": 1.5, "shift": 0.1, **changes}}
    return VideoPipeline.build(
        plain.network, plain.superres.model, cards, description, plain.compute
    )


@torch.no_grad()
def test_guidance_pushes_away_from_the_prediction_through_more_noise() -> None:
    pipeline = guided()
    alphas = torch.from_numpy(pipeline.diffusion.schedule.alphas_cumprod)
    video = torch.randn(2, *pipeline.shapes[0], generator=torch.Generator().manual_seed(0))
    t = torch.tensor([700, 700])
    fresh = ClipNoise(3, range(2), NoisePurpose.GUIDANCE).draw(pipeline.shapes[0])
    share = float(alphas[800] / alphas[700])
    worse_input = share**0.5 * video + (1 - share) ** 0.5 * fresh
    plain = pipeline.network(video, t)
    worse = pipeline.network(worse_input, torch.tensor([800, 800]))
    (predicted,) = pipeline.denoiser(3, range(2))((video,), t)
    torch.testing.assert_close(predicted, plain + 1.5 * (plain - worse), atol=1e-4, rtol=1e-4)
    outside = torch.tensor([400, 400])
    (predicted,) = pipeline.denoiser(3, range(2))((video,), outside)
    assert torch.equal(predicted, pipeline.network(video, outside))
    noisier, later = pipeline.guidance.noisier(pipeline.diffusion, video, t + 280, fresh)
    assert later.tolist() == [999, 999] and noisier.shape == video.shape
    pure = torch.zeros_like(video)
    spread, _ = pipeline.guidance.noisier(pipeline.diffusion, pure, t, fresh)
    assert float(spread.var()) == pytest.approx(1 - share, rel=0.1)


def test_guided_clips_depend_on_their_seed_and_index_alone(tmp_path) -> None:
    pipeline = guided()
    together = pipeline(3, seed=5, steps=4, batch_size=3)
    assert difference(pipeline(1, seed=5, first=2, steps=4, batch_size=1)[0], together[2]) <= 1
    assert difference(guided(weight=0.0)(1, seed=5, steps=4)[0], together[0]) > 2
    pipeline.save_pretrained(tmp_path / "p")
    loaded = VideoPipeline.from_pretrained(tmp_path / "p", "cpu", "float32")
    assert loaded.guidance == pipeline.guidance
    assert difference(loaded(1, seed=5, steps=4)[0], together[0]) <= 1


def test_guidance_out_of_range_is_refused() -> None:
    with pytest.raises(CheckpointError, match="shift of guidance must be > 0, got 0"):
        guided(shift=0.0)
    plain = tiny()
    description = {**plain.description, "guidance": {"weight": 1.0}}
    with pytest.raises(CheckpointError, match="must be 'x0', got 'eps'"):
        VideoPipeline.build(plain.network, None, plain.cards, description, plain.compute)
