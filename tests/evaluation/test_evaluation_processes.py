"""Two processes share an evaluation and give the numbers of one; a failure is one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from threading import Thread
from typing import Any

import made_up_clips
import pytest
from torch.distributed import HashStore

import savg.detectors
from savg.cli import main
from savg.errors import SavgError
from savg.evaluation.processes import OtherProcessFailed, Place, Processes
from savg.format import SAVGBENCH

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
    import os, sys; sys.path[:0] = [{root!r}, {tests!r}]
    import made_up_clips
    import savg.detectors
    from savg.cli import main

    def persons(clip):
        with open(f"{{os.environ['SEEN']}}.{{os.environ.get('RANK', 0)}}", "a") as file:
            file.write("x")
        return made_up_clips.find_persons(clip)

    savg.detectors.person_detector = lambda name, source, **_: persons
    savg.detectors.sound_detector = lambda name, source, **_: made_up_clips.find_sounds
    sys.exit(main(sys.argv[1:]))
"""

METRICS = ("--metrics", "spatial_av_align", "pan_spread", "nearest_clip")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def arguments(folder: Path) -> list[str]:
    sets = ("--generated", folder / "generated", "--reference", folder / "reference")
    return [*map(str, ("evaluate", *sets, *METRICS, "--json", "--no-cache"))]


def shared(folder: Path) -> Any:
    """The JSON that the command prints, run by two processes."""
    script = folder / "script.py"
    script.write_text(textwrap.dedent(SCRIPT.format(root=str(ROOT), tests=str(ROOT / "tests"))))
    command = [sys.executable, *TORCHRUN, str(script), *arguments(folder)]
    variables = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "SEEN": str(folder / "seen")}
    process = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **variables}, timeout=300
    )
    assert process.returncode == 1, process.stderr[-2000:]  # for the bad clip
    assert process.stderr.count("bad.mp4 is not a video") == 1
    return json.loads(process.stdout)


def test_two_processes_give_the_numbers_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    format = SAVGBENCH.with_frames(2)
    for name, first, count in (("generated", 0, 10), ("reference", 20, 9)):
        (tmp_path / name).mkdir()
        for seed in range(first, first + count):
            made_up_clips.scene(seed, format).write(tmp_path / name / f"{seed - first:02d}.mp4")
    (tmp_path / "generated" / "bad.mp4").write_text("no video")
    for kind, find in (
        ("person", made_up_clips.find_persons),
        ("sound", made_up_clips.find_sounds),
    ):
        monkeypatch.setattr(
            savg.detectors, f"{kind}_detector", lambda name, source, find=find, **_: find
        )
    assert main(arguments(tmp_path)) == 1
    one, two = json.loads(capsys.readouterr().out), shared(tmp_path)
    for part in [*one["sets"].values(), *two["sets"].values()]:
        part["metrics"]["spatial_av_align"]["notes"].pop("networks")  # other functions by name
    for key in ("sets", "each", "each_by_set", "failed", "warnings"):
        assert one[key] == two[key], key
    seen = [len((tmp_path / f"seen.{rank}").read_text()) for rank in range(2)]
    # Batches of eight in turns: 8 and 2 of the first set, 8 and 1 of the second.
    assert seen == [16, 3]


def test_a_failure_is_told_to_the_others_once() -> None:
    store = HashStore()
    main, helper = (Processes(rank, 2, rank, store) for rank in range(2))
    with pytest.raises(SavgError, match="weights are missing"), helper:
        raise SavgError("Its weights are missing.")
    for wait in (main.finish, lambda: next(main.watch([1])), lambda: helper.tell("cache")):
        with pytest.raises(OtherProcessFailed, match=r"^Its weights are missing\.$"), main:
            wait()


def test_processes_wait_for_each_other() -> None:
    store, order = HashStore(), []
    main, helper = (Processes(rank, 2, rank, store) for rank in range(2))

    def help_out() -> None:
        order.append(helper.tell("cache"))
        helper.finish()

    thread = Thread(target=help_out)
    thread.start()
    assert main.tell("cache", "a folder") == "a folder"
    main.finish()
    thread.join(10)
    assert order == ["a folder"]


def test_batches_are_dealt_in_turns_and_stay_as_they_are() -> None:
    items = list(range(21))
    shares = [Processes(rank, 3).share(items, 4) for rank in range(3)]
    assert shares == [
        [0, 1, 2, 3, 12, 13, 14, 15],
        [4, 5, 6, 7, 16, 17, 18, 19],
        [8, 9, 10, 11, 20],
    ]
    assert Processes().share(items, 4) == items
    alone = Processes.of_environment({"WORLD_SIZE": "1", "RANK": "0"})
    assert (alone.rank, alone.count, alone.store) == (0, 1, None)


TOLD = {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}
MEETING = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


def test_the_place_of_a_process_is_what_torchrun_tells() -> None:
    assert Place.of_environment({}) == Place.of_environment({"RANK": "3"}) == Place(0, 1, 0)
    assert Place.of_environment(TOLD) == Place(1, 2, 1)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"WORLD_SIZE": "x"}, "WORLD_SIZE must be a whole number ≥ 1, got 'x'"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE must be a whole number ≥ 1, got 0"),
        ({"RANK": None}, "RANK must be set where WORLD_SIZE is"),
        ({"RANK": "2"}, r"RANK must be a whole number in 0\.\.1, got 2"),
        ({"LOCAL_RANK": "first"}, "LOCAL_RANK must be a whole number"),
        ({"MASTER_ADDR": None}, "MASTER_ADDR must be set"),
        ({"MASTER_PORT": None}, "MASTER_PORT must be set"),
        ({"MASTER_PORT": "http"}, r"MASTER_PORT must be a whole number in 1\.\.65535, got 'http'"),
    ],
)
def test_broken_variables_are_one_sentence(changed: dict[str, str | None], words: str) -> None:
    environment = {k: v for k, v in {**TOLD, **MEETING, **changed}.items() if v is not None}
    with pytest.raises(SavgError, match=words):
        Processes.of_environment(environment)


def test_processes_that_cannot_meet_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def rendezvous(url: str) -> Any:
        raise RuntimeError("The port is taken.\nA trace.")
        yield

    monkeypatch.setattr("torch.distributed.rendezvous", rendezvous)
    with pytest.raises(SavgError, match=r"^The processes could not meet: The port is taken\.$"):
        Processes.of_environment({**TOLD, **MEETING})


@pytest.mark.parametrize(
    ("changed", "first", "other"),
    [
        ({"MASTER_PORT": "http"}, "MASTER_PORT must be a whole number", ""),
        ({"WORLD_SIZE": "x"}, "WORLD_SIZE must be a whole number", ""),
        ({"LOCAL_RANK": "x"}, "LOCAL_RANK must be", "LOCAL_RANK must be"),  # of one process alone
    ],
)
def test_broken_variables_of_all_processes_are_told_by_the_first(
    changed: dict[str, str],
    first: str,
    other: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for rank, words in (("0", first), ("1", other)):
        for name, value in {**TOLD, **MEETING, "RANK": rank, **changed}.items():
            monkeypatch.setenv(name, value)
        assert main(["evaluate", str(tmp_path)]) == 1
        told = capsys.readouterr().err
        assert words in told and (told.count("must be") == bool(words))
