"""The backbone of the first Fréchet audio distance: VGGish, an embedding for each 0.96 s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from savg.clip import Clip
from savg.device import Compute
from savg.features.imported import ImportedBackbone
from savg.features.signals import describe, views_at
from savg.models.vggish import FRAMES, HOP, SAMPLE_RATE, SHORTEST, Vggish, examples

__all__ = ["VggishBackbone"]

EXAMPLES_AT_ONCE = 32
"""Of a batch."""


class VggishBackbone(ImportedBackbone[Vggish]):
    """Clips → embeddings [4, W, 128], a row for each 0.96 s, before the last rectifier.

    As published, a rest that fills no example is not heard: 5 s give 5 rows. A clip under 0.975 s,
    of which the published code makes nothing, is followed by silence to that length and gives one row.
    """

    name = "vggish"
    network_class = Vggish
    label = "VGGish"
    modality = "audio"

    def __init__(self, network: Vggish, sha256: str, compute: Compute) -> None:
        self.compute = compute
        self.network = network.to(compute.device).eval()
        if compute.channels_last:
            self.network.features.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.sha256 = sha256

    @property
    def provenance(self) -> Mapping[str, Any]:
        return {
            "backbone": "VGGish, before its last rectifier, no principal components",
            "sha256": self.sha256,
            "input": {
                "sample_rate": SAMPLE_RATE,
                "resample": "polyphase filter",
                "views": "each a mono signal",
                "windows": "0.96 s, one after another; a rest is left out",
                "short": "clips under 0.975 s followed by silence",
            },
            "precision": str(self.compute.dtype).removeprefix("torch."),
        }

    def __call__(self, clips: Sequence[Clip]) -> list[NDArray[np.float32]]:
        heard = [_windows(views_at(clip, SAMPLE_RATE)) for clip in clips]
        return describe(heard, self._embeddings, self.compute.device, EXAMPLES_AT_ONCE * SHORTEST)

    def _embeddings(self, signals: Tensor) -> Tensor:
        """Of signals of one example each; the front end is float32 always."""
        batch = examples(signals)[:, 0]
        low = self.compute.dtype == torch.bfloat16
        with torch.autocast(self.compute.device.type, torch.bfloat16, enabled=low):
            return self.network.embed(batch)


def _windows(audio: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The samples of each example of audio [V, T]; neighbours share 15 ms."""
    audio = np.pad(audio, ((0, 0), (0, max(0, SHORTEST - audio.shape[1]))))
    step = FRAMES * HOP
    starts = range(0, audio.shape[1] - SHORTEST + 1, step)
    return [audio[:, start : start + SHORTEST] for start in starts]
