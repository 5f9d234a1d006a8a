"""Rows beside the generated set: which metrics they have, and what their clips are."""

from __future__ import annotations

import numpy as np
import pytest

from savg.annotation import Boxes
from savg.clip import Clip
from savg.errors import SavgError
from savg.evaluation.baseline_rows import altered_sources, baseline_rows
from savg.evaluation.observers import Source
from savg.evaluation.outcome import BOXES, CENTRE
from savg.evaluation.results_file import REFERENCE
from savg.format import SAVGBENCH
from savg.metrics.registry import metric_class


def rows(*names: str, reference: bool = True, official: tuple[str, ...] = ()) -> dict:
    metrics = {name: metric_class(name) for name in names}
    return {key: list(row) for key, row in baseline_rows(metrics, reference, official).items()}


def test_each_row_has_the_metrics_that_mean_something_there() -> None:
    names = ("spatial_av_align", "fvd", "fad-audioclip", "ild")
    assert rows(*names) == {
        REFERENCE: ["spatial_av_align", "ild"],
        CENTRE: list(names),
        BOXES: list(names),
    }
    both = ("i3d", "audioclip")
    assert rows(*names, official=both)[CENTRE] == ["spatial_av_align", "fvd", "ild"]
    assert REFERENCE not in rows(*names, reference=False)
    assert rows("fvd", "ild") == {REFERENCE: ["ild"]}, "nothing listens to events"
    assert set(rows("events_per_clip", reference=False)) == {CENTRE}, "nobody is looked for"


def test_the_clips_of_a_trivial_baseline_have_other_audio_and_keys() -> None:
    format = SAVGBENCH.with_frames(2)
    video = np.zeros((2, 256, 256, 3), np.uint8)
    noise = np.random.default_rng(0).normal(0, 0.1, format.samples).astype(np.float32)
    clip = Clip(video, np.stack([noise, 0 * noise]), format)
    right = Boxes(np.arange(2), np.zeros(2), np.tile([200.0, 60, 240, 190], (2, 1)))
    sources = [Source(name, lambda: clip, f"key of {name}") for name in ("a", "b")]
    keys = set()
    for key, seen, detector in ((CENTRE, 0.0, ""), (BOXES, 1.0, "x"), (BOXES, 1.0, "y")):
        known, unknown = altered_sources(key, sources, {"a": right}, detector)
        made = known.read()
        left, heard = np.abs(made.audio).mean(axis=1)
        assert np.array_equal(made.video, video)
        assert (heard > 1.5 * left) if seen else heard == pytest.approx(left)
        with pytest.raises(SavgError, match="b could not be observed"):
            unknown.read()
        keys |= {known.key, unknown.key}
    assert len(keys) == 6 and not keys & {source.key for source in sources}
    assert {s.key for s in altered_sources(CENTRE, sources, {}, "x")} < keys, "no box is used"
    (plain,) = altered_sources(CENTRE, [Source("a", lambda: clip, None)], {})
    assert plain.key is None
