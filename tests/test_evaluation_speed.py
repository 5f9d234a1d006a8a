"""The benchmark of evaluations: what it calls plain networks are in float32 on any machine."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchmarks import evaluation_speed
from savg import device


def test_plain_networks_are_loaded_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "bfloat16_gain", lambda: 3.0)
    monkeypatch.setattr(evaluation_speed, "RANDOM", ())
    formats: list[torch.dtype] = []

    class Observing:
        @property
        def parts(self) -> list[Any]:
            formats.append(device.choose("cpu").dtype)
            return []

    observers: Any = Observing()
    evaluation_speed.make_plain(observers, "")
    assert formats == [torch.float32]
    assert device.choose("cpu").dtype == torch.bfloat16
