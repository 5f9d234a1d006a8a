"""Distances between sets of videos by the features of a network: FVD, KVD and theirs with other
networks.

FVD and KVD are those of I3D's Kinetics-400 logits alone [S1, code]. Other networks have their own
names: their values are on other scales and compare only among themselves.
"""

from __future__ import annotations

from savg.metrics.distribution import FrechetMetric, PolynomialMetric


class Fvd(FrechetMetric):
    """Fréchet video distance [S1, code]."""

    name = "fvd"
    label = "FVD"
    backbones = ("i3d",)
    digits = 1


class Kvd(PolynomialMetric):
    """Kernel video distance [S1, code]."""

    name = "kvd"
    label = "KVD"
    backbones = ("i3d",)
    digits = 2


class FvdR3d18(FrechetMetric):
    name = "fvd-r3d18"
    label = "Fréchet distance, R3D-18 on Kinetics"
    backbones = ("r3d18",)


class KvdR3d18(PolynomialMetric):
    name = "kvd-r3d18"
    label = "kernel distance, R3D-18 on Kinetics"
    backbones = ("r3d18",)


class FvdMvit(FrechetMetric):
    name = "fvd-mvit"
    label = "Fréchet distance, MViT on Kinetics"
    backbones = ("mvit",)


class KvdMvit(PolynomialMetric):
    name = "kvd-mvit"
    label = "kernel distance, MViT on Kinetics"
    backbones = ("mvit",)


class FvdS3d(FrechetMetric):
    name = "fvd-s3d"
    label = "Fréchet distance, S3D on Kinetics"
    backbones = ("s3d",)


class KvdS3d(PolynomialMetric):
    name = "kvd-s3d"
    label = "kernel distance, S3D on Kinetics"
    backbones = ("s3d",)


class FvdYolox(FrechetMetric):
    """Stand-in for FVD that needs no download: features of the bundled detector."""

    name = "fvd-yolox"
    label = "Fréchet distance, YOLOX video features (stand-in)"
    backbones = ("yolox",)
    stand_in = True


class KvdYolox(PolynomialMetric):
    """Stand-in for KVD that needs no download: features of the bundled detector."""

    name = "kvd-yolox"
    label = "kernel distance, YOLOX video features (stand-in)"
    backbones = ("yolox",)
    stand_in = True
