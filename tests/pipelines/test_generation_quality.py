"""The benchmark of generated clips runs through on random networks, directed and undirected."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from benchmarks import generation_quality
from benchmarks.directions import EDGE, EVERY, PATHS, plan, spread
from benchmarks.generated_sets import SETS, Sets, made_small
from benchmarks.synthetic import held_out
from savg.data.joint_codec import DEMO
from savg.device import choose
from savg.errors import SavgError
from savg.evaluation import directed
from savg.hub import PIPELINE_FILE
from savg.metrics.looks import CHANGE, EDGES
from savg.metrics.people_count import WRONG_PEOPLE
from savg.models.joint_config import CONFIGS as JOINT
from savg.models.video_unet import CONFIGS as VIDEO
from savg.models.visual_flow import VisualFlow
from savg.paths import assets_dir
from savg.pipelines.joint import JointPipeline
from savg.pipelines.superres import PUBLISHED, SuperResolution
from savg.pipelines.two_stage import tiny as tiny_two_stage
from savg.pipelines.video import VideoPipeline

POINTS = 3


def weights(folder: Path, directed: bool) -> Path:
    """A folder with both pipelines of random weights; directed: all networks take directions."""
    config = replace(JOINT["tiny"], direction=POINTS) if directed else JOINT["tiny"]
    JointPipeline.random(config, None).save_pretrained(folder)
    other = folder.with_name(folder.name + "_two_stage")
    two_stage = tiny_two_stage(boxes=2)
    if directed:
        video = VideoPipeline.random(replace(VIDEO["tiny"], direction=POINTS), None)
        video.format = two_stage.video.format
        two_stage = replace(two_stage, video=video, audio=with_direction(two_stage.audio))
    two_stage.save_pretrained(other)
    description = json.loads((other / PIPELINE_FILE).read_text())
    description["sound"]["persons"] = "yolox"
    (folder / "two_stage.json").write_text(json.dumps(description))
    for part in (path for path in other.iterdir() if path.is_dir()):
        shutil.copytree(part, folder / part.name, dirs_exist_ok=True)

    shutil.copytree(assets_dir() / "demo" / "yolox", folder / "yolox")
    return folder


def with_direction(audio: Any) -> Any:
    """A second stage whose network takes directions, and follows them."""
    torch.manual_seed(1)
    flow = VisualFlow(replace(audio.flow.config, direction=POINTS)).eval()
    flow.load_state_dict(audio.flow.state_dict(), strict=False)
    torch.nn.init.normal_(flow.direction.weight, std=0.3)
    return replace(audio, flow=flow)


def run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> dict:
    command = ["generation_quality", "--weights", str(folder), "--clips", "2", "--directed", "6"]
    command += ["--small", "1", "--batch", "2", "--keep", str(tmp_path / "kept"), *more]
    monkeypatch.setattr(sys, "argv", [*command, "--out", str(tmp_path / "out")])
    generation_quality.main()
    return json.loads((tmp_path / "out" / "generation_quality.json").read_text())


def test_all_sets_are_measured_once_and_kept(tmp_path, monkeypatch, capsys) -> None:
    folder = weights(tmp_path / "w", directed=True)
    saved = tmp_path / "saved"
    result = run(
        folder, tmp_path, monkeypatch, "--save", str(saved), "--save-clips", "2", "--bystanders"
    )
    assert list(result["sets"]) == list(SETS) and result["setting"]["notes"] == []
    truth = result["sets"]["ground_truth"]["metrics"]
    assert truth[EDGES]["value"] == truth[CHANGE]["value"] == 1
    assert 0 <= truth[WRONG_PEOPLE]["value"] <= 1
    small = result["sets"]["small_truth"]["metrics"]
    assert {EDGES, "person_share"} <= set(small) and "spatial_av_align" not in small
    for name in ("joint_directed", "two_stage_directed"):
        told = result["sets"][name]["metrics"]
        assert told[directed.SOUND_X]["notes"]["clips"] == 6
        assert told[directed.PATH_PERSON]["n"] == 2
        assert told[WRONG_PEOPLE]["n"] == 6
    assert set(result["judged_by"]) == {"yolox"}
    goals = {(row["set"], row["measure"]): row for row in result["goals"]}
    assert goals["joint", "spatial_av_align of the truth's"]["goal"] == "≥ 0.95"
    assert ("joint_directed", directed.SOUND_X) in goals
    text = (tmp_path / "out" / "generation_quality.md").read_text()
    assert "| set | figure | reached (95 % interval) | n | goal | met |" in text
    assert text in capsys.readouterr().out
    sheet = cv2.imread(str(saved / "ground_truth.sheet.png"))
    assert sheet.shape == (144, 6 * 256, 3)
    assert (saved / "joint_directed.spectra.png").is_file()
    assert len(list(saved.glob("joint_directed_*.mp4"))) == 2

    def made_again(*_: object) -> None:
        raise AssertionError("cached clips are not made again")

    monkeypatch.setattr(Sets, "clip", made_again)
    again = run(folder, tmp_path, monkeypatch, "--bystanders")
    for name, one in result["sets"].items():
        assert json.dumps(again["sets"][name]["metrics"]) == json.dumps(one["metrics"])
    with pytest.raises(AssertionError, match="not made again"):
        run(folder, tmp_path, monkeypatch, "--sets", "joint", "--seed", "1")


def test_undirected_weights_leave_out_what_is_asked(tmp_path, monkeypatch, capsys) -> None:
    folder = weights(tmp_path / "w", directed=False)
    chosen = ["--sets", "joint", "joint_directed", "two_stage", "--bystanders"]
    result = run(folder, tmp_path, monkeypatch, *chosen, "--judges", "nanodet")
    assert list(result["sets"]) == ["joint", "two_stage"]
    assert result["judged_by"] == {} and not result["setting"]["bystanders"]
    said = capsys.readouterr().err
    assert "No set 'joint, directed'" in said and "No bystander is asked for" in said
    assert WRONG_PEOPLE not in result["sets"]["joint"]["metrics"]


def test_true_frames_are_averaged_down_and_upscaled() -> None:
    clip = held_out("furnished", 0).clip
    pipeline: Any = SimpleNamespace(
        codec=DEMO, superres=SuperResolution(None, None, PUBLISHED, choose("cpu", "float32"))
    )
    small = made_small(pipeline, clip, 0)
    assert small.audio is clip.audio and not small.video[:, : clip.format.top].any()
    inside = slice(80, 176)  # rows that all of upscaling's neighbours lie in
    expected = np.stack([cv2.resize(f, (64, 64), interpolation=cv2.INTER_AREA) for f in clip.video])
    expected = np.stack(
        [cv2.resize(f, (256, 256), interpolation=cv2.INTER_CUBIC) for f in expected]
    )
    apart = np.abs(small.video[:, inside].astype(int) - expected[:, inside])
    assert (
        apart.mean() < 0.7
        and np.abs(small.video[:, inside].astype(int) - clip.video[:, inside]).mean()
        > 2 * apart.mean()
    )


def test_directions_are_spread_over_the_frame() -> None:
    told = plan(64, 4, (1, 2), {"x": 2.0})
    assert len(told) == 64 and told[0] == told[3] != told[4]
    groups = told[::4]
    static = [one for one in groups if one.x is not None and len(one.x) == 1]
    moving = [one for one in groups if one not in static]
    assert len(moving) == len(groups) // EVERY
    places = sorted(one.x[0] for one in static)
    assert np.allclose(places, spread(len(static))) and places[0] == EDGE
    assert np.ptp(np.diff(places)) < 1e-9
    assert (
        {one.sound for one in static} == {one.sound for one in moving} == {"speech", "instrument"}
    )
    assert [one.x for one in moving[:4]] == list(PATHS)
    assert {one.people for one in static} == {1, 2} and all(one.people == 1 for one in moving)
    assert all(one.weights == {"x": 2.0} for one in told)
    assert len(plan(1, 4)) == 1 and plan(1, 4)[0].x == (128.0,)
    with pytest.raises(SavgError, match="at least one number"):
        plan(4, 4, ())
