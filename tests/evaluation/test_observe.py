"""Observations of clips survive their cache; a spoiled file of it is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from savg.annotation import Boxes, SoundEvents
from savg.errors import SavgError
from savg.evaluation.observe import Cache
from savg.format import SAVGBENCH
from savg.metrics.base import Observation


def test_observations_come_back_as_they_were(tmp_path: Path) -> None:
    events = SoundEvents([0, 3], [0, 1], [12.5, 250.0])
    boxes = Boxes([0, 1], [0, 0], [[0, 1, 5, 9], [3, 4, 8, 8]], [0.9, 0.5])
    cache = Cache(tmp_path / "kept")
    features = {"pan": np.array(0.25), "motion_x": np.array(np.nan), "t": np.ones((2, 3), np.uint8)}
    format = SAVGBENCH.with_frames(28)
    cache.write("a", Observation(events, boxes, format, boxes, features))
    loaded = cache.read("a")
    assert (
        loaded is not None and loaded.format == format and loaded.events.x.tolist() == [12.5, 250.0]
    )
    assert loaded.features["pan"] == 0.25 and np.isnan(loaded.features["motion_x"])
    assert loaded.features["t"].dtype == np.uint8 and loaded.features["t"].shape == (2, 3)
    for table in (loaded.boxes, loaded.candidates):
        assert table is not None and table.scores is not None
        np.testing.assert_array_equal(table.xyxy, boxes.xyxy)
        assert table.scores.tolist() == [0.9, 0.5]
    cache.write("empty", Observation(SoundEvents.empty(), Boxes.empty()))
    empty = cache.read("empty")
    assert empty is not None and len(empty.events) == len(empty.boxes) == 0
    assert empty.boxes.scores is None and cache.read("b") is None


@pytest.mark.parametrize("spoil", ["text", "nothing", "half", "other arrays"])
def test_a_spoiled_file_of_the_cache_is_named(tmp_path: Path, spoil: str) -> None:
    cache, file = Cache(tmp_path), tmp_path / "c.npz"
    cache.write("c", Observation(SoundEvents.empty(), Boxes.empty()))
    if spoil == "other arrays":
        np.savez(file, boxes=np.zeros(3), candidates=np.zeros(3), events=np.zeros(3))
    else:
        whole = file.read_bytes()
        file.write_bytes({"text": b"x", "nothing": b"", "half": whole[: len(whole) // 2]}[spoil])
    with pytest.raises(SavgError, match=r"c\.npz is not a cached observation"):
        cache.read("c")
