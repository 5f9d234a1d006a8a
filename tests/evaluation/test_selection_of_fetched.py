"""Metrics whose weights can be fetched: only where they are asked for by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from savg.errors import SavgError
from savg.evaluation.selection import select_metrics
from savg.features.networks import NETWORKS_VARIABLE
from savg.metrics.base import Need

EVERYTHING = frozenset(Need)


@pytest.fixture(autouse=True)
def nothing_is_here(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv(NETWORKS_VARIABLE, str(tmp_path / "networks"))

    def fetch(*args: object, **more: object) -> None:
        raise AssertionError("selecting must not fetch")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)


def test_all_leaves_out_what_must_be_fetched() -> None:
    chosen = select_metrics(["all"], EVERYTHING)
    assert "fvd-yolox" in chosen.metrics
    assert "download.pytorch.org" in chosen.left_out["fvd-r3d18"]
    assert "weights import i3d_pretrained_400.pt" in chosen.left_out["fvd"]


def test_a_name_asks_for_it() -> None:
    assert list(select_metrics(["fvd-r3d18"], EVERYTHING).metrics) == ["fvd-r3d18"]
    with pytest.raises(SavgError, match="weights import i3d_pretrained_400"):
        select_metrics(["fvd"], EVERYTHING)
