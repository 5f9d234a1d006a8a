"""The tables of a run: continued where it stopped, and one sentence where they are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from savg.errors import SavgError
from savg.train.records import Table


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
