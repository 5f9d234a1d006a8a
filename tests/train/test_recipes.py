"""Every recipe: one real step on synthetic clips, saved, resumed identically, exported and loaded."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from savg.hub import load_component
from savg.train import checkpoint as checkpoints
from savg.train.__main__ import main
from savg.train.loop import Session, train
from savg.train.optim import draws
from savg.train.recipe import Recipe, get_recipe, override, recipe_names

NAMES = (
    "joint",
    "video",
    "superres",
    "seld",
    "yolox",
    "mel_vae",
    "vocoder",
    "mmaudio",
    "stereosync",
    "depth",
    "distill",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run folder for each recipe, whose tiny packs are drawn once."""
    folders = {}
    for name in NAMES:
        folders[name] = tmp_path_factory.mktemp(name)
        get_recipe(name, "tiny").open("synthetic", folders[name])
    return folders


def fresh(data: dict[str, Path], name: str, tmp_path: Path) -> Path:
    """A run folder that links to the packed clips."""
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "data").symlink_to(data[name] / "data")
    return tmp_path


def test_there_are_the_recipes_each_in_three_sizes() -> None:
    assert set(recipe_names()) >= set(NAMES)
    for name in NAMES:
        for config in ("full", "demo", "tiny"):
            get_recipe(name, config)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_steps_saves_resumes_and_continues_identically(
    name: str, data: dict[str, Path], tmp_path: Path
) -> None:
    recipe = get_recipe(name, "tiny")
    ends = []
    for run, stops in (("whole", (4,)), ("parts", (1, 2, 4))):
        folder = fresh(data, name, tmp_path / run)
        for stop in stops:
            session = Session(folder, precision="float32", device="cpu", stop_at=stop, quiet=True)
            assert train(recipe, session) == stop
        ends.append(checkpoints.load(checkpoints.folders(folder)[-1]))
    whole, parts = ends
    for part in ("model", "average", "optimizer"):
        a, b = getattr(whole, part), getattr(parts, part)
        assert a.keys() == b.keys() and a
        assert all(torch.equal(a[key], b[key]) for key in a), part
    start = recipe.build().state_dict()
    assert any(not torch.equal(start[key], whole.model[key]) for key in start)
    rows = list(csv.DictReader((tmp_path / "parts" / "log.csv").open()))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4]
    assert all(np.isfinite(float(row["loss"])) for row in rows)
    sheet = cv2.imread(str(tmp_path / "whole" / "samples" / "00000004.png"))
    assert sheet is not None and sheet.std() > 0
    assert (tmp_path / "whole" / "scores.csv").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_the_command_trains_in_bfloat16_and_exports(
    name: str, data: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = fresh(data, name, tmp_path / "run")
    arguments = [name, "--config", "tiny", "--out", str(run), "--precision", "bfloat16", "--quiet"]
    threads = torch.get_num_threads()
    assert main([*arguments, "--device", "cpu", "--steps", "2", "--set", "sample_every=2"]) == 0
    assert torch.get_num_threads() == threads
    assert main(["export", str(run), "--out", str(tmp_path / "out")]) == 0
    recipe = get_recipe(name, "tiny")
    model, card = load_component(tmp_path / "out", recipe.kind)
    assert model.config == recipe.model  # type: ignore[attr-defined]
    assert card.facts["step"] == 2 and card.licence == "MIT"
    average = checkpoints.load(checkpoints.folders(run)[-1]).average
    for key, value in model.state_dict().items():
        expected = average[recipe.network + key]
        if expected.is_floating_point():
            expected = expected.half().float()
        assert torch.equal(value, expected), key
    text = (tmp_path / "out" / "README.md").read_text()
    assert f"python -m savg.train {name}" in text and "2 steps of batch 2" in text
    assert (tmp_path / "out" / "log.csv").is_file()
    assert str(tmp_path) not in text + (tmp_path / "out" / "config.json").read_text()
    assert json.loads((run / "run.json").read_text())["recipe"] == name
    assert "after 2 steps" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_batches_depend_on_the_draws_alone(name: str, data: dict[str, Path]) -> None:
    recipe = get_recipe(name, "tiny")
    clips = recipe.open("synthetic", data[name])
    one, same = (recipe.batch(clips, draws(len(clips), 4, 3, 5)) for _ in range(2))
    other = recipe.batch(clips, draws(len(clips), 4, 4, 5))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.equal(one[0].float(), other[0].float())


def test_joint_clips_are_mirrored_as_a_whole_half_of_the_time(data: dict[str, Path]) -> None:
    recipe = get_recipe("joint", "tiny")
    clips = recipe.open("synthetic", data["joint"])
    flipped = 0
    drawn = [draw for step in range(20) for draw in draws(len(clips), 4, step, 0)]
    for draw in drawn:
        video, audio, told = (part[0] for part in recipe.batch(clips, [draw]))
        clip = clips.video(draw.index), clips.audio(draw.index)
        plain = recipe.codec.encode_video(torch.from_numpy(clip[0]))
        decoded = recipe.codec.decode_audio(audio).numpy()
        mirrored = not torch.equal(video, plain)
        flipped += mirrored
        assert torch.equal(video, plain.flip(-1) if mirrored else plain)
        x = clips.labels(draw.index).x
        assert told[2:].mean() == pytest.approx(
            (1 - x.mean() / 128) * (1 if mirrored else -1), abs=0.2
        )
        waveform = clip[1][::-1] if mirrored else clip[1]
        assert np.allclose(decoded, waveform, atol=1e-5)
    assert 20 <= flipped <= 60


def test_seld_windows_of_mirrored_clips_swap_sides(data: dict[str, Path]) -> None:
    recipe = replace(get_recipe("seld", "tiny"), gain_db=0.0, noise_db=0.0, silent=0.0)
    clips = recipe.open("synthetic", data["seld"])
    sides = set()
    for draw in [d for step in range(10) for d in draws(len(clips), 3, step, 0)]:
        features, activity, x = (part[0] for part in recipe.batch(clips, [draw]))
        real = clips.train.labels(draw.index).x.mean() / 256
        position = float(x[activity > 0].mean()) if activity.any() else real
        mirrored = abs(position - real) > 0.02
        sides.add(mirrored)
        louder_left = bool(features[0].mean() > features[1].mean())
        if abs(position - 0.5) > 0.1:
            assert louder_left == (position < 0.5)
    assert sides == {True, False}


def test_silent_windows_have_no_targets(data: dict[str, Path]) -> None:
    recipe = replace(get_recipe("seld", "tiny"), silent=1.0, noise_db=0.0)
    clips = recipe.open("synthetic", data["seld"])
    features, activity, _ = recipe.batch(clips, draws(len(clips), 4, 0, 0))
    assert not activity.any() and not features[:, :2].any()


def test_small_frames_of_super_resolution_are_averages_of_the_large(data: dict[str, Path]) -> None:
    recipe = replace(get_recipe("superres", "tiny"), degrade=(0.0, 0.0))
    clips = recipe.open("synthetic", data["superres"])
    large, small = recipe.batch(clips, draws(len(clips), 4, 0, 0))
    assert large.shape == (4, 3, 64, 64) and small.shape == (4, 3, 16, 16)
    mean = torch.nn.functional.avg_pool2d(large, 4)
    assert float((mean - small).abs().max()) < 1.01 / 127.5
    cropped = replace(recipe, crop=(8, 12))
    large, small = cropped.batch(clips, draws(len(clips), 4, 0, 0))
    assert large.shape == (4, 3, 32, 48) and small.shape == (4, 3, 8, 12)
    assert float((torch.nn.functional.avg_pool2d(large, 4) - small).abs().max()) < 1.01 / 127.5


def test_published_hyper_parameters() -> None:
    joint, superres = get_recipe("joint", "full"), get_recipe("superres", "full")
    assert (joint.optim.lr, joint.optim.batch, joint.optim.ema_decay) == (2e-4, 32, 0.9999)
    assert joint.model.dropout == 0.1 and joint.diffusion.prediction == "eps"
    assert superres.optim.lr == 1e-4 and superres.diffusion.variance == "learned_range"
    seld, yolox = get_recipe("seld", "full").optim, get_recipe("yolox", "full").optim
    assert (seld.lr, seld.weight_decay, seld.batch, seld.steps) == (1e-3, 1e-6, 32, 40_000)
    assert seld.average == "swa" and seld.average_start == 30_000
    assert yolox.lr == 0.01 * yolox.batch / 64 and yolox.ema_decay == 0.9998
    assert yolox.schedule_end == yolox.steps * 285 // 300


def test_yolox_decays_neither_biases_nor_norms() -> None:
    recipe = get_recipe("yolox", "tiny")
    model = recipe.build()
    decayed, rest = recipe.optimizer(model).param_groups
    assert decayed["weight_decay"] == 0 or all(p.ndim == 4 for p in decayed["params"])
    assert rest["weight_decay"] == 0 and all(p.ndim == 1 for p in rest["params"])
    assert decayed["nesterov"] and decayed["momentum"] == 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", ["seld", "yolox", "superres"])
def test_the_published_size_takes_a_step(
    name: str, data: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The full network in bfloat16 on the tiny recipe's data; the joint one is too large for a CPU.

    The checkpoint is looked at in memory: five gigabytes would take longer to write than to make, and
    tests of small ones read them back.
    """
    full, tiny = get_recipe(name, "full"), get_recipe(name, "tiny")
    recipe = replace(tiny, model=full.model, optim=replace(tiny.optim, steps=1, sample_every=0))
    run = fresh(data, name, tmp_path / "run")
    kept: list[checkpoints.Checkpoint] = []
    monkeypatch.setattr(
        checkpoints, "save", lambda run, checkpoint, together: kept.append(checkpoint)
    )
    assert train(recipe, Session(run, device="cpu", quiet=True)) == 1
    (saved,) = kept
    assert saved.step == 1 and saved.optimizer
    with torch.device("meta"):
        names = full.build().state_dict().keys()
    for tensors in (saved.model, saved.average):
        assert tensors.keys() == names
        assert all(torch.isfinite(value.float()).all() for value in tensors.values())


def for_a_gpu(name: str, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """The full recipe for two steps on few clips, in the memory of a small GPU (9 GiB for joint)."""
    recipe = override(get_recipe(name, "full"), ["steps=2", "batch=1", "save_every=0"])
    synthetic = replace(recipe.synthetic, clips=(2,) * len(recipe.synthetic.worlds))
    recipe = replace(recipe, synthetic=synthetic)
    if hasattr(recipe, "valid"):
        recipe = replace(recipe, valid=replace(recipe.valid, clips=(2,)))
    if name == "distill":
        recipe = replace(recipe, teacher="random")
    if name == "mmaudio":  # its frozen networks are not at hand: random features of their shapes
        recipe = replace(recipe, vae="random")
        lengths, flow = recipe.lengths, recipe.model.flow
        maps = {
            "clip": np.zeros((2, 2, lengths.clip, flow.clip_dim), np.float16),
            "sync": np.zeros((2, 2, lengths.sync, flow.sync_dim), np.float16),
        }
        monkeypatch.setattr("savg.train.mmaudio.require_open_clip", lambda: None)
        monkeypatch.setattr(type(recipe), "_features", lambda self, *_: maps)
    return recipe


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_the_full_recipe_trains_on_a_gpu(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train(for_a_gpu(name, monkeypatch), Session(tmp_path, quiet=True)) == 2


def test_the_second_stage_opens_its_data_as_on_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the test for a GPU hands to the loop is complete, so that it can run where there is one."""
    recipe = replace(for_a_gpu("mmaudio", monkeypatch), size=64)
    data = recipe.open("synthetic", tmp_path)
    moments, clip, sync = recipe.batch(data, draws(len(data), 1, 0, 0))
    lengths, flow = recipe.lengths, recipe.model.flow
    assert moments.shape == (1, 2, 2, flow.latent_dim // 2, lengths.latent)
    assert clip.shape == (1, lengths.clip, flow.clip_dim)
    assert sync.shape == (1, lengths.sync, flow.sync_dim)


def test_a_first_step_that_a_gpu_leaves_out_leaves_no_momentum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Torch's fused SGD takes buffers of any content in a first step, which must not stay."""
    monkeypatch.setattr("savg.train.yolox.on_gpu", lambda model: True)
    recipe = get_recipe("yolox", "tiny")
    model = recipe.build()
    optimizer: Any = recipe.optimizer(model)
    before = [p.detach().clone() for p in model.parameters()]
    for p in model.parameters():
        p.grad = torch.full_like(p, torch.inf)
    optimizer.found_inf = torch.ones(())
    optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(not state["momentum_buffer"].any() for state in optimizer.state.values())
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    optimizer.found_inf = torch.zeros(())
    optimizer.step()
    biases = [(a, b) for a, b in zip(before, model.parameters(), strict=True) if b.ndim <= 1]
    change = (1 + 0.9) * recipe.optim.lr  # of a gradient of 1 by Nesterov's rule, without decay
    assert all(torch.allclose(b, a - change, atol=1e-6) for a, b in biases)
