"""Distances between sets of audio by the features of a network: FAD and KAD with several networks.

Most of these networks hear one channel, which is the middle: swapped channels change nothing there. Nor
do they in the side of a network that hears magnitudes of spectra, as all but the SELD network do: a
swap only turns its sign. `notes["views"]` has the distances of left, right and side too: left and
right show a swap where the set favours a direction, the side shows lost or added width.
"""

from __future__ import annotations

from savg.metrics.distribution import FrechetMetric, GaussianMetric


class FadAudioClip(FrechetMetric):
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


class KadAudioClip(GaussianMetric):
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
