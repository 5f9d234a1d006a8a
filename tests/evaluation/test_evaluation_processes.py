"""Two processes share an evaluation and give the numbers of one; a failure is one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import studio_fakes
from torch.distributed import HashStore

from savg.errors import SavgError
from savg.evaluation.processes import OtherProcessFailed, Processes
from savg.format import SAVGBENCH

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
    import os, sys; sys.path[:0] = [{root!r}, {tests!r}]
    import studio_fakes
    import savg.detectors
    from savg.cli import main

    RANK = int(os.environ.get("RANK", "0"))

    def persons(clip):
        with open(f"{{os.environ['SEEN']}}.{{RANK}}", "a") as file:
            file.write("x")
        return studio_fakes.find_persons(clip)

    savg.detectors.person_detector = lambda name, source, **_: persons
    savg.detectors.sound_detector = lambda name, source, **_: studio_fakes.find_sounds
    sys.exit(main(sys.argv[1:]))
"""

METRICS = ("--metrics", "spatial_av_align", "pan_spread", "nearest_clip")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def evaluate(folder: Path, name: str, launcher: Sequence[str]) -> Any:
    """The JSON that the command prints, run in processes of its own."""
    script = folder / "script.py"
    script.write_text(textwrap.dedent(SCRIPT.format(root=str(ROOT), tests=str(ROOT / "tests"))))
    sets = ("--generated", folder / "generated", "--reference", folder / "reference")
    command = [sys.executable, *launcher, script, "evaluate", *sets, *METRICS, "--json"]
    variables = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "SEEN": str(folder / name)}
    process = subprocess.run(
        [*map(str, command), "--no-cache"],
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
        timeout=300,
    )
    assert process.returncode == 1, process.stderr[-2000:]  # for the bad clip
    assert process.stderr.count("bad.mp4 is not a video") == 1
    return json.loads(process.stdout)


def test_two_processes_give_the_numbers_of_one(tmp_path: Path) -> None:
    format = SAVGBENCH.with_frames(2)
    for name, first, count in (("generated", 0, 10), ("reference", 20, 9)):
        (tmp_path / name).mkdir()
        for seed in range(first, first + count):
            studio_fakes.scene(seed, format).write(tmp_path / name / f"{seed - first:02d}.mp4")
    (tmp_path / "generated" / "bad.mp4").write_text("no video")
    one, two = evaluate(tmp_path, "one", ()), evaluate(tmp_path, "two", TORCHRUN)
    for key in ("sets", "each", "each_by_set", "failed", "warnings"):
        assert one[key] == two[key], key
    seen = [len((tmp_path / name).read_text()) for name in ("one.0", "two.0", "two.1")]
    # Batches of eight in turns: 8 and 2 of the first set, 8 and 1 of the second.
    assert seen == [19, 16, 3]


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
    assert main.tell("cache", "/tmp/folder") == "/tmp/folder"
    main.finish()
    thread.join(10)
    assert order == ["/tmp/folder"]


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
