"""The two-stage pipeline on tiny random networks: video, then audio made for it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from savg.cli import main
from savg.errors import Cancelled, CheckpointError, SavgError
from savg.pipelines.joint import tiny as tiny_joint
from savg.pipelines.registry import CLIPS
from savg.pipelines.two_stage import TwoStagePipeline, tiny
from savg.pipelines.video import VideoPipeline
from savg.pipelines.video_to_audio import VideoToAudio
from savg.video import Video

ROUNDING = 1e-4


@pytest.fixture(scope="module")
def pipeline() -> TwoStagePipeline:
    return tiny()


@pytest.fixture(scope="module")
def folder(pipeline: TwoStagePipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("two_stage") / "p"
    pipeline.save_pretrained(path)
    return path


def test_a_clip_is_the_first_stages_video_with_audio_made_for_it(
    pipeline: TwoStagePipeline,
) -> None:
    clips = pipeline(3, seed=4, audio_steps=2)
    videos = pipeline.video(3, seed=4)
    for index, (clip, frames) in enumerate(zip(clips, videos, strict=True)):
        assert (clip.video == frames).all()
        alone = pipeline.audio(Video.of(clip), seed=4, index=index, steps=2)
        np.testing.assert_allclose(clip.audio, alone, atol=ROUNDING)
    assert np.abs(clips[0].audio - clips[1].audio).max() > 100 * ROUNDING


def test_a_clip_depends_on_its_seed_and_index_alone(pipeline: TwoStagePipeline) -> None:
    together = pipeline(3, seed=5)
    split = pipeline(3, seed=5, batch_size=2)
    alone = pipeline(1, seed=5, first=2)[0]
    for clip in (split[2], alone):
        np.testing.assert_allclose(together[2].audio, clip.audio, atol=ROUNDING)
        assert np.abs(together[2].video.astype(int) - clip.video).max() <= 1


def test_progress_counts_across_both_stages(pipeline: TwoStagePipeline) -> None:
    calls: list[tuple[int, int]] = []

    def on_step(done, total, preview):
        assert preview.dtype == np.uint8 and preview.shape[-1] == 3
        calls.append((done, total))

    pipeline(3, batch_size=2, on_step=on_step, audio_steps=4)
    total = pipeline.video.total(3, batch_size=2) + 2 * 4
    assert calls == [(i, total) for i in range(1, total + 1)]


@pytest.mark.parametrize("make", [tiny, tiny_joint])
def test_stages_add_up_to_the_steps_of_a_clip(make) -> None:
    pipeline, calls = make(), []
    pipeline(1, steps=2, on_step=lambda done, total, _: calls.append(total))
    stages = pipeline.stages(2)
    assert sum(steps for _, steps in stages) == len(calls) == calls[0]
    assert stages[0][1] == 2 and all(steps > 0 for _, steps in stages)


@pytest.mark.parametrize("stage", ["video", "sound"])
def test_it_stops_in_either_stage(pipeline: TwoStagePipeline, stage: str) -> None:
    end = 2 if stage == "video" else pipeline.video.total(1) + 2
    steps = []

    def on_step(done, total, preview):
        steps.append(done)
        return done < end

    with pytest.raises(Cancelled, match=f"after step {end} of"):
        pipeline(1, on_step=on_step)
    assert steps == list(range(1, end + 1))


def test_saved_and_loaded_whole_or_by_stage(pipeline: TwoStagePipeline, folder: Path) -> None:
    clip = pipeline(1, seed=2)[0]
    loaded = CLIPS.load(folder, "two_stage", device="cpu")
    assert isinstance(loaded, TwoStagePipeline)
    assert CLIPS["two_stage"] is TwoStagePipeline
    again = TwoStagePipeline.from_pretrained(folder, "cpu", "float32")(1, seed=2)[0]
    assert (again.video == clip.video).all() and (again.audio == clip.audio).all()
    first = VideoPipeline.from_pretrained(folder, "cpu", "float32")(1, seed=2)[0]
    second = VideoToAudio.from_pretrained(folder, "cpu", "float32")
    assert (first == clip.video).all()
    assert (second(Video.of(clip), seed=2) == clip.audio).all()


def test_one_folder_may_hold_several_pipelines(folder: Path, tmp_path: Path) -> None:
    """As the bundled weights do: the joint one in pipeline.json, the other in two_stage.json."""
    tiny_joint().save_pretrained(tmp_path / "demo")
    for part in folder.iterdir():
        if part.is_dir() and not (tmp_path / "demo" / part.name).exists():
            shutil.copytree(part, tmp_path / "demo" / part.name)
    shutil.copy(folder / "pipeline.json", tmp_path / "demo" / "two_stage.json")
    both = tmp_path / "demo"
    assert len(TwoStagePipeline.from_pretrained(both, "cpu", "float32")(1)) == 1
    assert VideoToAudio.from_pretrained(both, "cpu", "float32").channels == 2
    assert CLIPS.load(both, device="cpu").name == "joint"
    with pytest.raises(CheckpointError, match="expected a 'two_stage' pipeline, found 'joint'"):
        tiny_joint().save_pretrained(tmp_path / "joint")
        TwoStagePipeline.from_pretrained(tmp_path / "joint")


def test_stages_that_do_not_fit_are_refused(pipeline: TwoStagePipeline, tmp_path: Path) -> None:
    video = replace(pipeline.video, format=replace(pipeline.format, sample_rate=8000))
    with pytest.raises(CheckpointError, match="second stage, 16000 Hz, got 8000 Hz"):
        TwoStagePipeline(video, pipeline.audio)
    (tmp_path / "pipeline.json").write_text('{"pipeline": "two_stage", "video": {}}')
    with pytest.raises(CheckpointError, match="'sound' is missing"):
        TwoStagePipeline.from_pretrained(tmp_path)
    with pytest.raises(SavgError, match="num_clips must be"):
        pipeline(0)


def test_boxes_are_detected_in_the_frames_of_the_first_stage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from savg.annotation import Boxes

    pipeline, detected = tiny(boxes=1), []
    pipeline.audio.persons = lambda clip: detected.append(clip.video.copy()) or Boxes.empty()
    clip = pipeline(1, seed=1)[0]
    assert len(detected) == 1 and (detected[0] == clip.video).all()
    without = pipeline(1, seed=1, boxes=False)[0]
    assert pipeline.takes_boxes and len(detected) == 1
    assert (without.video == clip.video).all()
    np.testing.assert_allclose(without.audio, clip.audio, atol=ROUNDING)  # there was nobody


def test_the_command_generates_and_refuses(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["generate", "--pipeline", "two_stage", "--weights", str(folder), "--num", "2"]
    assert main([*arguments, "--audio-steps", "2", "--json", "--out", str(out)]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert [Path(row["file"]).name for row in summary["clips"]] == [
        "two_stage_seed0_0000.mp4",
        "two_stage_seed0_0001.mp4",
    ]
    assert all(Path(row["file"]).is_file() for row in summary["clips"])
    assert main(["generate", "--audio-steps", "2", "--out", str(out)]) == 1
    assert "a joint pipeline has no second stage" in capsys.readouterr().err
    assert main(["generate", "--no-boxes", "--out", str(out)]) == 1
    assert "--no-boxes: a joint pipeline" in capsys.readouterr().err


def test_the_command_gives_videos_new_audio(
    folder: Path, pipeline: TwoStagePipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from savg.clip import Clip

    clip = pipeline(1)[0]
    (tmp_path / "in").mkdir()
    clip.write(tmp_path / "in" / "a.mp4")
    (tmp_path / "in" / "b.mp4").write_text("no video")
    arguments = ["v2a", str(tmp_path / "in"), "--weights", str(folder), "--steps", "2"]
    assert main([*arguments, "--seed", "3", "--json", "--out", str(tmp_path / "out")]) == 1
    captured = capsys.readouterr()
    assert "b.mp4" in captured.err and "Traceback" not in captured.err
    summary = json.loads(captured.out)
    row, bad = summary["videos"]
    assert summary["failed"] == 1 and summary["seed"] == 3 and row["seconds"] == clip.format.seconds
    assert "b.mp4" in bad["error"] and not (tmp_path / "out" / "b.mp4").exists()
    assert Path(row["file"]) == tmp_path / "out" / "a.mp4"
    back = Clip.read(row["file"], clip.format)
    video = Video.read(tmp_path / "in" / "a.mp4")
    expected = VideoToAudio.from_pretrained(folder)(video, seed=3, steps=2)
    assert np.corrcoef(back.audio[0], expected[0])[0, 1] > 0.9
    assert main([*arguments, "--out", str(tmp_path / "in")]) == 1
    assert "would be replaced" in capsys.readouterr().err


def test_a_videos_audio_does_not_depend_on_the_others(folder: Path, tmp_path: Path) -> None:
    from videos import make_video

    codecs = ("libx264", "aac")
    names = [
        make_video(tmp_path / f"{n}.mp4", codecs=codecs, fps=5 + i) for i, n in enumerate("ab")
    ]
    for out, order in (("one", names), ("two", names[::-1])):
        arguments = ["v2a", *map(str, order), "--weights", str(folder), "--steps", "1"]
        assert main([*arguments, "--out", str(tmp_path / out)]) == 0
    for name in "ab":
        files = [tmp_path / out / f"{name}.mp4" for out in ("one", "two")]
        assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seed", "-1"], "--seed must be a whole number ≥ 0, got -1"),
        (["--steps", "0"], "--steps must be a whole number ≥ 1, got 0"),
        (["--guidance", "-2"], "--guidance must be ≥ 0, got -2"),
        (["--guidance", "nan"], "--guidance must be ≥ 0, got nan"),
        (["--max-seconds", "0"], "--max-seconds must be > 0"),
    ],
)
def test_values_out_of_range_are_refused_before_anything_is_loaded(
    arguments, words, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--weights", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    assert main(["v2a", "a.mp4", *arguments, *common]) == 1
    assert words in capsys.readouterr().err
