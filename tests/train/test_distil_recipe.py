"""The recipe of students: what they learn, from whom, and that they sample in the steps they learnt."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from savg.cli import main as savg
from savg.diffusion.dpm_solver import Predictor, first_order
from savg.errors import CheckpointError
from savg.hub import Card, save_component
from savg.models.direction import row
from savg.pipelines import joint, two_stage
from savg.pipelines.description import descriptions
from savg.pipelines.direction import Directed, Direction
from savg.pipelines.guidance import MirrorGuidance, NoiseGuidance
from savg.pipelines.registry import CLIPS
from savg.studio.shared.offers import Offers
from savg.train import checkpoint as checkpoints
from savg.train.__main__ import main
from savg.train.distill import CONFIGS, Distillation
from savg.train.loop import Session, train
from savg.train.optim import draws
from savg.train.pipeline_folder import MANY_STEPS
from savg.train.recipe import get_recipe
from savg.train.teacher import Teacher

JOINT, VIDEO = CONFIGS["tiny"], CONFIGS["video_tiny"]
LOUDER = replace(JOINT.codec, mid_gain=4.0).to_dict()


def clips_of(recipe: Distillation, count: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(count, *shape, generator=generator) for shape in recipe.shapes)


def rows_of(recipe: Distillation, count: int) -> torch.Tensor:
    return row(recipe.model.direction, 1, 2, (-0.5, 0.5)).expand(count, -1)


def still(recipe: Distillation) -> None:
    """Windows that are not drawn, so that a batch can be compared with its clips."""
    network = recipe.teaching.network
    network.draw_shifts = lambda *args, **kwargs: [0] * len(network.shifting)  # type: ignore


@pytest.mark.parametrize(("recipe", "prediction"), [(JOINT, "x0"), (VIDEO, "v"), (VIDEO, "eps")])
def test_the_students_step_arrives_where_the_teacher_does(
    recipe: Distillation, prediction: str
) -> None:
    recipe = replace(recipe, few_steps=3, teacher_steps=2, prediction=prediction)
    if recipe.kind == "joint_unet":
        still(recipe)
    clips, noise = clips_of(recipe, 4), clips_of(recipe, 4, 1)
    told = rows_of(recipe, 4)
    clean, times, implied = recipe.lesson(clips, noise, told, seed=5)
    schedule, starts = recipe.diffusion.schedule, recipe.student_times
    for i in range(4):
        number = (i + 5) % 3
        s, t = starts[number : number + 1], starts[number + 1 : number + 2]
        assert int(times[i]) == int(schedule.model_times(s))
        alpha, sigma = schedule.alphas[int(times[i])], schedule.sigmas[int(times[i])]
        own = [tuple(part[i : i + 1] for part in state) for state in (clips, noise, clean, implied)]
        start = tuple(alpha * x + sigma * e for x, e in zip(own[0], own[1], strict=True))
        for x, seen, e in zip(own[2], start, own[3], strict=True):
            torch.testing.assert_close(alpha * x + sigma * e, seen, atol=1e-4, rtol=1e-4)
        end = recipe.taught(start, recipe.intervals[number], 5, told[:1])
        predictor = Predictor(recipe.diffusion, lambda state, time, x0=own[2]: x0)
        predictor = replace(predictor, diffusion=replace(recipe.diffusion, prediction="x0"))
        for a, b in zip(first_order(predictor, start, s, t), end, strict=True):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_all_steps_of_the_student_are_learnt() -> None:
    recipe = replace(VIDEO, few_steps=3, teacher_steps=1)
    expected = recipe.diffusion.schedule.model_times(recipe.student_times[:-1]).tolist()
    _, times, _ = recipe.lesson(clips_of(recipe, 6), clips_of(recipe, 6, 1), None, seed=1)
    assert sorted(times.tolist()) == sorted(2 * expected)
    one = clips_of(recipe, 1), clips_of(recipe, 1, 1)
    seen = {int(recipe.lesson(*one, None, seed=seed)[1]) for seed in range(6)}
    assert seen == set(expected)


@pytest.mark.parametrize(
    "recipe",
    [
        replace(JOINT, guidance=MirrorGuidance(3.0, 0.0, 1.0)),
        replace(VIDEO, guidance=NoiseGuidance(3.0, 0.0, 1.0)),
    ],
    ids=["joint", "video"],
)
def test_the_teacher_is_guided_and_the_student_is_not(recipe: Distillation) -> None:
    plain = replace(recipe, guidance=type(recipe.guidance)())
    clips, noise = clips_of(recipe, 2), clips_of(recipe, 2, 1)
    lessons = []
    for one in (recipe, plain):
        torch.manual_seed(0)
        lessons.append(one.lesson(clips, noise, None, 0)[0][0])
    assert not torch.allclose(*lessons)
    model = Teacher.load(recipe.teacher, recipe).network
    samples = [one.generate(model, 1)[0] for one in (recipe, plain)]
    assert torch.equal(*samples)


def test_weights_of_directions_are_in_the_teacher() -> None:
    recipe = replace(VIDEO, direction_weights=(1.0, 1.0, 4.0))
    clips, noise = clips_of(VIDEO, 2), clips_of(VIDEO, 2, 1)
    told, nothing = rows_of(VIDEO, 2), torch.full((2, 2 + VIDEO.model.direction), torch.nan)
    for rows, same in ((told, False), (nothing, True)):
        a, b = (one.lesson(clips, noise, rows, 0)[0][0] for one in (recipe, VIDEO))
        assert torch.allclose(a, b, atol=1e-4) is same


def test_rows_of_directions_are_weighed_as_one_direction_is() -> None:
    direction = Direction("speech", (20.0, 200.0), 2, {"x": 3.0, "people": 0.5})
    one = Directed.of(direction, 4)
    rows = Directed.of_rows(direction.row(4).expand(2, -1), direction.weights)
    assert [share for share, _ in rows.variants] == [share for share, _ in one.variants]
    for (_, many), (_, single) in zip(rows.variants, one.variants, strict=True):
        assert torch.equal(many.nan_to_num(9), single.expand(2, -1).nan_to_num(9))


def test_training_brings_the_student_to_where_its_teacher_arrives(tmp_path: Path) -> None:
    recipe = VIDEO
    optim = replace(recipe.optim, steps=12, lr=1e-3, save_every=0, sample_every=0, ema_decay=0.8)
    recipe = replace(recipe, optim=replace(optim, batch=2), few_steps=1, teacher_steps=4)
    session = Session(tmp_path, precision="float32", device="cpu", quiet=True)
    assert train(recipe, session) == 12
    student = recipe.build().eval()
    student.load_state_dict(checkpoints.load(checkpoints.folders(tmp_path)[-1]).average)
    before = Teacher.load(recipe.teacher, recipe).network.eval()
    batch = recipe.batch(recipe.open("synthetic", tmp_path), draws(3, 4, 99, 7))
    with torch.no_grad():
        errors = [float(recipe.loss(model, batch, 0, 123)[0]) for model in (before, student)]
    assert errors[1] < 0.7 * errors[0], errors


def component(recipe: Distillation, folder: Path, **facts: Any) -> Path:
    torch.manual_seed(1)
    save_component(recipe.build(), folder, recipe.kind, Card("MIT", "random", facts=facts))
    return folder


def test_a_student_of_a_student_is_taught_by_its_steps(tmp_path: Path) -> None:
    facts = {"prediction": "x0", "sampler": {"steps": 4}, "mirrored": True}
    folder = component(JOINT, tmp_path / "student", **facts)
    recipe = replace(JOINT, teacher=str(folder), guidance=MirrorGuidance(5.0, 0.0, 1.0))
    plain = replace(recipe, guidance=MirrorGuidance(), teacher_order=1)
    assert recipe.teaching.is_student and recipe.teaching.mirrored
    clips, noise = clips_of(JOINT, 2), clips_of(JOINT, 2, 1)
    lessons = []
    for one in (recipe, plain):
        torch.manual_seed(0)
        lessons.append(one.lesson(clips, noise, None, 0)[0])
    assert all(torch.equal(a, b) for a, b in zip(*lessons, strict=True))
    facts = recipe.card("synthetic").facts
    assert facts["mirrored"] is True and len(facts["teacher"]) == 64


def test_clips_are_reversed_for_a_mirrored_teacher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = component(VIDEO, tmp_path / "video", prediction="x0", mirrored=True)
    recipe = replace(VIDEO, teacher=str(folder), figure_weight=2.0)
    seen: list[Any] = []
    monkeypatch.setattr(
        type(recipe), "lesson", lambda self, clips, *rest: seen.append(clips) or (clips, *rest[:2])
    )
    monkeypatch.setattr(type(recipe), "denoising_loss", lambda self, *rest: rest[-1])
    (video,), told = clips_of(VIDEO, 2), rows_of(VIDEO, 2)
    (emphasis,) = recipe.loss(torch.nn.Identity(), (video, told, video + 1), 0, 0)
    assert torch.equal(seen[0][0], video.flip(-1))
    assert torch.equal(emphasis, (video + 1).flip(-1))


def smaller(folder: Path) -> str:
    recipe = replace(JOINT, model=replace(JOINT.model, channels=JOINT.model.channels // 2))
    return str(component(recipe, folder / "smaller"))


def untold(folder: Path) -> str:
    return str(component(replace(JOINT, model=replace(JOINT.model, direction=0)), folder / "part"))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda folder: "", "teacher must be the folder of trained weights of the kind joint_unet"),
        (lambda folder: str(folder / "none"), "expected 'demo', a folder of weights"),
        (lambda folder: str(component(VIDEO, folder / "part")), "joint_unet"),
        (smaller, "must be of the configuration's network, which differs in channels ("),
        (untold, "which differs in direction (0 → 11)."),
        (
            lambda folder: str(component(JOINT, folder / "part", diffusion_steps=500)),
            "diffusion_steps of the teacher must be the configuration's, 1000, got 500.",
        ),
        (
            lambda folder: str(component(JOINT, folder / "part", codec=LOUDER)),
            "codec of the teacher must be the configuration's",
        ),
        (
            lambda folder: str(component(JOINT, folder / "part", codec={"size": "x"})),
            "codec of the teacher: ",
        ),
        (
            lambda folder: str(component(JOINT, folder / "part", sampler={"steps": 6})),
            "few_steps · teacher_steps must be the 6 steps that the teacher was distilled for, got",
        ),
    ],
    ids=["none", "nowhere", "video", "smaller", "untold", "times", "codec", "no codec", "steps"],
)
def test_what_is_no_teacher_is_refused_in_one_sentence(
    make: Callable[[Path], str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    teacher = make(tmp_path)
    run = ["distill", "--config", "tiny", "--out", str(tmp_path / "run"), "--quiet"]
    assert main([*run, "--device", "cpu", "--set", f"teacher={teacher}"]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence in last and not list((tmp_path / "run").glob("data/*"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("few_steps=0", "few_steps must be in 1..64, got 0."),
        ("teacher_steps=65", "teacher_steps must be in 1..64, got 65."),
        ("teacher_order=4", "teacher_order must be 1, 2 or 3, got 4."),
        ("spacing=even", "spacing must be one of time_uniform, logSNR, time_quadratic, got"),
        ("limit=most", "limit must be one of"),
        ("direction_weights=(1.0,1.0)", "direction_weights must be 3 numbers ≥ 0, got"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    change: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["distill", "--config", "tiny", "--list-settings", "--set", change]) == 1
    assert sentence in capsys.readouterr().err


def test_both_families_have_the_sizes_of_the_networks_that_they_distil() -> None:
    for name, recipe in CONFIGS.items():
        family, _, config = name.rpartition("video_")
        original = get_recipe("video" if family or name.startswith("video_") else "joint", config)
        assert recipe.model == replace(original.model, dropout=0.0), name
        assert recipe.codec == original.codec and recipe.guidance == original.guidance


@pytest.mark.parametrize(
    ("config", "pipeline"), [("tiny", "joint"), ("video_tiny", "two_stage")], ids=["joint", "video"]
)
def test_a_student_is_exported_with_its_sampler_and_generates_in_its_steps(
    config: str,
    pipeline: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe, run, out = CONFIGS[config], tmp_path / "run", tmp_path / "mine"
    base = joint.tiny() if pipeline == "joint" else two_stage.tiny()
    guided = base if pipeline == "joint" else base.video
    guided.guidance = replace(guided.guidance, weight=2.0)
    base.save_pretrained(tmp_path / "base")
    teacher = ["--set", f"teacher={component(recipe, tmp_path / 'teacher', prediction='x0')}"]
    train = ["distill", "--config", config, "--out", str(run), "--quiet", "--steps", "1"]
    assert main([*train, "--device", "cpu", "--precision", "float32", *teacher]) == 0
    export = ["export", str(run), "--out", str(out), "--dtype", "float32"]
    assert main([*export, "--pipeline", str(tmp_path / "base")]) == 0
    described = json.loads((out / "pipeline.json").read_text())
    stage = described if pipeline == "joint" else described["video"]
    assert stage["sampler"]["steps"] == 2 and stage["sampler"]["order"] == 1
    assert "guidance" not in stage and "codec" not in stage
    loaded = CLIPS.load(out, pipeline, "cpu", "float32")
    own = loaded if pipeline == "joint" else loaded.video
    assert own.sampler == recipe.sampler and own.guidance.weight == 0
    times: list[int] = []
    kind = type(own.network)
    usual = kind.forward

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        times.append(int(args[len(recipe.shapes)][0]))
        return usual(self, *args, **kwargs)

    monkeypatch.setattr(kind, "forward", forward)
    generate = ["generate", "--pipeline", pipeline, "--weights", str(out), "--device", "cpu"]
    assert savg([*generate, "--out", str(tmp_path / "clips")]) == 0
    assert len(list((tmp_path / "clips").glob("*.mp4"))) == 1
    assert "distilled" not in capsys.readouterr().err
    expected = recipe.diffusion.schedule.model_times(recipe.student_times[:-1]).tolist()
    assert times == expected, "one evaluation in each of the steps that were learnt"
    assert savg([*generate, "--out", str(tmp_path / "more"), "--steps", "3"]) == 0
    assert "distilled for 2 steps, and 3 are asked for" in capsys.readouterr().err
    (one,) = descriptions(out)
    file = out / own.name / "config.json"
    assert one.learnt_steps == 2 and descriptions(tmp_path / "base")[0].learnt_steps is None
    offers = Offers()
    offers.add("mine", "of mine", out, pipeline)
    assert offers.pipelines["mine"].steps == (2, 2, 2)
    undistilled = tmp_path / "undistilled"
    usual_recipe = "joint" if pipeline == "joint" else "video"
    again = [usual_recipe, "--config", "tiny", "--out", str(undistilled), "--quiet", "--steps", "1"]
    assert main([*again, "--device", "cpu", "--precision", "float32"]) == 0
    export = ["export", str(undistilled), "--out", str(tmp_path / "whole"), "--pipeline", str(out)]
    assert main(export) == 0
    described = json.loads((tmp_path / "whole" / "pipeline.json").read_text())
    stage = described if pipeline == "joint" else described["video"]
    own_guidance = get_recipe(usual_recipe, "tiny").guidance
    assert stage["sampler"] == MANY_STEPS | {"limit": recipe.sampler.limit}
    assert stage["guidance"]["weight"] == own_guidance.weight
    assert descriptions(tmp_path / "whole")[0].learnt_steps is None
    values = json.loads(file.read_text())
    values["card"]["facts"]["sampler"] = {"steps": "few"}
    file.write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=r"config.json: sampler must have .* in 1\.\.64, got"):
        _ = one.learnt_steps
    card = (out / own.name / "README.md").read_text() + (out / own.name / "config.json").read_text()
    assert str(tmp_path) not in card and "--set teacher=teacher" in card
