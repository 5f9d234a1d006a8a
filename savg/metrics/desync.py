"""DeSync: by how many seconds the audio is off, as Synchformer hears and sees it.

The mean of the absolute offsets that the network finds most likely, of 21 from −2 to 2 s, in the first
and the last 4.8 s of each clip, as the public benchmark of video-to-audio generation counts it. Beside
it stand the clips' own audio moved by half their length (shifted), and a guess at random (uniform,
1.05 s). The network was trained on 25 frames a second: slower video, repeated, blurs what it sees.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from savg.metrics.base import Cells, Item, Metric, MetricResult, Need
from savg.metrics.chance import uninformative
from savg.metrics.statistics import mean_interval
from savg.models.mmaudio_lengths import SYNC_FPS
from savg.models.synchformer_sync import SyncConfig

FEATURE = "synchformer_offsets"

NULLS = {"shifted": "audio moved by half a clip", "uniform": "random offsets"}
"""The chance baselines by name, in words."""


def uniform_desync(config: SyncConfig | None = None) -> float:
    """The mean absolute offset in seconds of a random class."""
    config = config or SyncConfig()
    return float(np.abs(np.linspace(-config.max_offset, config.max_offset, config.offsets)).mean())


class Desync(Metric):
    """Mean over clips of the mean absolute offset of their windows, in seconds."""

    name = "desync"
    label = "DeSync"
    unit = "s"
    higher_is_better = False
    needs = frozenset({Need.FEATURES})
    backbones = (FEATURE,)

    def compute(self) -> MetricResult:
        items = [item for item in self.items if item.observation.features[FEATURE].shape[1]]
        short = len(self.items) - len(items)
        if not items:
            return self.undefined("No clip is 4.8 s long, as the network needs.", too_short=short)
        offsets = [item.observation.features[FEATURE] for item in items]
        own, shifted = np.array([np.abs(rows).mean(axis=1) for rows in offsets], np.float64).T
        low, high = mean_interval(own, self.seed)
        value = float(own.mean())
        nulls = {"shifted": float(shifted.mean()), "uniform": uniform_desync()}
        notes: dict[str, Any] = {
            "offset": float(np.mean([rows[0].mean() for rows in offsets])),
            "too_short": short,
        }
        if warnings := self._warnings(value, low, high, nulls, items, short):
            notes["warnings"] = warnings
        return MetricResult(self.name, value, low, high, len(items), nulls, notes)

    def _warnings(
        self,
        value: float,
        low: float | None,
        high: float | None,
        nulls: dict[str, float],
        items: list[Item],
        short: int,
    ) -> list[str]:
        sentences = uninformative(value, low, high, nulls, higher_is_better=False, words=NULLS)
        slow = {item.observation.format.fps for item in items}
        if min(slow) < SYNC_FPS:
            sentences.append(
                f"Frames at {min(slow)} fps were repeated for a network of {SYNC_FPS} fps: small "
                "offsets cannot be seen in them."
            )
        if short:
            sentences.append(f"{short} of {short + len(items)} clips are below 4.8 s and left out.")
        return sentences

    @classmethod
    def cells(cls, item: Item) -> Cells:
        own = item.observation.features[FEATURE][:1].ravel()
        if not len(own):
            return {"desync_s": None, "offset_s": None}
        return {"desync_s": float(np.abs(own).mean()), "offset_s": float(own.mean())}
