"""Synchformer's two views of a clip: by how many seconds its audio is off, and what both halves say.

Inputs are those of DeSync in the public benchmark of video-to-audio generation (av-benchmark): frames
at 25 a second by nearest time, shorter side 224 (bicubic) and centre; the mean of the channels at
16 kHz; windows of 14 segments (4.8 s), the first and the last of a longer clip. Frames are those of the
clip's format, padding included. The structure of the network is that of the public code, see
`savg.models.synchformer_sync`; that its outputs equal published ones was not seen.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from savg.audio.resample import resample
from savg.clip import Clip
from savg.device import Compute, choose
from savg.features.base import Backbone
from savg.features.networks import load_network, missing_network, network_folder
from savg.video import Video

if TYPE_CHECKING:
    import torch

    from savg.models.synchformer_sync import SynchformerSync

KIND = "synchformer_sync"

AT_ONCE = 4
"""Segments computed together."""

Windows = list[NDArray[np.int64]]
"""Numbers of the segments of each window."""


def windows(segments: int, length: int) -> Windows:
    """The first and the last `length` of a clip's segments; one where they are the same, none of fewer.

    Each is an array of numbers of segments.
    """
    if segments < length:
        return []
    first, last = np.arange(length), np.arange(segments - length, segments)
    return [first] if segments == length else [first, last]


class Passes:
    """The network, with what it said of the clips that are still in memory: two backbones share it."""

    def __init__(self, network: SynchformerSync, sha256: str, compute: Compute) -> None:
        self.network, self.sha256, self.compute = network, sha256, compute
        self._visual: WeakKeyDictionary[Clip, torch.Tensor] = WeakKeyDictionary()
        self._audio: WeakKeyDictionary[Clip, torch.Tensor] = WeakKeyDictionary()

    def segments(self, clip: Clip) -> int:
        """Segments that both frames and audio of a clip have."""
        from savg.models.mmaudio_lengths import SEGMENT_FRAMES, SEGMENT_STEP, SYNC_FPS

        frames = int(clip.format.duration * SYNC_FPS)
        return max(0, (frames - SEGMENT_FRAMES) // SEGMENT_STEP + 1)

    def shown(self, clip: Clip) -> list[int]:
        """Numbers of the segments to look at: those of the windows, or all of a shorter clip."""
        count = self.segments(clip)
        parts = windows(count, self.network.config.segments)
        return np.unique(np.concatenate(parts)).tolist() if parts else list(range(count))

    def visual(self, clip: Clip) -> torch.Tensor:
        """Features of the frames of its shown segments [S, 8, D]."""
        if clip not in self._visual:
            self._visual[clip] = self._look(clip)
        return self._visual[clip]

    def audio(self, clip: Clip, shift: int = 0) -> torch.Tensor:
        """Features of the audio of its shown segments [S, 6, D].

        shift: samples of 16 kHz by which the audio is moved later, its end to the beginning.
        """
        if shift:
            return self._listen(clip, shift)
        if clip not in self._audio:
            self._audio[clip] = self._listen(clip, 0)
        return self._audio[clip]

    def _look(self, clip: Clip) -> torch.Tensor:
        import torch

        from savg.models.mmaudio_lengths import SEGMENT_FRAMES, SEGMENT_STEP, SYNC_FPS
        from savg.models.synchformer import prepare

        times = Video.of(clip).at(SYNC_FPS, 0, int(clip.format.duration * SYNC_FPS))
        starts = np.array(self.shown(clip)) * SEGMENT_STEP
        fast = self.compute.dtype != torch.float32
        features = []
        for part in np.split(starts, range(AT_ONCE, len(starts), AT_ONCE)):
            chosen = times[part[:, None] + np.arange(SEGMENT_FRAMES)]
            frames, places = np.unique(chosen, return_inverse=True)
            prepared = prepare(
                torch.from_numpy(clip.video[frames]).to(self.compute.device),
                self.network.config.visual.image,
            )
            batch = prepared[torch.from_numpy(places.reshape(chosen.shape)).to(self.compute.device)]
            # The frames' encoder is nearly all of the work; the rest is computed in float32.
            with torch.autocast(self.compute.device.type, self.compute.dtype, enabled=fast):
                features.append(self.network.visual_features(batch)[:, 0].float())
        return torch.cat(features)

    def _listen(self, clip: Clip, shift: int) -> torch.Tensor:
        import torch

        from savg.models.spectrogram_transformer import SAMPLE_RATE
        from savg.models.synchformer_sync import SEGMENT_SAMPLES, STEP_SAMPLES

        shown = self.shown(clip)
        mono = resample(clip.audio, clip.format.sample_rate, SAMPLE_RATE).mean(axis=0)
        mono = np.roll(mono, shift)
        needed = shown[-1] * STEP_SAMPLES + SEGMENT_SAMPLES
        mono = np.pad(mono, (0, max(0, needed - len(mono))))  # a rounded length may lack a sample
        parts = [mono[i * STEP_SAMPLES : i * STEP_SAMPLES + SEGMENT_SAMPLES] for i in shown]
        audio = torch.from_numpy(np.stack(parts)).to(self.compute.device)
        return self.network.audio_features(audio)[:, 0]


_SHARED: WeakValueDictionary[tuple[str, int, str | None], Passes] = WeakValueDictionary()


def _passes(source: str | None, device: str | None) -> Passes:
    """The network of a source, one for all backbones that use it."""
    from savg.models.synchformer_sync import SynchformerSync

    folder = network_folder(KIND, source)
    changed = folder.stat().st_mtime_ns if folder else 0
    key = (str(folder or source), changed, device)
    passes = _SHARED.get(key)
    if passes is None:
        network, sha256 = load_network(KIND, source, device)
        assert isinstance(network, SynchformerSync)
        passes = _SHARED[key] = Passes(network, sha256, choose(device))
    return passes


class SynchformerBackbone(Backbone):
    """What the backbones of Synchformer share."""

    modality = "both"
    batch = 1

    def __init__(self, passes: Passes) -> None:
        self.passes = passes

    @classmethod
    def load(cls, source: str | None = None, device: str | None = None) -> Self:
        return cls(_passes(source, device))

    @classmethod
    def missing(cls, source: str | None = None) -> str:
        return missing_network(KIND, source)

    @property
    def provenance(self) -> Mapping[str, Any]:
        image = self.passes.network.config.visual.image
        return {
            "backbone": self.label,
            "sha256": self.passes.sha256,
            "input": f"frames at 25 fps by nearest time, shorter side {image} px (bicubic), centre; "
            "mean of the channels at 16 kHz; the first and the last 14 segments of 0.64 s",
            "precision": f"{str(self.passes.compute.dtype).removeprefix('torch.')} (frames), float32",
            "parity": "structure and inputs as in the public code; outputs not compared with published",
        }

    def __call__(self, clips: Sequence[Clip]) -> list[NDArray[np.float32]]:
        import torch

        with torch.inference_mode():
            return [self.features(clip) for clip in clips]

    @abstractmethod
    def features(self, clip: Clip) -> NDArray[np.float32]:
        """Features of one clip."""


class SynchformerOffsets(SynchformerBackbone):
    """Offsets in seconds [2, W] of the W ≤ 2 windows of a clip, the most likely of 21 in −2…2.

    Row 0 with the clip's own audio, positive where it is early; row 1 with that audio moved by half the
    clip's length, what chance reaches. W = 0 for clips below 4.8 s, 1 for those with 14 segments.
    """

    name = "synchformer_offsets"
    label = "Synchformer, offset of the audio"

    def features(self, clip: Clip) -> NDArray[np.float32]:
        classes = self.logits(clip).argmax(dim=2).cpu()
        return self.passes.network.offsets[classes].numpy().astype(np.float32)

    def logits(self, clip: Clip) -> torch.Tensor:
        """Of the offsets [2, W, 21], rows as those of the features."""
        import torch

        from savg.models.spectrogram_transformer import SAMPLE_RATE

        passes, network = self.passes, self.passes.network
        parts = windows(passes.segments(clip), network.config.segments)
        if not parts:
            return torch.zeros(2, 0, network.config.offsets)
        chosen = torch.from_numpy(np.searchsorted(passes.shown(clip), np.stack(parts)))
        visual = passes.visual(clip)[chosen]
        half = round(clip.format.duration * SAMPLE_RATE / 2)
        heard = (passes.audio(clip), passes.audio(clip, half))
        return torch.stack([network(visual, audio[chosen]) for audio in heard])


class SynchformerMeans(SynchformerBackbone):
    """The mean features of a clip's frames and of its audio [2, D]; [2, 0] for clips below 0.64 s."""

    name = "synchformer_means"
    label = "Synchformer, mean features of frames and audio"

    def features(self, clip: Clip) -> NDArray[np.float32]:
        if not self.passes.segments(clip):
            return np.zeros((2, 0), np.float32)
        both = (self.passes.visual(clip), self.passes.audio(clip))
        return np.stack([part.mean(dim=(0, 1)).cpu().numpy() for part in both])
