"""Takes of a clip: what they are judged by, and which one is kept."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from savg.annotation import Boxes, SoundEvents
from savg.cli import main
from savg.clip import Clip
from savg.evaluation.takes import Asked, Take, best, judged, write_takes
from savg.format import SAVGBENCH

FRAMES = np.arange(SAVGBENCH.frames)


def clip() -> Clip:
    size = SAVGBENCH.size
    video = np.zeros((SAVGBENCH.frames, size, size, 3), np.uint8)
    return Clip(video, np.zeros((2, SAVGBENCH.samples), np.float32))


def people(*middles: float) -> Boxes:
    """A person 30 px wide at each place in all frames."""
    frames = np.repeat(FRAMES, len(middles))
    x = np.tile(middles, len(FRAMES))
    corners = np.stack([x - 15, np.full(len(x), 80.0), x + 15, np.full(len(x), 180.0)], axis=1)
    return Boxes(frames, np.zeros(len(x), int), corners)


def sounds(x: np.ndarray | float, category: int = 0) -> SoundEvents:
    frames = np.arange(SAVGBENCH.label_frames)
    return SoundEvents(
        frames, np.full(len(frames), category), np.broadcast_to(x, len(frames)) + 0.0
    )


def test_a_take_is_judged_by_people_and_by_what_was_asked() -> None:
    moving = np.linspace(40, 200, SAVGBENCH.label_frames)
    asked = Asked("speech", (40, 200), 2)
    take = judged(clip(), people(200, 30), sounds(moving), asked, 7)
    assert take.index == 7 and take.tp + take.fn == SAVGBENCH.label_frames
    # The path that was asked begins with the clip and ends with it, half a label frame further.
    assert take.x_error == pytest.approx(0.0, abs=2.0)
    assert take.sound_share == 1.0 and take.people_share == 1.0
    assert take.centre == 0.0  # the nearest box ends at 185, 57 px from the middle
    wrong = judged(clip(), people(200), sounds(moving, 1), asked, 8)
    assert wrong.sound_share == 0.0 and wrong.people_share == 0.0 and wrong.cost > take.cost + 400


def test_the_best_take_is_the_nearest_and_silence_is_the_worst() -> None:
    near = judged(clip(), people(60), sounds(64.0), Asked(), 1)
    far = judged(clip(), people(60), sounds(84.0), Asked(), 0)
    silent = judged(clip(), people(60), SoundEvents.empty(), Asked(), 2)
    assert (near.distance, far.distance) == (4.0, 24.0) and near.score == far.score == 1.0
    assert silent.score is None and silent.cost == float("inf")
    assert best([far, near, silent]) is near
    assert best([silent, silent]) is silent


def test_the_table_holds_every_take(tmp_path: Path) -> None:
    takes = [Take(0, None, 0, 0, None, None, None), Take(1, 0.5, 2, 2, 0.25, 0.0, 12.5)]
    write_takes(tmp_path / "takes.csv", [takes])
    with (tmp_path / "takes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["kept"] for row in rows] == ["0", "1"]
    assert rows[0]["score"] == "" and float(rows[1]["distance"]) == 12.5


def test_generate_keeps_the_best_take_under_its_own_number(tmp_path: Path) -> None:
    command = ["generate", "--num", "2", "--takes", "2", "--steps", "2", "--superres-steps", "1"]
    assert main([*command, "--out", str(tmp_path)]) == 0
    with (tmp_path / "takes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["clip"], row["index"]) for row in rows] == [
        (str(i // 2), str(i)) for i in range(4)
    ]
    kept = [f"joint_seed0_{int(row['index']):04d}.mp4" for row in rows if row["kept"] == "1"]
    assert len(kept) == 2 and sorted(path.name for path in tmp_path.glob("*.mp4")) == sorted(kept)


def test_a_choice_without_takes_is_told(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["generate", "--keep", "all", "--out", str(tmp_path)]) == 1
    assert "--keep must come with --takes N." in capsys.readouterr().err
    assert main(["generate", "--takes", "65", "--out", str(tmp_path)]) == 1
    assert "--takes must be at most 64" in capsys.readouterr().err
