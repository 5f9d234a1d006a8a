"""Visual inputs of the flow network: features of CLIP and Synchformer, or frames for its encoder.

`visual(video, start, lengths) -> VisualInputs` for the window that begins at second `start`;
they are arguments of `VisualFlow.condition`. Frames are chosen by nearest time, so that the window
keeps its length whatever the video's rate [S2].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from savg.annotation import Boxes
from savg.clip import Clip
from savg.data.box_tokens import box_tokens
from savg.format import ClipFormat
from savg.models.frame_encoder import FrameEncoderConfig
from savg.models.mmaudio_lengths import CLIP_FPS, SYNC_FPS, SequenceLengths
from savg.models.synchformer import Synchformer, prepare
from savg.models.visual_flow import VisualInputs
from savg.video import Video

Images = Callable[[NDArray[np.uint8]], Tensor]
"""Images uint8 [N, H, W, 3] → features [N, ·], such as `OpenClipImages`."""

Persons = Callable[[Clip], Boxes]


class VisualFeatures(ABC):
    """Visual inputs of one window of a video."""

    @abstractmethod
    def __call__(self, video: Video, start: int, lengths: SequenceLengths) -> VisualInputs:
        """Inputs float32 with a batch of one for the window that begins at second `start`."""


@dataclass(frozen=True)
class ClipAndSync(VisualFeatures):
    """The published features: of CLIP at 8 and of Synchformer at 25 frames a second.

    A frame that stands for several times goes through CLIP once.
    """

    images: Images
    synchformer: Synchformer

    @torch.inference_mode()
    def __call__(self, video: Video, start: int, lengths: SequenceLengths) -> VisualInputs:
        shown, places = np.unique(video.at(CLIP_FPS, start, lengths.clip), return_inverse=True)
        clip = self.images(video.frames[shown])[torch.from_numpy(places)]
        weight = next(self.synchformer.parameters())
        shown, places = np.unique(
            video.at(SYNC_FPS, start, lengths.sync_frames), return_inverse=True
        )
        frames = torch.from_numpy(video.frames[shown])
        prepared = prepare(frames, self.synchformer.config.image)[torch.from_numpy(places)]
        sync = self.synchformer(prepared[None].to(weight))
        return VisualInputs(clip=clip[None], sync=sync)


@dataclass(frozen=True)
class EncoderFrames(VisualFeatures):
    """Small frames, for the encoder that is trained with the flow network."""

    config: FrameEncoderConfig

    def __call__(self, video: Video, start: int, lengths: SequenceLengths) -> VisualInputs:
        chosen = video.at(self.config.fps, start, self.config.frames(lengths))
        shown, places = np.unique(chosen, return_inverse=True)
        small = shrink(torch.from_numpy(video.frames[shown]), self.config.image)
        return VisualInputs(frames=small[torch.from_numpy(places)][None])


def shrink(frames: Tensor, side: int) -> Tensor:
    """uint8 frames [F, size, size, 3] as an encoder takes them [F, 3, side, side] in −1..1."""
    x = frames.movedim(-1, 1).float()
    size = x.shape[-1]
    if size % side == 0:
        x = functional.avg_pool2d(x, size // side)
    else:
        x = functional.interpolate(x, (side, side), mode="bilinear", antialias=True)
    return x / 127.5 - 1


def with_boxes(
    inputs: VisualInputs,
    video: Video,
    start: int,
    lengths: SequenceLengths,
    count: int,
    persons: Persons | None = None,
) -> VisualInputs:
    """`inputs` with the boxes of `count` persons at most at CLIP's times.

    They are the video's boxes, or those that `persons` detects where it has none. ValueError without
    either.
    """
    chosen = video.at(CLIP_FPS, start, lengths.clip)
    shown, places = np.unique(chosen, return_inverse=True)
    if video.boxes is not None:
        tokens = box_tokens(video.boxes, len(video.frames), count)[chosen]
    elif persons is not None:
        boxes = persons(silent_clip(video.frames[shown]))
        tokens = box_tokens(boxes, len(shown), count)[places]
    else:
        raise ValueError("boxes must come with the video or from a person detector, got neither")
    return replace(inputs, boxes=torch.from_numpy(tokens)[None])


def silent_clip(frames: NDArray[np.uint8]) -> Clip:
    """Frames uint8 [F, size, size, 3] as a silent clip, which detectors take."""
    format = ClipFormat(frames=len(frames)).with_size(frames.shape[1])
    return Clip(frames, np.zeros((2, format.samples), np.float32), format)
