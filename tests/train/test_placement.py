"""On which device a process trains, whom it waits for, and what it says when memory is too small."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from toy import OPTIM, ToyRecipe

from savg.device import own_device, processes
from savg.errors import SavgError
from savg.train import checkpoint as checkpoints
from savg.train.loop import Session, train
from savg.train.placement import Together


def under_torchrun(monkeypatch: pytest.MonkeyPatch, rank: int, gpus: int) -> None:
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("LOCAL_RANK", str(rank))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)


@pytest.mark.parametrize(
    ("rank", "gpus", "asked", "expected"),
    [
        (0, 4, None, "cuda:0"),
        (3, 4, None, "cuda:3"),
        (3, 4, "cuda", "cuda:3"),
        (3, 4, "cpu", "cpu"),
        (3, 0, None, None),
    ],
)
def test_each_process_takes_its_own_gpu_from_the_start(
    monkeypatch: pytest.MonkeyPatch, rank: int, gpus: int, asked: str | None, expected: str | None
) -> None:
    under_torchrun(monkeypatch, rank, gpus)
    assert own_device(asked) == expected


def test_processes_are_not_told_to_share_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    under_torchrun(monkeypatch, 1, 2)
    with pytest.raises(
        SavgError, match=r"device must be cuda or cpu under torchrun, .* got cuda:1"
    ):
        own_device("cuda:1")


def test_processes_that_are_to_take_gpus_say_that_there_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    under_torchrun(monkeypatch, 1, 0)
    with pytest.raises(
        SavgError, match=r"device must be cpu on a machine without a GPU, got cuda\."
    ):
        own_device("cuda")


def test_one_process_takes_the_gpu_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert own_device("cuda:1") == "cuda:1" and own_device(None) is None


@pytest.mark.parametrize(
    ("main", "local_main", "turn"), [(True, True, 0), (False, True, 1), (False, False, 2)]
)
def test_data_are_prepared_once_on_each_machine(
    monkeypatch: pytest.MonkeyPatch, main: bool, local_main: bool, turn: int
) -> None:
    """The first process, then the first of each machine, then the rest, which find what is stored."""
    order: list[str] = []
    monkeypatch.setattr(
        torch.distributed, "barrier", lambda group: order.append("wait"), raising=False
    )
    together = Together()
    together.group = "gloo"  # type: ignore[assignment]
    facts: Any = SimpleNamespace(is_main_process=main, is_local_main_process=local_main)
    assert together.in_turn(facts, lambda: order.append("open") or 5) == 5
    assert order.index("open") == turn and order.count("wait") == 3


@dataclass(frozen=True)
class Large(ToyRecipe):
    """A recipe that fits into memory only two samples at a time."""

    checkpoint_attention: bool = False

    def loss(self, model: Any, batch: Any, step: int, seed: int) -> Any:
        if len(batch[0]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 200 GiB.")
        return super().loss(model, batch, step, seed)


def test_too_little_memory_says_what_to_set(tmp_path: Path) -> None:
    optim = replace(OPTIM, batch=6, steps=1)
    session = Session(tmp_path, device="cpu", quiet=True)
    with pytest.raises(SavgError) as error:
        train(Large(optim), session)
    assert str(error.value) == (
        "The device's memory is too small for 6 samples at a time: --set accumulation=2 computes 3 "
        "at a time and trains the same; --set checkpoint_attention=true takes less too."
    )
    assert train(Large(replace(optim, accumulation=3)), session) == 1


def test_memory_too_small_for_one_sample_is_said(tmp_path: Path) -> None:
    class Huge(Large):
        def loss(self, model: Any, batch: Any, step: int, seed: int) -> Any:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    recipe = Huge(replace(OPTIM, batch=2, accumulation=2, steps=1))
    with pytest.raises(
        SavgError, match="too small for 1 samples at a time: it takes a GPU with more"
    ):
        train(recipe, Session(tmp_path, device="cpu", quiet=True))


def test_a_run_says_when_its_batches_are_divided_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of a batch draw noise by their place, so their number matters."""
    recipe = ToyRecipe(replace(OPTIM, steps=2))
    session = Session(tmp_path, device="cpu", quiet=True, stop_at=1)
    train(recipe, session)
    saved = checkpoints.load(checkpoints.folders(tmp_path)[-1])
    assert saved.parts == 1
    checkpoints.save(tmp_path, replace(saved, step=2, parts=4))
    train(replace(recipe, optim=replace(recipe.optim, steps=3)), replace(session, stop_at=3))
    said = capsys.readouterr().err
    assert "batches in 4 parts (processes × accumulation) and goes on with 1" in said
    assert processes() == 1


def test_a_file_stops_a_run_cleanly(tmp_path: Path) -> None:
    """Of several processes `torchrun` would report a signal as a failure."""
    (tmp_path / "stop").touch()
    session = Session(tmp_path, device="cpu", quiet=True)
    assert train(ToyRecipe(OPTIM), session) == 1
    assert checkpoints.load(checkpoints.folders(tmp_path)[-1]).step == 1
    assert not (tmp_path / "stop").exists()
    assert train(ToyRecipe(OPTIM), session) == OPTIM.steps
