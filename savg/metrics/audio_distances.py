"""Distances between sets of audio by the features of a network: FAD and KAD with several networks.

Most of these networks hear one channel, which is the middle: swapped channels change nothing there. Nor
do they in the side of a network that hears magnitudes of spectra, as all but the SELD network do: a
swap only turns its sign. `notes["views"]` has the distances of left, right and side too: left and
right show a swap where the set favours a direction, the side shows lost or added width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from savg.clip import Clip
from savg.features.base import VIEWS, views
from savg.metrics.base import Extractor
from savg.metrics.distribution import DistributionMetric, FrechetMetric, GaussianMetric
from savg.metrics.feature_sets import FeatureSet

SILENT_VIEWS = "silent_views"


def silent_views(clip: Clip) -> NDArray[np.bool_]:
    """Which of the views of a clip's audio are exactly silent, [4] in the order of `VIEWS`."""
    return np.array([not view.any() for view in views(clip.audio)])


class WithoutFloor(DistributionMetric):
    """A distance of features that have no floor of decibels: exact silence is far from all sound, and
    is told."""

    features: ClassVar[Mapping[str, Extractor]] = {SILENT_VIEWS: silent_views}

    def _warnings(self, x: FeatureSet, y: FeatureSet, notes: Mapping[str, Any]) -> list[str]:
        warnings = super()._warnings(x, y, notes)
        if "views" not in notes:  # official features: one view, of samples that are never silent
            return warnings
        assert self.reference is not None
        generated = (item.observation.features for item in self.items)
        for whose, clips in (
            ("generated", generated),
            ("reference", self.reference.features.values()),
        ):
            if told := _silence(clips):
                warnings.append(
                    f"Exactly silent, and so heard as −180 dB, of the {whose} clips: {told}. Distances "
                    "of these views tell silence from sound, however soft."
                )
        return warnings


def _silence(clips: Iterable[Mapping[str, NDArray[Any]]]) -> str:
    """In how many clips each view is silent, "" where none is."""
    rows = [clip[SILENT_VIEWS] for clip in clips if SILENT_VIEWS in clip]
    counts = np.sum(rows, axis=0) if rows else np.zeros(len(VIEWS))
    named = zip(VIEWS, counts.astype(int).tolist(), strict=True)
    return ", ".join(f"{name} of {count}" for name, count in named if count)


class FadAudioClip(WithoutFloor, FrechetMetric):
    """Fréchet audio distance of AudioCLIP embeddings, times 1000 [code]."""

    name = "fad-audioclip"
    label = "FAD (AudioCLIP)"
    unit = "× 1000"
    backbones = ("audioclip",)
    scale = 1000.0
    digits = 2


class FadVggish(FrechetMetric):
    """Fréchet audio distance of VGGish embeddings (Kilgour et al., 2019), the one that [S1] cites."""

    name = "fad-vggish"
    label = "FAD (VGGish)"
    backbones = ("vggish",)


class FadClap(FrechetMetric):
    """Fréchet audio distance of LAION-CLAP embeddings [S3]."""

    name = "fad-clap"
    label = "FAD (LAION-CLAP)"
    backbones = ("clap",)


class FadSeld(FrechetMetric):
    """Stand-in for FAD that needs no download: features of the bundled SELD network, of both
    channels."""

    name = "fad-seld"
    label = "Fréchet distance, SELD stereo features (stand-in)"
    backbones = ("seld",)
    stand_in = True


class KadAudioClip(WithoutFloor, GaussianMetric):
    name = "kad-audioclip"
    label = "KAD (AudioCLIP)"
    backbones = ("audioclip",)


class KadVggish(GaussianMetric):
    name = "kad-vggish"
    label = "KAD (VGGish)"
    backbones = ("vggish",)


class KadClap(GaussianMetric):
    name = "kad-clap"
    label = "KAD (LAION-CLAP)"
    backbones = ("clap",)


class KadSeld(GaussianMetric):
    """Stand-in for KAD that needs no download: features of the bundled SELD network, of both
    channels."""

    name = "kad-seld"
    label = "kernel distance, SELD stereo features (stand-in)"
    backbones = ("seld",)
    stand_in = True
