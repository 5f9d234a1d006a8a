"""The recipe of the video network: data without audio, mirroring, learning one clip, settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from savg.data.joint_codec import JointCodec
from savg.data.packed import PackedClips
from savg.data.scenes import split_seed
from savg.models.video_unet import VideoUNet, video_config
from savg.train import checkpoint as checkpoints
from savg.train.clip_set import ClipSet
from savg.train.joint import CONFIGS as JOINT
from savg.train.loop import Session, train
from savg.train.optim import Draw, draws
from savg.train.recipe import Batch
from savg.train.sources import Synthetic
from savg.train.video import CONFIGS, VideoRecipe

TINY = CONFIGS["tiny"]
UNDIRECTED = replace(TINY, model=replace(TINY.model, direction=0))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with the tiny recipe's clips."""
    folder = tmp_path_factory.mktemp("video")
    TINY.open("synthetic", folder)
    return folder


@pytest.fixture(scope="module")
def clips(run: Path) -> ClipSet:
    return TINY.open("synthetic", run)


def test_the_clips_are_packed_without_audio(clips: ClipSet) -> None:
    (pack,) = clips.packs
    assert isinstance(pack, PackedClips) and pack.audio is None
    assert pack.keys.tolist() == [split_seed("train", i) for i in range(3)]


def test_half_of_the_clips_are_mirrored(clips: ClipSet) -> None:
    flipped = []
    for draw in [draw for step in range(20) for draw in draws(len(clips), 4, step, 0)]:
        plain = TINY.codec.encode_video(torch.from_numpy(clips.video(draw.index)))
        batch, _ = TINY.batch(clips, [draw])
        flipped.append(not torch.equal(batch[0], plain))
        assert torch.equal(batch[0], plain.flip(-1) if flipped[-1] else plain)
    assert 20 <= sum(flipped) <= 60


def test_the_loss_is_that_of_the_noise_alone(clips: ClipSet) -> None:
    """A network that predicts zero has the mean square of what it should predict as its loss."""
    recipe = replace(TINY, prediction="eps", min_snr=0.0)
    batch = recipe.batch(clips, draws(len(clips), 2, 0, 0))
    loss, scalars = recipe.loss(VideoUNet(recipe.model), batch, 0, 7)
    generator = torch.Generator().manual_seed(7)
    torch.randint(0, recipe.diffusion_steps, (2,), generator=generator)
    noise = torch.randn(batch[0].shape, generator=generator)
    assert loss.item() == pytest.approx(float(noise.square().mean()), rel=1e-5)
    assert scalars["video"].item() == pytest.approx(loss.item()) and "audio" not in scalars


def test_it_learns_one_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained on one clip that is not mirrored, it generates that clip from any noise."""

    def plain(recipe: VideoRecipe, data: ClipSet, drawn: list[Draw]) -> Batch:
        return (torch.stack([recipe.video_of(data, draw.index) for draw in drawn]),)

    monkeypatch.setattr(VideoRecipe, "batch", plain)
    optim = replace(UNDIRECTED.optim, steps=100, lr=8e-3, schedule="cosine", log_every=50)
    recipe = replace(
        UNDIRECTED,
        optim=replace(optim, save_every=0, sample_every=100),
        prediction="x0",
        synthetic=Synthetic(("demo",), (1,)),
        sample_steps=12,
    )
    session = Session(tmp_path, precision="float32", device="cpu", quiet=True)
    assert train(recipe, session) == 100
    model = recipe.build().eval()
    model.load_state_dict(checkpoints.load(checkpoints.folders(tmp_path)[-1]).average)
    clip = recipe.video_of(recipe.open("synthetic", tmp_path), 0)
    with torch.inference_mode():
        (videos,) = recipe.generate(model, 3, seed=5)
    matches = [_correlation(video, clip) for video in videos]
    assert min(matches) > 0.97, matches
    sheet = cv2.imread(str(tmp_path / "samples" / "00000100.png"))
    assert sheet.shape[0] == recipe.samples * recipe.codec.rows * 2


def _correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


def test_scores_compare_samples_with_the_data(
    clips: ClipSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def same(recipe: VideoRecipe, model: torch.nn.Module, count: int) -> tuple[torch.Tensor]:
        return (torch.stack([recipe.video_of(clips, 0)] * count),)

    monkeypatch.setattr(VideoRecipe, "generate", same)
    scores = UNDIRECTED.evaluate(torch.nn.Identity(), clips, tmp_path / "sheet.png")
    video = clips.video(0).astype(float)
    first, rows = TINY.codec.first_row, TINY.codec.rows
    video[:, :first] = video[:, first + rows :] = 0
    assert scores["flicker"] == pytest.approx(np.abs(np.diff(video, axis=0)).mean(), rel=1e-3)
    assert scores["spread"] == pytest.approx(0, abs=1e-6) and scores["spread_data"] > 1
    every = np.stack([clips.video(i) for i in range(len(clips))]).astype(float)
    assert scores["spread_data"] == pytest.approx(every.std(axis=0).mean(), rel=1e-4)
    assert scores["flicker_data"] == pytest.approx(np.abs(np.diff(every, axis=1)).mean(), rel=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_trained_as_the_joint_network_is(name: str) -> None:
    video, joint = CONFIGS[name], JOINT[name]
    assert video.model == video_config(joint.model) and video.optim == joint.optim
    assert video.codec.video_shape(video.clips) == joint.codec.video_shape(joint.clips)
    assert video.codec.plain_stereo and video.prediction == joint.prediction
    assert video.optimizer_kind == joint.optimizer_kind and video.v_limit == joint.v_limit
    facts = video.card("synthetic").facts
    assert facts["prediction"] == video.prediction and facts["mirrored"] is False
    assert JointCodec.from_dict(facts["codec"]) == video.codec


def test_muon_trains_the_matrices_between_the_first_and_the_last_layers() -> None:
    recipe = replace(TINY, optimizer_kind="muon")
    model = recipe.build()
    inner, rest = recipe.optimizer(model).param_groups
    outer = {
        id(p) for module in (model.input_blocks[0], model.video_out) for p in module.parameters()
    }
    assert inner["matrices"] and all(p.ndim > 1 and id(p) not in outer for p in inner["params"])
    assert outer <= {id(p) for p in rest["params"]}
    assert len(inner["params"]) + len(rest["params"]) == len(list(model.parameters()))
