"""E-L1: how far the level of the audio is from the real one's, moment by moment [S3].

The mean absolute difference of the RMS envelopes (512 samples every 128) of a clip and the reference
clip of the same name, for each channel by itself, of full scale 1. It is small for audio that is as
loud as the reference when the reference is loud, and so depends on the sample rate, on which channel
is which, and on the level: silence has the reference's mean RMS, which stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from savg.audio.envelope import rms_envelope
from savg.clip import Clip
from savg.metrics.base import Extractor, Metric, MetricResult, Need
from savg.metrics.chance import uninformative
from savg.metrics.statistics import mean_interval, other_pairs

FEATURE = "rms_envelope"

PUBLISHED_RATE = 44_100
"""Sample rate in Hz of the published values [S3]."""

CHANNELS = ("left", "right")

Envelope = NDArray[np.floating]
"""[channels, frames]."""


def clip_envelope(clip: Clip) -> NDArray[np.float32]:
    """The RMS envelope [2, frames] of a clip's audio."""
    return rms_envelope(clip.audio)


def e_l1(envelope: Envelope, reference: Envelope) -> NDArray[np.float64]:
    """Mean absolute difference [channels] of two envelopes [channels, frames].

    Where one is longer its end is left out. ValueError for another number of channels, or no frame.
    """
    frames = min(envelope.shape[1], reference.shape[1])
    if len(envelope) != len(reference) or not frames:
        raise ValueError(
            "Envelopes must be [channels, frames] of as many channels and a frame at least, got "
            f"{list(envelope.shape)} and {list(reference.shape)}."
        )
    a, b = (np.asarray(part[:, :frames], np.float64) for part in (envelope, reference))
    return np.abs(a - b).mean(axis=1)


@dataclass(frozen=True, eq=False)
class _Pair:
    own: Envelope
    reference: Envelope

    @property
    def frames(self) -> int:
        return min(self.own.shape[1], self.reference.shape[1])


class EL1(Metric):
    """Mean over clips and channels of the difference of RMS envelopes."""

    name = "e_l1"
    label = "E-L1"
    unit = "of full scale"
    higher_is_better = False
    needs = frozenset({Need.FEATURES, Need.REFERENCE, Need.PAIRS})
    features: ClassVar[Mapping[str, Extractor]] = {FEATURE: clip_envelope}

    def compute(self) -> MetricResult:
        pairs = self._pairs()
        if not pairs:
            return self.undefined(
                "No clip has a reference clip of the same name with audio to compare.",
                unpaired=len(self.items),
            )
        channels = np.array([e_l1(pair.own, pair.reference) for pair in pairs])
        scores = channels.mean(axis=1)
        low, high = mean_interval(scores, self.seed)
        cut = sum(pair.own.shape != pair.reference.shape for pair in pairs)
        notes: dict[str, Any] = {
            **{name: float(value) for name, value in zip(CHANNELS, channels.mean(0), strict=True)},
            "unpaired": len(self.items) - len(pairs),
            "cut": cut,
            "sample_rate": max(item.observation.format.sample_rate for item in self.items),
        }
        value, nulls = float(scores.mean()), self._nulls(pairs)
        # Equal channels swap without a change, which says nothing of the level.
        levels = {name: null for name, null in nulls.items() if name != "swapped"}
        warnings = uninformative(value, low, high, levels, higher_is_better=False, digits=4)
        warnings += self._warnings(cut, len(pairs), notes["sample_rate"])
        if warnings:
            notes["warnings"] = warnings
        return MetricResult(self.name, value, low, high, len(pairs), nulls, notes)

    def _pairs(self) -> list[_Pair]:
        assert self.reference is not None
        pairs = []
        for item in self.items:
            reference = self.reference.pair(item)
            if reference is not None and FEATURE in reference:
                pairs.append(_Pair(item.observation.features[FEATURE], reference[FEATURE]))
        return [pair for pair in pairs if pair.frames]

    def _nulls(self, pairs: list[_Pair]) -> dict[str, float | None]:
        """The same with channels swapped, with silence, and with the audio of other clips."""
        swapped = [e_l1(pair.own[::-1], pair.reference).mean() for pair in pairs]
        silence = [
            e_l1(np.zeros((len(CHANNELS), pair.frames)), pair.reference).mean() for pair in pairs
        ]
        shuffled = [
            e_l1(pairs[j].own, pairs[i].reference).mean()
            for i, j in other_pairs(len(pairs), self.seed)
        ]
        return {
            "swapped": float(np.mean(swapped)),
            "silence": float(np.mean(silence)),
            "shuffled": float(np.mean(shuffled)) if shuffled else None,
        }

    def _warnings(self, cut: int, pairs: int, rate: int) -> list[str]:
        sentences = []
        if rate != PUBLISHED_RATE:
            sentences.append(
                f"Windows of 512 samples at {rate} Hz are not those of the published values at "
                f"{PUBLISHED_RATE} Hz."
            )
        if cut:
            sentences.append(
                f"{cut} of {pairs} pairs differ in length: the end of the longer clip was left out."
            )
        if len(self.items) > pairs:
            sentences.append(
                f"{len(self.items) - pairs} of {len(self.items)} clips have no reference clip of the "
                "same name and are left out."
            )
        return sentences
