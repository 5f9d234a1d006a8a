"""Rehearsals: a copy filled over HTTP by listeners who are marked as simulated wherever they show."""

from __future__ import annotations

import csv
import functools
import hashlib
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mos_clips import write_folder

from savg.cli import main
from savg.errors import SavgError
from savg.mos.rehearsal.model import Crowd, ListenerModel, World
from savg.mos.storage.rows import StudyRow
from savg.mos.study.design import Condition, Stimulus, Study
from savg.mos.study.folder import open_folder
from savg.web.client import NoAnswer

SMALL = [
    *("--trials", "6", "--anchor-trials", "1", "--practice", "2", "--repeats", "0"),
    *("--catch", "1", "--size", "64"),
]
FAST = ["--speed", "400"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clips")
    folders = [("joint", 3), ("two_stage", 3), ("ground_truth", 8)]
    conditions = [f"{n}={write_folder(root / n, k, 10 * i)}" for i, (n, k) in enumerate(folders)]
    folder = root / "pilot"
    assert main(["mos", "create", str(folder), "--conditions", *conditions, *SMALL]) == 0
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_a_copy_is_filled_and_says_everywhere_what_it_is(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(study)
    out = tmp_path / "copy"
    command = ["mos", "simulate", str(study), "--out", str(out), "--listeners", "8", *FAST]
    assert main([*command, "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert contents(study) == before
    assert outcome["simulated"] and outcome["analysis"]["simulated"]
    assert outcome["listeners"] == {"attentive": 5, "careless": 1, "failing": 1, "leaving": 1}
    assert (outcome["finished"], outcome["screened_out"]) == (6, 1)
    assert outcome["speed"] == 400 and outcome["requests"] > 3 * outcome["ratings"] > 3 * 6 * 11

    copy = open_folder(out)
    assert copy.name == "pilot-rehearsal"
    people = copy.store.participants(copy.name)
    assert len(people) == 8 and all(p.simulated and p.device["simulated"] for p in people)
    assert Counter(p.status for p in people) == {"done": 6, "screened_out": 1, "trials": 1}
    rows = copy.store.ratings(copy.name)
    assert len(rows) == outcome["ratings"] and all(r.simulated for r in rows)
    for row in rows:
        assert row.rated_at - row.served_at >= 0.95 * row.seconds
    copy.store.close()
    original = open_folder(study)
    assert original.store.participants("pilot") == []
    original.store.close()

    assert not (out / "study.sqlite-wal").exists()
    report = out / "report"
    assert {p.name for p in report.iterdir()} == {
        f"simulated-{name}"
        for name in (
            *("report.html", "report.md", "report.json", "ratings.csv", "participants.csv"),
            *("exclusions.csv", "stimuli.csv"),
        )
    }
    page = (report / "simulated-report.html").read_text()
    assert "<title>SIMULATED LISTENERS: " in page and "no result of this page is real" in page
    assert "body::before{content:'SIMULATED LISTENERS'" in page
    with (report / "simulated-ratings.csv").open() as stream:
        assert {row["simulated"] for row in csv.DictReader(stream)} == {"True"}
    assert "simulated" in (out / "SIMULATED.txt").read_text()

    assert main(command) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--seed", "1"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("SIMULATED: 8 listeners") and "400 times as fast" in output
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--means", "stereo=3"], "must be one of joint, two_stage"),
        (["--means", "joint=7"], "must be in 1..5"),
        (["--means", "joint"], "must be NAME=MOS"),
        (["--listeners", "0"], "must be in 1..500"),
        (["--listeners", "3", "--careless", "3"], "must be attentive"),
        (["--failing", "30"], "0..24"),
        (["--speed", "0.5"], "must be in 1..1000"),
        (["--noise-sd", "nan"], "0..4 points"),
        (["--seed", "-1"], "Seed must be"),
    ],
)
def test_mistakes_are_one_sentence(
    study: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    sentence: str,
) -> None:
    out = tmp_path / "copy"
    assert main(["mos", "simulate", str(study), "--out", str(out), *more]) == 1
    output = capsys.readouterr().err.strip().splitlines()[-1]
    assert output.startswith("error: ") and sentence in output
    assert not list(tmp_path.iterdir())


def test_only_a_rehearsal_is_replaced(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    command = ["mos", "simulate", str(study), "--out", str(tmp_path), "--overwrite"]
    assert main(command) == 1
    assert "not a rehearsal" in capsys.readouterr().err
    assert main(["mos", "simulate", str(study), "--out", str(study), "--overwrite"]) == 1
    assert "not a rehearsal" in capsys.readouterr().err
    assert (tmp_path / "kept.txt").read_text() == "mine"


def test_a_study_without_its_clips_leaves_nothing(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NoAnswer("The server answered 404 for the media file x.mp4.")

    monkeypatch.setattr("savg.mos.rehearsal.run.attend", refuse)
    out = tmp_path / "copy"
    assert main(["mos", "simulate", str(study), "--out", str(out), *FAST]) == 1
    assert capsys.readouterr().err.strip().endswith("media file x.mp4.")
    assert not list(tmp_path.iterdir())


def children(parent: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def wait_for(happens: Callable[[], bool], seconds: float = 100.0) -> bool:
    deadline = time.monotonic() + seconds
    while not (now := happens()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return now


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopping_it_leaves_no_half_copy_and_no_server(
    study: Path, tmp_path: Path, how: signal.Signals
) -> None:
    command = [sys.executable, "-m", "savg", "mos", "simulate", str(study), "--real-time"]
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = (
        subprocess.Popen(  # a shell's background job ignores Ctrl-C, and so would its children
            [*command, "--out", str(tmp_path / "copy")],
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heed,
        )
    )
    assert wait_for(lambda: bool(children(process.pid)))
    servers = children(process.pid)
    assert wait_for(lambda: bool(list(tmp_path.glob(".*/study.sqlite-wal"))))
    process.send_signal(how)
    output = process.communicate(timeout=100)[1]
    assert wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in servers))
    assert not (tmp_path / "copy").exists()
    if how == signal.SIGINT:
        assert process.returncode == 1 and output.strip().endswith("Stopped.")
        assert "Traceback" not in output and not list(tmp_path.iterdir())


def flat_row(labels: tuple[str, ...]) -> StudyRow:
    conditions = (Condition("joint", 500), Condition("two_stage", 500))
    study = Study("s", conditions, labels=labels, practice=0, repeats=0, catch=0)
    clips = tuple(
        Stimulus(f"{c.name}{i}", c.name, f"{i}", f"{c.name}/{i}", "system", 5.0)
        for c in conditions
        for i in range(500)
    )
    return StudyRow(study, "open", clips, (), {}, 0.0)


@pytest.mark.parametrize("labels", [("1", "2", "3", "4", "5"), tuple("abcdefghijk")])
def test_attentive_listeners_give_the_expected_mean(labels: tuple[str, ...]) -> None:
    row = flat_row(labels)
    world = World(row, ListenerModel({"joint": 1.5}), seed=4)
    for name in ("joint", "two_stage"):
        scores = []
        for i in range(120):
            policy = world.policy(i, "attentive")
            scores.append(
                [
                    policy.opinion({"media": s.media}).score
                    for s in row.stimuli
                    if s.condition == name
                ]
            )
        assert abs(np.mean(scores) - world.expected(name)) < 0.09 * (len(labels) - 1) / 4
        assert np.min(scores) >= 1 and np.max(scores) <= len(labels)


def test_careless_listeners_straight_line_and_the_seed_decides() -> None:
    world = World(flat_row(("1", "2", "3", "4", "5")), ListenerModel(), seed=1)
    opinions_of = [
        [world.policy(i, "careless").opinion({"media": s.media}) for s in world.stimuli.values()]
        for i in range(2)
    ]
    for opinions in opinions_of:
        assert Counter(o.score for o in opinions).most_common(1)[0][1] / len(opinions) > 0.8
    policies = [world.policy(3, "attentive") for _ in range(2)]
    once, again = ([m.opinion({"media": "joint1.mp4"}) for _ in range(20)] for m in policies)
    assert once == again
    assert Crowd(24, seed=1).kinds() == Crowd(24, seed=1).kinds() != Crowd(24, seed=2).kinds()
    assert Counter(Crowd().kinds()) == {"attentive": 20, "careless": 2, "failing": 1, "leaving": 1}
    assert Crowd(1).kinds() == ["attentive"]
    with pytest.raises(SavgError, match="attentive"):
        Crowd(2, careless=1, failing=1)
