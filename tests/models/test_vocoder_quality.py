"""The benchmark of vocoders: its measures, and that it writes a row for each method."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import vocoder_quality


def test_level_differences_and_f_scores_are_as_defined() -> None:
    audio = torch.stack((torch.ones(100), torch.full((100,), 0.5)))
    assert vocoder_quality.level_difference(audio) == pytest.approx(6.02, abs=0.01)
    scores = vocoder_quality.f_score(np.array([[3, 1, 1], [0, 0, 0], [0, 2, 0]]))
    assert scores[0] == 0.75 and np.isnan(scores[1]) and scores[2] == 0


def test_it_writes_a_row_for_each_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["vocoder_quality", "--clips", "2", "--worlds", "solo", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", command)
    vocoder_quality.main()
    rows = json.loads((tmp_path / "vocoder_quality.json").read_text())["rows"]
    truth, alone = rows[vocoder_quality.TRUTH], rows[vocoder_quality.ALONE]
    assert truth["mel"]["value"] == truth["level"]["median"] == 0 and "time" not in truth
    assert alone["time"]["value"] == 1 and 0 < alone["mel"]["value"] < 0.2
    assert rows[vocoder_quality.NOISE]["spectral"]["value"] > alone["spectral"]["value"]
    text = (tmp_path / "vocoder_quality.md").read_text()
    assert all(name in text for name in (*rows, *vocoder_quality.TITLES.values()))
