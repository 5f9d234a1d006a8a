"""The documented block of commands, from synthetic recordings to a training run, made small."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from savg.cli import main as savg
from savg.data.packed import PackedClips
from savg.data.savgbench import SavgBench
from savg.paths import file_sha256
from savg.train.__main__ import main as train

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "dataset.md"

SMALLER = {
    "dataset synth": ["--recordings", "2", "--seed", "3", "--seconds", "12", "--size", "480x240"],
    "dataset build": ["--view-step", "30", "--processes", "1"],
    "savg.train joint": ["--batch", "1", "--steps", "1", "--device", "cpu", "--quiet"],
}
"""Options that the test adds to a command; later options win."""


def documented() -> list[list[str]]:
    """The commands of the dataset's documentation."""
    block = re.search(r"```\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    return [shlex.split(line) for line in block[1].splitlines()]


def run(words: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a documented command in a folder, made small."""
    monkeypatch.chdir(folder)
    assert words[:2] == ["python", "-m"]
    line = " ".join(words)
    extra = next((more for name, more in SMALLER.items() if name in line), [])
    command = savg if words[2] == "savg" else train
    return command([*words[3:], *extra])


def test_the_documented_commands_lead_from_recordings_to_a_training_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = documented()
    actions = [" ".join(words[2:5] if words[2] == "savg" else words[2:4]) for words in commands]
    assert actions == [
        "savg dataset synth",
        "savg dataset build",
        "savg dataset check",
        "savg dataset pack",
        "savg.train joint",
    ]
    for words in commands:
        assert run(words, tmp_path, monkeypatch) == 0, (words, capsys.readouterr())

    bench = SavgBench(tmp_path / "dataset")
    assert len(bench) >= 1 and bench.manifest is not None
    listed = {clip["name"]: clip["labels_sha256"] for clip in bench.manifest["clips"]}
    assert listed == {item.name: file_sha256(item.labels_path) for item in bench}
    report = json.loads((tmp_path / "dataset" / "report.json").read_text())["splits"]["dev"]
    assert report["kept"] == len(bench) == report["windows"] - sum(report["dropped"].values())
    pack = PackedClips(tmp_path / "pack")
    assert len(pack) == len(bench) and pack.layout.resize == "published"
    for index, item in enumerate(bench):
        assert pack.labels(index).frames.tolist() == item.labels.frames.tolist()
        assert np.abs(pack.waveform(index)).max() > 1e-3 and pack.video[index].std() > 1
    run_folder = tmp_path / "runs" / "joint-pack"
    assert [p.name for p in (run_folder / "checkpoints").iterdir()] == ["00000001"]
    assert json.loads((run_folder / "run.json").read_text())["data"] == "pack"
