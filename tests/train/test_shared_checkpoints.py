"""The processes of a run write a checkpoint together; here threads stand for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from savg.errors import SavgError
from savg.train import checkpoint as checkpoints
from savg.train.checkpoint import Checkpoint
from savg.train.placement import Together

COUNT = 3
STATE = Checkpoint(
    7,
    1.5,
    {"name": "toy"},
    model={f"layer{k}": torch.full((100,), float(k)) for k in range(5)},
    average={f"layer{k}": torch.full((100,), 0.5 + k) for k in range(5)},
    optimizer={f"{k}.step": torch.tensor(7.0) for k in range(5)},
    parts=COUNT,
)


class Threads(Together):
    """A process of `COUNT` that are threads of this one."""

    def __init__(self, index: int, said: list[Any], barrier: threading.Barrier) -> None:
        self.index, self.said, self.barrier = index, said, barrier

    def gather(self, value: Any) -> list[Any]:
        self.said[self.index] = value
        self.barrier.wait(20)
        values = list(self.said)
        self.barrier.wait(20)
        return values

    def tell(self, value: Any) -> Any:
        return self.gather(value)[0]


def saved_by_all(run: Callable[[int], Path]) -> list[Exception | None]:
    """What `save` raised in each process; `run(index)` is the run's folder as that process sees it."""
    said: list[Any] = [None] * COUNT
    barrier = threading.Barrier(COUNT)

    def save(index: int) -> Exception | None:
        try:
            checkpoints.save(run(index), STATE, together=Threads(index, said, barrier))
        except SavgError as error:
            return error
        return None

    with ThreadPoolExecutor(COUNT) as pool:
        return list(pool.map(save, range(COUNT)))


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Which thread wrote which shard; shards hold two tensors of the network each."""
    written: dict[str, str] = {}
    real = checkpoints.save_tensors

    def save_tensors(tensors: Any, path: Path) -> None:
        written[path.name] = threading.current_thread().name
        real(tensors, path)

    monkeypatch.setattr(checkpoints, "SHARD_BYTES", 800)
    monkeypatch.setattr(checkpoints, "save_tensors", save_tensors)
    return written


def test_processes_share_the_shards_of_a_checkpoint(
    tmp_path: Path, writers: dict[str, str]
) -> None:
    assert saved_by_all(lambda index: tmp_path / "shared") == [None] * COUNT
    dealt = [list(writers.values()).count(name) for name in sorted(set(writers.values()))]
    assert len(writers) == 6 and dealt == [2, 2, 2]
    alone = checkpoints.save(tmp_path / "alone", STATE)
    (shared,) = checkpoints.folders(tmp_path / "shared")
    files = {path.name: path.read_bytes() for path in alone.iterdir()}
    assert files == {path.name: path.read_bytes() for path in shared.iterdir()}
    loaded = checkpoints.load(shared)
    assert all(torch.equal(loaded.model[key], value) for key, value in STATE.model.items())


def test_a_process_without_the_first_one_s_disk_writes_nothing(
    tmp_path: Path, writers: dict[str, str]
) -> None:
    there = tmp_path / "shared", tmp_path / "elsewhere"
    assert saved_by_all(lambda index: there[index == 1]) == [None] * COUNT
    assert len(writers) == 6 and len(set(writers.values())) == 2
    assert not there[1].exists()
    assert checkpoints.load(checkpoints.folders(there[0])[0]).step == 7


def test_where_one_process_cannot_write_all_say_so_and_nothing_is_left(
    tmp_path: Path, writers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = checkpoints.save_tensors

    def full(tensors: Any, path: Path) -> None:
        if path.name == "shard-001.safetensors":
            raise OSError(28, "No space left on device")
        counted(tensors, path)

    monkeypatch.setattr(checkpoints, "save_tensors", full)
    errors = saved_by_all(lambda index: tmp_path)
    assert [str(error) for error in errors] == [
        f"{tmp_path / 'checkpoints' / '00000007'} could not be written: No space left on device."
    ] * COUNT
    assert checkpoints.folders(tmp_path) == []
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_where_the_folder_cannot_be_made_no_process_waits(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file", encoding="utf-8")
    errors = saved_by_all(lambda index: tmp_path)
    assert all(isinstance(error, SavgError) for error in errors)
    assert "could not be made" in str(errors[0]) and "first process" in str(errors[1])
