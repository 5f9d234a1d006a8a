"""The training command: messages for wrong input, and training data from folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from savg.annotation import Boxes, ClipLabels
from savg.clip import Clip
from savg.format import SAVGBENCH
from savg.train.__main__ import main
from savg.train.sources import ClipSpec, Synthetic, open_clips

TINY = ["--config", "tiny", "--precision", "float32", "--quiet", "--device", "cpu"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "NOWHERE"], "no such folder of training data"),
        (["--data", "EMPTY"], "no video in it"),
        (["--data", "BROKEN"], "not a folder of packed clips"),
        (["--set", "nothing=1"], "no setting 'nothing'"),
        (["--set", "lr=fast"], "error: optim.lr must be of type float, got 'fast'.\n"),
        (["--set", "batch=0"], "error: optim.batch must be ≥ 1, got 0.\n"),
        (["--set", "steps=1_000"], "optim.steps must be of type int, got '1_000'."),
        (["--set", "optim.steps=１２"], "optim.steps must be of type int, got '１２'."),
        (["--steps", "0"], "steps must be ≥ 1, got 0"),
        (["--batch", "-3"], "batch must be ≥ 1, got -3"),
        (["--threads", "0"], "--threads must be ≥ 1, got 0"),
        (["--finish", "0"], "--finish must be ≥ 1"),
        (["--finish", "5", "--steps", "9"], "without --steps"),
        (["--config", "huge"], "must be one of full, demo, tiny, got 'huge'"),
    ],
)
def test_mistakes_get_one_sentence(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "BROKEN").mkdir()
    (tmp_path / "BROKEN" / "meta.json").write_text("{}")
    places = {name: str(tmp_path / name) for name in ("NOWHERE", "EMPTY", "BROKEN")}
    arguments = [places.get(argument, argument) for argument in arguments]
    assert main(["seld", "--out", str(tmp_path / "run"), *TINY, *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and words in error
    assert error.count("\n") == 1 and "Traceback" not in error


def test_bad_usage_exits_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        [],
        ["seld"],
        ["waltz", "--out", "x"],
        ["seld", "--out", "x", "--steps", "y"],
    ):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2
    capsys.readouterr()


def test_export_needs_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 1
    assert main(["export", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "run.json could not be read" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_run_folder_may_not_be_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").write_text("")
    assert main(["seld", "--out", str(tmp_path / "run"), *TINY]) == 1
    assert "--out must be a folder, got the file" in capsys.readouterr().err


def test_fresh_removes_the_run_but_not_its_data(tmp_path: Path) -> None:
    arguments = ["seld", "--out", str(tmp_path), *TINY]
    assert main([*arguments, "--steps", "2"]) == 0
    assert main([*arguments, "--steps", "1"]) == 0  # nothing left to do
    packed = next((tmp_path / "data").rglob("keys.npy")).stat().st_mtime_ns
    names = lambda: sorted(p.name for p in (tmp_path / "checkpoints").iterdir())  # noqa: E731
    assert names() == ["00000002"]
    assert main([*arguments, "--steps", "1", "--fresh"]) == 0
    assert names() == ["00000001"]
    assert next((tmp_path / "data").rglob("keys.npy")).stat().st_mtime_ns == packed


def test_a_folder_of_clips_in_the_published_layout_is_training_data(tmp_path: Path) -> None:
    folder = tmp_path / "Development"
    for name in ("video_dev", "metadata_dev", "boxes"):
        (folder / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(2):
        video = np.full((20, 256, 256, 3), 40 + 50 * index, np.uint8)
        audio = (0.1 * rng.standard_normal((2, 80_000))).astype(np.float32)
        Clip(video, audio).write(folder / "video_dev" / f"clip{index}.mp4")
        labels = ClipLabels([3 + index], [9], [200.0], [70.0])
        labels.write_csv(folder / "metadata_dev" / f"clip{index}.csv")
        boxes = Boxes([1], [0], [[10.0, 60.0, 50.0, 190.0]], None)
        boxes.write_csv(folder / "boxes" / f"clip{index}.csv")
    clips = open_clips(str(folder), tmp_path / "run", ClipSpec(SAVGBENCH, 64), Synthetic())
    assert len(clips) == 2
    for index in range(2):
        assert clips.labels(index).frames.tolist() == [3 + index]
        assert clips.labels(index).classes.tolist() == [9]
        assert clips.boxes(index).xyxy.tolist() == [[10.0, 60.0, 50.0, 190.0]]
        assert abs(float(clips.video(index)[:, 20:44].mean()) - 40 - 50 * index) < 6
        assert clips.audio(index).std() > 0.05
    assert not clips.video(0)[:, :14].any()


def test_a_run_is_finished_from_any_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["joint", "--out", str(tmp_path / "run"), *TINY, "--set", "sample_every=0"]
    assert main([*run, "--steps", "900", "--stop-at", "3"]) == 0
    assert main([*run, "--finish", "2"]) == 0
    assert "step 5 of 5" in capsys.readouterr().err
    rows = (tmp_path / "run" / "log.csv").read_text().splitlines()
    rates = [
        float(dict(zip(rows[0].split(","), row.split(","), strict=True))["lr"]) for row in rows[1:]
    ]
    assert rates[2:] == pytest.approx([1e-3, 1e-3, 5e-4])
