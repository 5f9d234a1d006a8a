"""The SELD sound detector: which class sounds when, and at which x of the frame.

Events come at 10 frames a second, x in pixels of a 256-wide frame: below 128 is left of the centre.
x is not clamped to the frame.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from savg.annotation import SoundEvents
from savg.audio.resample import resample
from savg.clip import Clip
from savg.detectors.seld_features import Windows, decode, inference_windows
from savg.detectors.weights import module_sha256, precision, weights_sha256
from savg.device import choose
from savg.errors import CheckpointError
from savg.hub import load_component, part_folder
from savg.models.seld import Seld, SeldConfig

__all__ = ["SeldDetector", "detect_sounds", "detect_sounds_in"]


def detect_sounds(
    model: Seld,
    audio: NDArray[np.float32],
    threshold: float | None = None,
    batch_size: int = 8,
) -> SoundEvents:
    """Sound events of stereo audio [2, samples] in −1..1 at the network's sampling frequency.

    threshold: mean activity in a tenth of a second above which there is an event (default: the
    network's own). Windows, looping and decoding are the published ones [S1, code]; without
    `even_windows` audio of more than 10 s has a few label frames twice and others never, because
    their windows begin early. Audio shorter than a hop gives no events. ValueError for other shapes.
    """
    return detect_sounds_in(model, [audio], threshold, batch_size)[0]


@torch.inference_mode()
def detect_sounds_in(
    model: Seld,
    audios: Sequence[NDArray[np.float32]],
    threshold: float | None = None,
    batch_size: int = 8,
) -> list[SoundEvents]:
    """As `detect_sounds` for several pieces of audio, whose windows share batches."""
    config, weight = model.config, next(model.parameters())
    windows = [_windows(audio, config) for audio in audios]
    order = [(index, start) for index, part in enumerate(windows) for start in part.starts]
    outputs = []
    for first in range(0, len(order), batch_size):
        batch = torch.stack(
            [
                windows[index].features[:, :, start : start + config.window_frames]
                for index, start in order[first : first + batch_size]
            ]
        )
        activity, x = model(batch.to(weight.device, weight.dtype))
        outputs.append((activity.float().cpu(), x.float().cpu()))
    if not outputs:
        return [SoundEvents.empty() for _ in audios]
    activity, x = (torch.cat(part).numpy() for part in zip(*outputs, strict=True))
    threshold = config.threshold if threshold is None else threshold
    ends = np.cumsum([len(part.starts) for part in windows])
    return [
        decode(activity[end - n : end], x[end - n : end], part, config, threshold)
        if (n := len(part.starts))
        else SoundEvents.empty()
        for part, end in zip(windows, ends.tolist(), strict=True)
    ]


def _windows(audio: NDArray[np.float32], config: SeldConfig) -> Windows:
    audio = np.ascontiguousarray(audio, np.float32)
    if audio.ndim != 2 or audio.shape[0] != 2:
        raise ValueError(f"Stereo audio must have shape (2, samples), got {audio.shape}.")
    return inference_windows(torch.from_numpy(audio), config)


class SeldDetector:
    """Detects sound events in a clip of any length: `detector(clip) -> SoundEvents`."""

    def __init__(
        self,
        model: Seld,
        threshold: float | None = None,
        batch_size: int = 8,
        sha256: str = "",
    ) -> None:
        self.model = model.eval()
        self.sha256 = sha256
        self.threshold = model.config.threshold if threshold is None else threshold
        self.batch_size = batch_size

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str] = "demo",
        threshold: float | None = None,
        device: str | None = None,
    ) -> SeldDetector:
        """The detector of "demo", a component folder, a pipeline folder, or a Hub repo id.

        device: as in `savg.device.choose`; the network runs in float32. Raises CheckpointError.
        """
        folder = part_folder(source, "sounds")
        model, _ = load_component(folder, "seld")
        if not isinstance(model, Seld):
            raise CheckpointError(f"{folder} must hold a SELD network.")
        model = model.to(choose(device, "float32").device)
        return cls(model, threshold, sha256=weights_sha256(source, "sounds"))

    def __call__(self, clip: Clip) -> SoundEvents:
        return self.many([clip])[0]

    def many(self, clips: Sequence[Clip]) -> list[SoundEvents]:
        """The events of each clip; the clips' windows share batches."""
        rate = self.model.config.sampling_frequency
        audios = [resample(clip.audio, clip.format.sample_rate, rate) for clip in clips]
        return detect_sounds_in(self.model, audios, self.threshold, self.batch_size)

    @property
    def provenance(self) -> dict[str, Any]:
        """What the events depend on, ready for JSON."""
        return {
            "detector": "stereo SELD",
            "sha256": self.sha256 or module_sha256(self.model),
            "input": f"stereo at {self.model.config.sampling_frequency} Hz",
            "threshold": self.threshold,
            "precision": precision(self.model),
        }
