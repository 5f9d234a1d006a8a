"""Damaged checkpoints: noticed, set aside with a sentence, and the run goes on from the one before."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from toy import OPTIM, ToyRecipe

from savg.checksums import SUMS_FILE
from savg.errors import CheckpointError
from savg.train import checkpoint as checkpoints
from savg.train.loop import Session, train

ROOT = Path(__file__).resolve().parents[2]
SHARD = "shard-000.safetensors"


def session(run: Path, **changes: object) -> Session:
    return Session(run, precision="float32", quiet=True, **changes)


def trained(run: Path, stop_at: int | None = None) -> checkpoints.Checkpoint:
    recipe = ToyRecipe(replace(OPTIM, steps=12, save_every=3))
    train(recipe, session(run, stop_at=stop_at))
    return checkpoints.load(checkpoints.folders(run)[-1])


def same(a: checkpoints.Checkpoint, b: checkpoints.Checkpoint) -> bool:
    return a.step == b.step and all(
        x.keys() == y.keys() and all(torch.equal(x[key], y[key]) for key in x)
        for x, y in ((a.model, b.model), (a.average, b.average), (a.optimizer, b.optimizer))
    )


def flipped(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place % len(data)] ^= 1 << place % 8
    file.write_bytes(data)


def cut(file: Path, place: int) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: place % len(data)])


def removed(file: Path, place: int) -> None:
    file.unlink()


FILES = (SHARD, checkpoints.STATE_FILE, SUMS_FILE)


@pytest.mark.parametrize(
    ("name", "damage"),
    [*((name, damage) for name in FILES for damage in (flipped, cut)), (SHARD, removed)],
)
def test_the_checkpoint_before_a_damaged_one_is_taken(
    name: str, damage: Callable[[Path, int], None], tmp_path: Path, capsys: Any
) -> None:
    whole = trained(tmp_path / "whole")
    run = tmp_path / "run"
    trained(run, stop_at=9)
    newest = checkpoints.folders(run)[-1]
    assert newest.name == "00000009"
    damage(newest / name, random.Random(name + damage.__name__).randrange(10**6))
    capsys.readouterr()
    assert same(trained(run), whole)
    told = capsys.readouterr().err
    assert told == f"{newest} is damaged: the run goes on from step 6.\n"
    assert [path.name for path in checkpoints.folders(run)] == ["00000009", "00000012"]
    assert (run / "checkpoints" / "damaged-00000009").is_dir()


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    trained(tmp_path, stop_at=3)
    (folder,) = checkpoints.folders(tmp_path)
    draw = random.Random(3)
    for name in FILES:
        good = (folder / name).read_bytes()
        for _ in range(60):
            flipped(folder / name, draw.randrange(10**7))
            with pytest.raises(CheckpointError, match="00000003 is not a complete training"):
                checkpoints.load(folder)
            (folder / name).write_bytes(good)
    assert checkpoints.load(folder).step == 3


def test_a_damaged_last_checkpoint_is_written_again(tmp_path: Path) -> None:
    """A run that stops at the step of the damaged one has saved nothing yet."""
    whole = trained(tmp_path / "whole", stop_at=8)
    run = tmp_path / "run"
    trained(run, stop_at=8)
    flipped(checkpoints.folders(run)[-1] / SHARD, 5000)
    assert same(trained(run, stop_at=8), whole)


def test_where_all_are_damaged_the_run_is_left_as_it_is(tmp_path: Path) -> None:
    trained(tmp_path, stop_at=6)
    for folder in checkpoints.folders(tmp_path):
        flipped(folder / SHARD, 999)
    with pytest.raises(CheckpointError, match=r"00000006 is not a complete .* SHA-256 differs"):
        trained(tmp_path)
    assert [path.name for path in checkpoints.folders(tmp_path)] == ["00000003", "00000006"]


def test_a_checkpoint_of_an_earlier_version_has_no_sums_and_is_resumed(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole")
    trained(tmp_path / "run", stop_at=6)
    for folder in checkpoints.folders(tmp_path / "run"):
        (folder / SUMS_FILE).unlink()
    assert same(trained(tmp_path / "run"), whole)


WRONG: dict[str, Any] = {
    "step": [-1, 1.5, True, "3", None, 10**18, [3]],
    "seconds": ["x", None, [1.0], {}],
    "shards": [None, "shard", 3, ["../../secret"], ["/etc/passwd"], [3], [[]], ["shard-000.pt"]],
    "recipe": [None, [], "x", 3],
}


@pytest.mark.parametrize("key", WRONG)
def test_a_state_of_another_form_is_refused(key: str, tmp_path: Path) -> None:
    trained(tmp_path, stop_at=3)
    (folder,) = checkpoints.folders(tmp_path)
    (folder / SUMS_FILE).unlink()
    file = folder / checkpoints.STATE_FILE
    state = json.loads(file.read_text())
    contents = [json.dumps({**state, key: value}) for value in WRONG[key]]
    contents.append(json.dumps({k: v for k, v in state.items() if k != key}))
    contents += ["", "[1]", "[" * 100_000, '{"step": NaN}']
    for content in contents:
        file.write_text(content)
        with pytest.raises(
            CheckpointError, match="is not a complete training checkpoint"
        ) as caught:
            checkpoints.load(folder)
        assert len(str(caught.value)) < 500 + len(str(folder)), content


def test_export_takes_the_one_before_too(tmp_path: Path, capsys: Any) -> None:
    from savg.hub import load_component
    from savg.train.__main__ import main

    run = tmp_path / "run"
    options = ["--config", "tiny", "--out", str(run), "--quiet", "--device", "cpu"]
    settings = ["--set", "optim.save_every=1", "--set", "optim.sample_every=0"]
    assert main(["seld", *options, *settings, "--stop-at", "2", "--precision", "float32"]) == 0
    flipped(checkpoints.folders(run)[-1] / SHARD, 12_345)
    capsys.readouterr()
    assert main(["export", str(run), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert "00000002 is damaged: the run goes on from step 1." in printed.err
    assert load_component(tmp_path / "out", "seld")[1].facts["step"] == 1
    assert [path.name for path in checkpoints.folders(run)] == ["00000001", "00000002"]
    facts = json.loads((run / "run.json").read_text())
    for key in facts.keys() & {"kind", "settings", "card", "torch", "network"}:
        for value in (None, 3, [], {"a": 1}):
            (run / "run.json").write_text(json.dumps({**facts, key: value}))
            code = main(["export", str(run), "--out", str(tmp_path / "other")])
            error = capsys.readouterr().err
            assert "Traceback" not in error and (code == 0 or "error: " in error), (key, value)


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    code = f"""
        import resource, sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests" / "train")!r}]
        from pathlib import Path
        import torch
        from savg.errors import SavgError
        from savg.train import checkpoint as checkpoints
        run = Path({str(tmp_path)!r})
        def save(step):
            tensors = {{"a": torch.ones(20_000)}}
            state = checkpoints.Checkpoint(step, 1.0, {{"kind": "toy"}}, tensors, {{}}, {{}})
            checkpoints.save(run, state)
        save(1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        try:
            save(2)
        except SavgError as error:
            print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True)
    target = tmp_path / "checkpoints" / "00000002"
    assert done.stdout == f"{target} could not be written: File too large.\n", done.stderr
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["00000001"]
    assert checkpoints.load(tmp_path / "checkpoints" / "00000001").step == 1
