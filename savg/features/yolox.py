"""The video backbone that needs no download: the person detector's pyramid and how it changes.

It is a stand-in, under its own name: distances of these features are no FVD. What a network that finds
persons knows of frames says little of other contents, but sees blur, noise, missing figures and
motion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from savg.clip import Clip
from savg.detectors.persons import prepare
from savg.device import choose, wide_dtype
from savg.errors import CheckpointError
from savg.features.base import Backbone
from savg.features.networks import network_folder
from savg.hub import CONFIG_FILE, WEIGHTS_FILE, load_component, part_folder
from savg.models.yolox import Yolox
from savg.paths import file_sha256

FRAMES_AT_ONCE = 20


class YoloxBackbone(Backbone):
    """Clips → [1, D], D = 288 of the bundled detector (6 · channels of its neck).

    Of each channel of the pyramid's three levels the mean over all cells and frames, then, in the same
    order, the mean absolute difference of a cell from one frame to the next (0 for a single frame).
    """

    name = "yolox"
    label = "YOLOX pyramid"
    modality = "video"

    def __init__(self, network: Yolox, sha256: str, origin: str = "bundled") -> None:
        self.network = network.eval()
        self.sha256 = sha256
        self.origin = origin

    @classmethod
    def load(cls, source: str | None = None, device: str | None = None) -> Self:
        """As `Backbone.load`; None, or a folder without a YOLOX: the bundled detector."""
        told = None if source is None else network_folder("yolox", source)
        folder = told or part_folder("demo", "persons")
        network, card = load_component(folder, "yolox")
        if not isinstance(network, Yolox):
            raise CheckpointError(f"{folder} must hold a YOLOX network.")
        # Differences of frames are small: in float32 they are not those of rounding.
        network.to(choose(device, "float32").device)
        sha256 = card.sha256 or file_sha256(folder / WEIGHTS_FILE)
        return cls(network, sha256, "imported" if told else "bundled")

    @classmethod
    def missing(cls, source: str | None = None) -> str:
        folder = part_folder("demo", "persons")
        return "" if (folder / CONFIG_FILE).is_file() else f"{folder}: no bundled person detector."

    @property
    def provenance(self) -> Mapping[str, Any]:
        config = self.network.config
        part = "the picture without the black rows" if config.picture_only else "whole frames"
        return {
            "backbone": f"YOLOX person detector ({self.origin}), pyramid: means and changes by channel",
            "sha256": self.sha256,
            "input": {
                "size": list(config.input_size),
                "resize": f"{part}, shrunk or enlarged in proportion",
                "frames": "all, at the clip's rate",
            },
            "precision": "float32",
        }

    def __call__(self, clips: Sequence[Clip]) -> list[NDArray[np.float32]]:
        return [self._features(clip)[None] for clip in clips]

    @torch.inference_mode()
    def _features(self, clip: Clip) -> NDArray[np.float32]:
        images, _ = prepare(clip.video, clip.format, self.network.config)
        device = next(self.network.parameters()).device
        means: list[Tensor] = []
        changes: list[Tensor] = []
        last: list[Tensor] = []
        for first in range(0, len(images), FRAMES_AT_ONCE):
            batch = torch.from_numpy(images[first : first + FRAMES_AT_ONCE]).to(device).float()
            levels = self._pyramid(batch)
            means.append(_joined([level.sum(0).mean((1, 2)) for level in levels]))
            runs = [torch.cat(pair) for pair in zip(last, levels, strict=True)] if last else levels
            changes.append(_joined([run.diff(dim=0).abs().sum(0).mean((1, 2)) for run in runs]))
            last = [level[-1:] for level in levels]
        frames = len(images)
        features = torch.cat([_total(means) / frames, _total(changes) / max(1, frames - 1)])
        return features.float().cpu().numpy()

    def _pyramid(self, images: Tensor) -> list[Tensor]:
        """The neck's three levels [N, C, h, w] of images [N, 3, H, W]."""
        images = images.contiguous(memory_format=torch.channels_last)
        levels: list[Tensor] = self.network.neck(self.network.backbone(images))
        return levels


def _joined(levels: Sequence[Tensor]) -> Tensor:
    return torch.cat([level.to(wide_dtype(level.device)) for level in levels])


def _total(rows: Sequence[Tensor]) -> Tensor:
    """The sum of equal shapes."""
    return torch.stack(list(rows)).sum(0)
