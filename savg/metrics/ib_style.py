"""How alike Synchformer's features of a clip's frames and of its audio are: not ImageBind's score.

The cosine of the mean features of frames and of audio of each clip, in the manner of the IB-score
(ImageBind, which this is not: its weights, imagebind_huge.pth, and its network are not part of this
project). The layers that were trained to make the two halves alike are not in the published file, so
the value has no meaning of its own: only its distance from that of other clips' audio (shuffled) has,
and the share of clips whose own audio is the most alike of all clips' (notes: retrieval).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.metrics.base import Cells, Item, Metric, MetricResult, Need
from savg.metrics.chance import uninformative
from savg.metrics.statistics import mean_interval

FEATURE = "synchformer_means"

CAUTION = (
    "This is not ImageBind's score: the published Synchformer file lacks the layers that make frames "
    "and audio alike, so only the difference from the shuffled value says anything."
)


def cosines(visual: NDArray[np.floating], audio: NDArray[np.floating]) -> NDArray[np.float64]:
    """Cosines [N, M] of each of N with each of M vectors [·, D]; 0 with a vector of zeros."""
    a, b = (np.asarray(part, np.float64) for part in (visual, audio))
    lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
    return np.divide(a @ b.T, lengths, out=np.zeros(lengths.shape), where=lengths > 0)


def retrieval(table: NDArray[np.float64]) -> float:
    """Share of clips whose own audio is the most alike in a table of cosines [frames, audio]; of k
    clips of the same greatest cosine each counts as 1 / k."""
    best = table == table.max(axis=1, keepdims=True)
    return float((np.diagonal(best) / best.sum(axis=1)).mean())


class IbStyle(Metric):
    """Mean over clips of the cosine of their frames' and their audio's features."""

    name = "ib-style"
    label = "audio-visual similarity (Synchformer's, not ImageBind's)"
    higher_is_better = True
    needs = frozenset({Need.FEATURES})
    backbones = (FEATURE,)

    def compute(self) -> MetricResult:
        means = [item.observation.features[FEATURE] for item in self.items]
        means = [both for both in means if both.shape[1]]
        short = len(self.items) - len(means)
        if not means:
            return self.undefined("No clip is 0.64 s long, as the network needs.", too_short=short)
        visual, audio = np.stack(means, axis=1)
        table = cosines(visual, audio)
        own = np.diagonal(table)
        low, high = mean_interval(own, self.seed)
        others = table[~np.eye(len(table), dtype=bool)]
        notes: dict[str, Any] = {"too_short": short, "warnings": [CAUTION]}
        if len(others):
            notes["retrieval"] = retrieval(table)
            notes["retrieval_chance"] = 1 / len(table)
        shuffled = float(others.mean()) if len(others) else None
        value, nulls = float(own.mean()), {"shuffled": shuffled}
        notes["warnings"] += uninformative(value, low, high, nulls, digits=3)
        return MetricResult(self.name, value, low, high, len(own), nulls, notes)

    @classmethod
    def cells(cls, item: Item) -> Cells:
        visual, audio = item.observation.features[FEATURE]
        if not len(visual):
            return {"av_similarity": None}
        return {"av_similarity": float(cosines(visual[None], audio[None])[0, 0])}
