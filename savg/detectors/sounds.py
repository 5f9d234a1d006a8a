"""The SELD sound detector: which class sounds when, and at which x of the frame.

Events come at 10 frames a second, x in pixels of a 256-wide frame: below 128 is left of the centre.
x is not clamped to the frame.
"""

from __future__ import annotations

import os

import numpy as np
import torch
from numpy.typing import NDArray

from savg.annotation import SoundEvents
from savg.audio.resample import resample
from savg.clip import Clip
from savg.detectors.seld_features import decode, inference_windows
from savg.device import choose
from savg.errors import CheckpointError
from savg.hub import load_component, part_folder
from savg.models.seld import Seld

__all__ = ["SeldDetector", "detect_sounds"]


@torch.inference_mode()
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
    audio = np.ascontiguousarray(audio, np.float32)
    if audio.ndim != 2 or audio.shape[0] != 2:
        raise ValueError(f"Stereo audio must have shape (2, samples), got {audio.shape}.")
    config, weight = model.config, next(model.parameters())
    windows = inference_windows(torch.from_numpy(audio), config)
    if not windows.starts:
        return SoundEvents.empty()
    outputs = []
    for first in range(0, len(windows.starts), batch_size):
        starts = windows.starts[first : first + batch_size]
        batch = [windows.features[:, :, s : s + config.window_frames] for s in starts]
        activity, x = model(torch.stack(batch).to(weight.device, weight.dtype))
        outputs.append((activity.float().cpu(), x.float().cpu()))
    activity, x = (torch.cat(part).numpy() for part in zip(*outputs, strict=True))
    threshold = config.threshold if threshold is None else threshold
    return decode(activity, x, windows, config, threshold)


class SeldDetector:
    """Detects sound events in a clip of any length: `detector(clip) -> SoundEvents`."""

    def __init__(self, model: Seld, threshold: float | None = None, batch_size: int = 8) -> None:
        self.model = model.eval()
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
        return cls(model.to(choose(device, "float32").device), threshold)

    def __call__(self, clip: Clip) -> SoundEvents:
        rate = self.model.config.sampling_frequency
        audio = resample(clip.audio, clip.format.sample_rate, rate)
        return detect_sounds(self.model, audio, self.threshold, self.batch_size)
