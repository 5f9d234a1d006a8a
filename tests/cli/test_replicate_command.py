"""The published evaluation as one command, tiny: a mirrored pipeline of random weights."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from savg.cli import main, replicate
from savg.clip import Clip
from savg.evaluation import official_pieces
from savg.format import SAVGBENCH
from savg.hub import Card, save_component
from savg.models.audioclip import CONFIGS, AudioClip
from savg.models.joint_config import CONFIGS as JOINT
from savg.models.superres_unet import CONFIGS as SUPERRES
from savg.paths import assets_dir
from savg.pipelines.joint import JointPipeline, tiny
from tests.models.test_i3d import small


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirrored joint pipeline for clips of 1 s with the bundled detectors in its folder."""
    return with_detectors(tiny(mirrored=True), tmp_path_factory.mktemp("weights") / "pipeline")


def with_detectors(pipeline: JointPipeline, folder: Path) -> Path:
    """A pipeline's folder, with the bundled detectors in it."""
    pipeline.save_pretrained(folder)
    for name in ("yolox", "seld"):
        shutil.copytree(assets_dir() / "demo" / name, folder / name)
    description = json.loads((folder / "pipeline.json").read_text())
    description |= {"persons": "yolox", "sounds": "seld"}
    (folder / "pipeline.json").write_text(json.dumps(description))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation set in the published layout."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for index in range(2):
        video = rng.integers(0, 256, (20, 256, 256, 3)).astype(np.uint8)
        audio = rng.normal(0, 0.05, (2, SAVGBENCH.samples)).astype(np.float32)
        place = folder / "SAVGBench_Dataset_Evaluation" / "video_eval"
        place.mkdir(parents=True, exist_ok=True)
        Clip(video, audio).write(place / f"fold4_room1_mix00{index}_deg010_start0050.mp4")
    return folder


