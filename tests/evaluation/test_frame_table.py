"""The table of label frames: its temporary file ends with the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import studio_fakes

import savg.detectors
from savg.cli import main
from savg.errors import SavgError
from savg.evaluation.frame_table import FrameTable
from savg.format import SAVGBENCH


@pytest.mark.parametrize("kind", ["clips", "tables"])
@pytest.mark.parametrize("failing", [None, "frame_table.FrameTable.add", "run_files.write_run"])
def test_it_is_closed_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, failing: str | None
) -> None:
    tables: list[FrameTable] = []
    begin = FrameTable.__init__

    def counted(self: FrameTable, metrics: Any) -> None:
        begin(self, metrics)
        tables.append(self)

    def fail(*_: object) -> None:
        raise SavgError("It fails.")

    monkeypatch.setattr(FrameTable, "__init__", counted)
    if failing:
        monkeypatch.setattr(f"savg.evaluation.{failing}", fail)
    monkeypatch.setattr(
        savg.detectors, "person_detector", lambda *_, **__: studio_fakes.find_persons
    )
    monkeypatch.setattr(savg.detectors, "sound_detector", lambda *_, **__: studio_fakes.find_sounds)
    folder = tmp_path / "set"
    folder.mkdir()
    if kind == "clips":
        studio_fakes.scene(1, SAVGBENCH.with_frames(2)).write(folder / "a.mp4")
    else:
        (folder / "a.boxes.csv").write_text("0,0,1,1,9,9\n")
        (folder / "a.events.csv").write_text("0,0,5\n")
    options = ("--no-cache", "--metrics", "spatial_av_align", "--out", str(tmp_path / "out"))
    assert main(["evaluate", str(folder), *options]) == int(failing is not None)
    (table,) = tables
    assert table._rows.closed
