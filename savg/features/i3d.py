"""The backbone of FVD and KVD: Inception I3D's Kinetics-400 logits of whole clips [S1, code]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from savg.clip import Clip
from savg.device import Compute
from savg.features.imported import ImportedBackbone
from savg.features.windows import describe, parts, stretched
from savg.models.i3d import LEAST_FRAMES, SIDE, I3d, prepare
from savg.models.i3d_fast import FastI3d

MOST_FRAMES = 320
"""Longer clips are shown in parts, which bounds the memory."""

FRAMES_AT_ONCE = {"cpu": 20}
"""Frames of a batch by the kind of device: on CPUs single clips stay near the caches, and pairs take a
quarter longer."""

_FRAMES_ON_GPU = 320


def official_logits(network: nn.Module, videos: Tensor) -> Tensor:
    """Logits [B, 400] of uint8 videos [B, T, H, W, 3] as the published evaluator computes them.

    network: an `I3d` in float32. ValueError for videos of fewer than 9 frames.
    """
    at_once = max(1, _frames_at_once(videos.device) // max(1, videos.shape[1]))
    with torch.inference_mode():
        return torch.cat([network(prepare(batch)) for batch in videos.split(at_once)])


class I3dBackbone(ImportedBackbone[I3d]):
    """Clips → logits [1, 400], over all frames at the clips' own rate; parts of ≤ 320 frames give a
    row each. Of clips with fewer than 9 frames these are repeated evenly."""

    name = "i3d"
    network_class = I3d
    label = "I3D"
    modality = "video"

    def __init__(self, network: I3d, sha256: str, compute: Compute) -> None:
        self.compute = compute
        self.sha256 = sha256
        fast = FastI3d(network, compute.dtype)
        self.network: I3d | FastI3d = fast.to(compute.device).eval()

    @property
    def provenance(self) -> Mapping[str, Any]:
        return {
            "backbone": "Inception I3D, Kinetics-400 logits",
            "sha256": self.sha256,
            "input": {
                "size": SIDE,
                "resize": "shorter side bilinear without antialiasing, centre crop",
                "frames": "all, at the clip's rate",
                "short": f"frames of clips with fewer than {LEAST_FRAMES} repeated evenly",
                "long": f"clips of more than {MOST_FRAMES} frames in equal parts",
            },
            "precision": str(self.compute.dtype).removeprefix("torch."),
        }

    def __call__(self, clips: Sequence[Clip]) -> list[NDArray[np.float32]]:
        device = self.compute.device
        videos = [parts(stretched(clip.video, LEAST_FRAMES), MOST_FRAMES) for clip in clips]
        return describe(videos, self._logits, device, _frames_at_once(device))

    def _logits(self, videos: Tensor) -> Tensor:
        logits: Tensor = self.network(prepare(videos))
        return logits


def _frames_at_once(device: torch.device) -> int:
    return FRAMES_AT_ONCE.get(device.type, _FRAMES_ON_GPU)
