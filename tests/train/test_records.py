"""The tables of a run: continued where it stopped, and one sentence where they are none."""

from __future__ import annotations

import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from toy import ToyRecipe

from savg.errors import SavgError
from savg.train.loop import Session, train
from savg.train.records import Records, Table


def test_a_table_goes_on_after_the_step_and_gains_columns(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,loss\n1,0.5\n2,0.4\n3,0.3\n")
    Table(path, 2).add({"step": 3, "loss": 0.2, "rate": 1e-3})
    assert path.read_text() == "step,loss,rate\n1,0.5,\n2,0.4,\n3,0.2,0.001\n"
    path.write_text("step,loss\n")
    Table(path, 0).add({"step": 1, "loss": 0.25})
    assert path.read_text() == "step,loss\n1,0.25\n"


@pytest.mark.parametrize(
    "content", [b"step,loss\n\xff,1\n", b"step\n" + b"1" * 200_000, b"a\n1,2\n"]
)
def test_a_damaged_table_is_named_and_stays_as_it_is(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(SavgError, match=r"log\.csv.*\.$"):
        Table(path, 5)
    assert path.read_bytes() == content


class FakeWandb:
    """Remembers what it is told, as wandb's module and as a run of it."""

    __spec__ = ModuleSpec("wandb", None)  # accelerate asks whether it is there

    def __init__(self) -> None:
        self.begun: list[dict[str, Any]] = []
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.finished = 0

    def init(self, **arguments: Any) -> FakeWandb:
        self.begun.append(arguments)
        return self

    def log(self, values: dict[str, float], step: int) -> None:
        self.logged.append((step, values))

    def finish(self) -> None:
        self.finished += 1


def test_a_resumed_run_goes_on_in_weights_and_biases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb, run = FakeWandb(), tmp_path / "first"
    monkeypatch.setitem(sys.modules, "wandb", wandb)  # type: ignore[arg-type]
    run.mkdir()
    (run / "run.json").write_text(json.dumps({"recipe": "toy"}))
    for end in (2, 4):
        train(ToyRecipe(), Session(run, device="cpu", stop_at=end, quiet=True, wandb="toys"))
    first, second = wandb.begun
    assert first["project"] == "toys" and first["name"] == "first" and first["dir"] == str(run)
    assert first["config"] == {"recipe": "toy"} and first["resume"] == "allow"
    assert len(first["id"]) == 12 and second["id"] == first["id"] and wandb.finished == 2
    trained = [step for step, values in wandb.logged if "train/loss" in values]
    rows = (run / "log.csv").read_text().splitlines()[1:]
    assert trained and trained == [int(row.partition(",")[0]) for row in rows]
    other = Records(tmp_path / "other", 0, active=False, project="toys")
    other.training(1, {"loss": 1.0})
    assert len(wandb.begun) == 2 and not (tmp_path / "other").exists()


def test_weights_and_biases_that_cannot_begin_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise RuntimeError("api_key not configured (no-tty).\ncall wandb login")

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=refuse))  # type: ignore[arg-type]
    with pytest.raises(SavgError, match=r"^--wandb toys: .*api_key not configured"):
        Records(tmp_path, 0, project="toys")
    assert not (tmp_path / "wandb_id").exists()
    monkeypatch.setitem(sys.modules, "wandb", None)  # as if it were not installed
    with pytest.raises(SavgError, match=r"--wandb needs wandb.*savg-studio\[wandb\]"):
        Records(tmp_path, 0, project="toys")
