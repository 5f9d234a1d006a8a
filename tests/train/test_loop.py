"""The training loop: exact resume, atomic checkpoints, logs, clean stops, clear errors."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toy import OPTIM, ToyConfig, ToyRecipe

from savg.errors import CheckpointError, SavgError
from savg.train import checkpoint as checkpoints
from savg.train.loop import Session, train

ROOT = Path(__file__).resolve().parents[2]


def session(run: Path, **changes: object) -> Session:
    return Session(run, precision="float32", quiet=True, **changes)


def newest(run: Path) -> checkpoints.Checkpoint:
    return checkpoints.load(checkpoints.folders(run)[-1])


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("stops", [(6,), (1, 7, 11)])
@pytest.mark.parametrize("average", ["ema", "ema_exp", "swa"])
def test_a_resumed_run_is_an_uninterrupted_one(
    tmp_path: Path, stops: tuple[int, ...], average: str
) -> None:
    optim = replace(OPTIM, average=average, average_start=4, average_every=3, schedule="cosine")
    recipe = ToyRecipe(optim)
    assert train(recipe, session(tmp_path / "whole")) == 12
    for stop in stops:
        assert train(recipe, session(tmp_path / "parts", stop_at=stop)) == stop
    assert train(recipe, session(tmp_path / "parts")) == 12
    whole, parts = newest(tmp_path / "whole"), newest(tmp_path / "parts")
    assert whole.step == parts.step == 12
    assert same(whole.model, parts.model)
    assert same(whole.average, parts.average)
    assert same(whole.optimizer, parts.optimizer)
    assert whole.optimizer  # Adam's moments are there


def test_accumulated_parts_give_the_gradient_of_the_whole_batch(tmp_path: Path) -> None:
    from savg.train.optim import draws

    class Plain(ToyRecipe):
        def build(self) -> torch.nn.Module:
            model = super().build()
            model.layers[1] = torch.nn.Identity()
            model.layers[2] = torch.nn.Identity()
            return model

        def loss(self, model, batch, step, seed):  # type: ignore[no-untyped-def]
            return (model(batch[0])[:, 0] - batch[0].sum(1)).square().mean(), {}

    for parts in (1, 2):
        optim = replace(OPTIM, accumulation=parts, steps=3)
        train(Plain(optim), session(tmp_path / str(parts)))
    one, two = newest(tmp_path / "1").model, newest(tmp_path / "2").model
    assert all(torch.allclose(one[key], two[key], atol=1e-6) for key in one)
    assert len(draws(10, 4, 0, 0)) == 4


def test_logs_scores_and_the_last_two_checkpoints_are_stored(tmp_path: Path) -> None:
    train(ToyRecipe(), session(tmp_path))
    assert [p.name for p in checkpoints.folders(tmp_path)] == ["00000009", "00000012"]
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert [int(row["step"]) for row in rows] == [2, 4, 6, 8, 10, 12]
    assert {"loss", "lr", "grad_norm", "largest", "samples", "seconds"} <= rows[0].keys()
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    scores = list(csv.DictReader((tmp_path / "scores.csv").open()))
    assert [int(row["step"]) for row in scores] == [6, 12]
    assert sorted(p.name for p in (tmp_path / "samples").iterdir()) == [
        "00000006.png",
        "00000012.png",
    ]
    assert not list(tmp_path.rglob(".*"))


def test_rows_of_lost_work_leave_the_log_when_a_run_resumes(tmp_path: Path) -> None:
    train(ToyRecipe(), session(tmp_path, stop_at=8))
    for folder in checkpoints.folders(tmp_path)[1:]:
        (folder / "state.json").unlink()
    train(ToyRecipe(), session(tmp_path, stop_at=7))
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert [int(row["step"]) for row in rows] == [2, 4, 6, 7]


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(tmp_path: Path) -> None:
    train(ToyRecipe(poison=1), session(tmp_path, stop_at=5))
    start = ToyRecipe(poison=1)
    torch.manual_seed(0)
    state = newest(tmp_path)
    assert not state.optimizer
    assert all(torch.isfinite(v).all() for v in state.model.values())
    assert int(csv.DictReader((tmp_path / "log.csv").open()).__next__()["skipped"][0]) == 1
    with pytest.raises(SavgError, match="not been finite for 10 steps"):
        train(replace(start, optim=replace(OPTIM, steps=30)), session(tmp_path / "b"))


def test_a_run_of_other_settings_is_not_resumed(tmp_path: Path) -> None:
    train(ToyRecipe(), session(tmp_path, stop_at=1))
    with pytest.raises(CheckpointError, match=r"model\.width \(8 → 9\)"):
        train(ToyRecipe(model=ToyConfig(9)), session(tmp_path))
    longer = replace(OPTIM, steps=14, lr=1e-3)
    assert train(ToyRecipe(longer), session(tmp_path)) == 14


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    train(ToyRecipe(), session(tmp_path, stop_at=2))
    shard = next(checkpoints.folders(tmp_path)[-1].glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="00000002 is not a complete training checkpoint"):
        train(ToyRecipe(), session(tmp_path))


def test_shards_stay_under_their_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SHARD_BYTES", 4_000)
    tensors = {str(i): torch.full((200,), float(i)) for i in range(20)}
    tensors["large"] = torch.ones(3_000)
    saved = checkpoints.Checkpoint(3, 1.5, {"kind": "toy"}, tensors, {"a": torch.ones(2)}, {})
    folder = checkpoints.save(tmp_path, saved)
    sizes = [p.stat().st_size for p in folder.glob("*.safetensors")]
    assert len(sizes) > 4 and sorted(sizes)[-2] < 5_000
    loaded = checkpoints.load(folder)
    assert same(loaded.model, tensors) and loaded.step == 3 and loaded.seconds == 1.5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_write_a_checkpoint_and_end_the_run(tmp_path: Path, number: int) -> None:
    code = f"""
        import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests" / "train")!r}]
        from dataclasses import replace
        from pathlib import Path
        import time
        from savg.train.loop import Session, train
        from toy import OPTIM, ToyRecipe
        class Slow(ToyRecipe):
            def loss(self, model, batch, step, seed):
                time.sleep(0.05)
                print("step", flush=True)
                return super().loss(model, batch, step, seed)
        optim = replace(OPTIM, steps=100000, save_every=0)
        print(train(Slow(optim), Session(Path({str(tmp_path)!r}), precision="float32")))
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline().strip() == "step"
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    step = int(out.split()[-1])
    assert 3 <= step < 1000
    assert [p.name for p in checkpoints.folders(tmp_path)] == [f"{step:08d}"]


def test_no_time_left_still_trains_one_step(tmp_path: Path) -> None:
    assert train(ToyRecipe(), session(tmp_path, max_minutes=0.0)) == 1


def test_a_batch_must_be_a_multiple_of_accumulation(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be a multiple of accumulation 3, got 4"):
        replace(OPTIM, accumulation=3)
