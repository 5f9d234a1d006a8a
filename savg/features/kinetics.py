"""Backbones that torchvision fetches: networks trained on Kinetics-400, before their classifier.

They are not I3D, and distances of their features are not FVD: each goes under its own name. Weights lie
in torch's hub cache, where torchvision puts them too, or in a folder that is told. They are fetched by
`load` alone; the SHA-256 of a file must begin as its name says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from savg.clip import Clip
from savg.device import Compute, choose
from savg.errors import CheckpointError, clause
from savg.features.base import Backbone, BackboneError
from savg.features.windows import describe, parts, stretched, windows
from savg.hub.networks import compare
from savg.paths import file_sha256
from savg.tensor_files import check_plain, first_not_finite, load_torch

MOST_FRAMES = 320
"""Longer clips are shown in parts, which bounds the memory."""

_FRAMES_AT_ONCE = {"cpu": 40}
_FRAMES_ON_GPU = 320


class KineticsBackbone(Backbone):
    """Clips → features [W, D] of a network of `torchvision.models.video`.

    builder: of the network; weights: name of its weights in torchvision; classifier: its last module;
    width: D. window: frames of each of the windows that cover the clip (None: all frames at once, a row
    for each part of ≤ 320); shortest: frames below which those of a clip are repeated evenly.
    """

    modality = "video"
    fetched = True
    builder: ClassVar[str]
    weights: ClassVar[str]
    classifier: ClassVar[str]
    width: ClassVar[int]
    window: ClassVar[int | None] = None
    shortest: ClassVar[int] = 1

    def __init__(self, network: nn.Module, sha256: str, compute: Compute) -> None:
        self.compute = compute
        self.sha256 = sha256
        setattr(network, self.classifier, nn.Identity())
        pool = getattr(network, "avgpool", None)
        if isinstance(pool, nn.AvgPool3d):
            network.avgpool = _Float32Pool(pool)
        self.network = compute.place(network)
        for parameter in network.parameters():
            if parameter.ndim == 5:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
        self.prepare = self._published().transforms()

    @classmethod
    def _published(cls) -> Any:
        """Torchvision's entry of the weights: address, preprocessing, facts."""
        from torchvision.models import get_weight

        return get_weight(cls.weights)

    @classmethod
    def build(cls) -> nn.Module:
        """The network with random weights."""
        from torchvision.models import get_model

        network: nn.Module = get_model(cls.builder)
        return network

    @classmethod
    def address(cls) -> str:
        """Where the file of weights is published."""
        url: str = cls._published().url
        return url

    @classmethod
    def file(cls, source: str | None = None) -> Path:
        """Where the file of weights is, or will be once fetched.

        source: a folder that may hold it (None, or where it is not in there: torch's hub cache).
        """
        name = cls.address().rpartition("/")[2]
        told = None if source is None else Path(source) / name
        return told if told and told.is_file() else Path(torch.hub.get_dir()) / "checkpoints" / name

    @classmethod
    def missing(cls, source: str | None = None) -> str:
        path = cls.file(source)
        if path.is_file():
            return ""
        return (
            f"The network {cls.name} ({cls.label}) was not fetched yet: {path.name} of "
            f"{cls.address()} must be in {path.parent}."
        )

    @classmethod
    def load(cls, source: str | None = None, device: str | None = None) -> Self:
        compute = choose(device)
        path = cls.file(source)
        if not path.is_file():
            _fetch(cls.address(), path, cls.missing(source))
        sha256 = file_sha256(path)
        beginning = _hash_of(path.name)
        if not sha256.startswith(beginning):
            raise CheckpointError(
                f"{path} is damaged: its SHA-256 must begin with {beginning}, as its name says, got "
                f"{sha256[: len(beginning)]}."
            )
        network = cls.build()
        _fill(network, path, cls.builder)
        return cls(network, sha256, compute)

    @property
    def provenance(self) -> Mapping[str, Any]:
        rule = self.prepare
        size = "×".join(map(str, rule.resize_size))
        resize = f"to {size}" if len(rule.resize_size) > 1 else f"shorter side to {size}"
        seen = f"windows of {self.window} that cover the clip" if self.window else "all"
        return {
            "backbone": f"torchvision {self.weights}, features before the classifier",
            "sha256": self.sha256,
            "input": {
                "size": rule.crop_size[0],
                "resize": f"{resize}, bilinear without antialiasing, centre crop",
                "frames": f"{seen}, at the clip's rate",
                "short": f"frames of clips with fewer than {self.window or self.shortest} repeated "
                "evenly",
                "long": f"clips of more than {self.window or MOST_FRAMES} frames in parts",
            },
            "precision": str(self.compute.dtype).removeprefix("torch."),
        }

    def __call__(self, clips: Sequence[Clip]) -> list[NDArray[np.float32]]:
        device = self.compute.device
        videos = [self._seen(clip.video) for clip in clips]
        at_once = _FRAMES_AT_ONCE.get(device.type, _FRAMES_ON_GPU)
        return describe(videos, self._features, device, at_once)

    def _seen(self, video: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        if self.window is not None:
            return windows(video, self.window)
        return parts(stretched(video, self.shortest), MOST_FRAMES)

    def _features(self, videos: Tensor) -> Tensor:
        images = self.prepare(videos.movedim(-1, 2).contiguous())
        features: Tensor = self.network(images.to(self.compute.dtype))
        return features


class _Float32Pool(nn.Module):
    """A pooling that torch has on CPUs in float32 alone."""

    def __init__(self, pool: nn.AvgPool3d) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.pool(x.float())
        return pooled


class R3d18(KineticsBackbone):
    """ResNet-18 of 3-D convolutions (arXiv 1711.11248): all frames at 112×112 → [1, 512]."""

    name = "r3d18"
    label = "R3D-18"
    builder = "r3d_18"
    weights = "R3D_18_Weights.KINETICS400_V1"
    classifier = "fc"
    width = 512


class S3d(KineticsBackbone):
    """Separable inception network (arXiv 1712.04851): all frames at 224×224 → [1, 1024]."""

    name = "s3d"
    label = "S3D"
    builder = "s3d"
    weights = "S3D_Weights.KINETICS400_V1"
    classifier = "classifier"
    width = 1024
    shortest = 14


class Mvit(KineticsBackbone):
    """Multiscale vision transformer v2-S (arXiv 2112.01526): 16 frames at 224×224 → a row of 768."""

    name = "mvit"
    label = "MViT v2-S"
    builder = "mvit_v2_s"
    weights = "MViT_V2_S_Weights.KINETICS400_V1"
    classifier = "head"
    width = 768
    window = 16


def _hash_of(name: str) -> str:
    """The beginning of a file's SHA-256 that its name tells, as torch's hub names files."""
    match = re.search(r"-([0-9a-f]{8,64})\.pth$", name)
    return match[1] if match else ""


def _fetch(url: str, path: Path, missing: str) -> None:
    """Download a file of weights into torch's hub cache; BackboneError where that fails."""
    try:
        os.makedirs(path.parent, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), _hash_of(path.name) or None)
    except (OSError, RuntimeError, ValueError) as error:  # no network, another file, no address
        raise BackboneError(f"{missing} It could not be fetched ({clause(error)}).") from error


def _fill(network: nn.Module, path: Path, kind: str) -> None:
    """Load a file of weights, opened as data only; CheckpointError for one that does not fit."""
    state = load_torch(path)
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(f"{kind}: {path} holds no state dict.")
    check_plain(path, state.values())
    compare(network, {key: tuple(value.shape) for key, value in state.items()}, kind, path)
    spoilt = first_not_finite(state)
    if spoilt is not None:
        raise CheckpointError(
            f"{kind}: {path} must hold finite weights, got NaN or infinity in {spoilt}."
        )
    network.load_state_dict(state)