@pytest.fixture
def no_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network of a metric and no cache of this account."""
    monkeypatch.setenv("SAVG_NETWORKS", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def without_spatial(folder: Path) -> Any:
    """The results in a folder as of a run without Spatial AV-Align."""
    data = json.loads((folder / "results.json").read_text())
    del data["sets"]["generated"]["metrics"]["spatial_av_align"]
    return data


@pytest.mark.usefixtures("no_networks")
def test_a_tiny_replication_from_weights_to_table(
    weights: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["replicate", "--weights", str(weights), "--data", str(data), "--out", str(out)]
    assert main([*command, "--num", "2", "--steps", "1", "--json"]) == 0
    printed = capsys.readouterr()
    table = json.loads(printed.out)
    assert list(table["rows"]) == [
        "Joint, released weights (published)",
        "as_published, official",
        "as_published, standard",
        "flipped_back, official",
        "flipped_back, standard",
    ]
    theirs = table["rows"]["Joint, released weights (published)"]
    assert theirs["fvd"]["value"] == 1218.85 and theirs["spatial_av_align"]["value"] == 0.5066
    ours = table["rows"]["as_published, official"]
    assert set(ours) == {"temporal_av_align", "spatial_av_align"}
    assert "fvd and kvd left out: " in printed.err and "fad-audioclip left out: " in printed.err
    clips = [Clip.read(out / "clips" / name / "0001.mp4", max_seconds=60) for name in
             ("as_published", "flipped_back")]  # fmt: skip
    apart = np.abs(clips[0].video[:, :, ::-1].astype(int) - clips[1].video)
    assert apart.mean() < 6 < np.abs(clips[0].video.astype(int) - clips[1].video).mean()
    assert np.corrcoef(clips[0].audio[0], clips[1].audio[0])[0, 1] > 0.99
    text = (out / "replication.md").read_text()
    assert "2 clips instead of the published 96." in text
    assert "Generated with --steps 1: not the published sampling." in text
    assert main([*command, "--num", "2", "--steps", "2"]) == 1
    assert "holds a replication with --steps 1, not 2: name another" in capsys.readouterr().err
    made = {path: path.stat().st_mtime_ns for path in (out / "clips").rglob("*.mp4")}
    shutil.rmtree(out / "results" / "flipped_back_standard")
    (out / "clips" / "as_published" / "0000.mp4").touch()
    assert main([*command, "--num", "2", "--steps", "1", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["rows"] == table["rows"]
    (out / "results" / "as_published_official" / "results.json").write_text(
        json.dumps(without_spatial(out / "results" / "as_published_official"))
    )
    assert main([*command, "--num", "2", "--steps", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == table["rows"]  # a metric more than before
    kept = {path: path.stat().st_mtime_ns for path in made if path.name != "0000.mp4"}
    assert all(made[path] == moment for path, moment in kept.items())


@pytest.mark.usefixtures("no_networks")
def test_mistakes_are_one_sentence_before_anything_is_made(
    weights: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    cases = (
        (weights, tmp_path / "empty", "must hold videos, or video_eval with the evaluation set."),
        (weights, tmp_path / "nowhere", "nowhere"),
        (tmp_path / "nothing.zip", data, "nothing.zip"),
        (tmp_path / "empty", data, "empty"),
    )
    for source, folder, sentence in cases:
        out = tmp_path / "out"
        command = ["replicate", "--weights", str(source), "--data", str(folder), "--out", str(out)]
        assert main(command) == 1
        printed = capsys.readouterr().err
        assert sentence in printed and "Traceback" not in printed
        assert not list(out.rglob("*.mp4"))
    assert main([*command[:-4], "--data", str(data), "--out", str(out), "--num", "1"]) == 1
    assert "--num must be" in capsys.readouterr().err


@pytest.mark.usefixtures("no_networks")
def test_all_five_metrics_of_both_modes_with_networks(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    networks = tmp_path / "networks"
    save_component(small(), networks / "i3d", "i3d", Card("MIT", "a test"))
    hearing = AudioClip(CONFIGS["tiny"]).eval()
    save_component(hearing, networks / "audioclip", "audioclip", Card("MIT", "a test"))
    monkeypatch.setattr(official_pieces, "PIECES", 8)
    longer = replace(JOINT["tiny"], frames=9)  # three pieces of 2 s
    pipeline = JointPipeline.random(longer, SUPERRES["tiny"], 0, mirrored=True)
    weights = with_detectors(pipeline, tmp_path / "weights")
    description = json.loads((weights / "pipeline.json").read_text())
    description["format"]["frames"] = 9
    (weights / "pipeline.json").write_text(json.dumps(description))
    out = tmp_path / "out"
    command = ["replicate", "--weights", str(weights), "--data", str(data), "--out", str(out)]
    command += ["--num", "2", "--steps", "1", "--networks", str(networks), "--json"]
    assert main(command) == 0
    printed = capsys.readouterr()
    table = json.loads(printed.out)
    names = {"fvd", "kvd", "fad-audioclip", "temporal_av_align", "spatial_av_align"}
    assert "left out" not in printed.err and set(table["columns"]) == names
    ours = {label: row for label, row in table["rows"].items() if "published)" not in label}
    assert len(ours) == 4
    for row in ours.values():
        assert set(row) == names
        for name in ("fvd", "kvd", "fad-audioclip"):
            assert np.isfinite(row[name]["value"])
    official, standard = (ours[f"as_published, {mode}"] for mode in ("official", "standard"))
    assert official["fvd"]["value"] != standard["fvd"]["value"]
    flipped = ours["flipped_back, official"]
    assert flipped["fvd"]["value"] != official["fvd"]["value"]
    assert flipped["fad-audioclip"]["value"] == pytest.approx(
        official["fad-audioclip"]["value"], rel=1e-3
    )  # the same audio
    shutil.rmtree(out / "results")
    monkeypatch.setattr(official_pieces, "evaluator_items", lambda *_: pytest.fail("decoded"))
    assert main(command) == 0  # from the cache
    assert json.loads(capsys.readouterr().out)["rows"] == table["rows"]


@pytest.mark.parametrize(("steps", "sampler"), [(3, "dpmpp_multistep"), (None, None)])
def test_a_trial_takes_as_many_steps_as_it_is_told(
    weights: Path, steps: int | None, sampler: str | None
) -> None:
    """The published solver chooses its own steps, whatever is asked for."""
    asked: dict[str, Any] = {}

    def pipeline(count: int, **options: Any) -> list[Clip]:
        asked.update(options)
        return []

    args = Namespace(seed=1, steps=steps, superres_steps=None)
    replicate._clips(args, pipeline, 0, 1, 1)  # type: ignore[arg-type]
    assert (asked["steps"], asked["sampler"]) == (steps, sampler)
    own = JointPipeline.from_pretrained(str(weights), "cpu")
    adaptive = own.sampler.with_overrides(steps, "dpmpp_adaptive")
    trial = adaptive.with_overrides(steps, sampler)
    assert (trial.total == steps) == (sampler is not None)
