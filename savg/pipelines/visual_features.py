"""What a film tells the flow network: features of CLIP and Synchformer, or pictures for its encoder.

`visual(film, start, lengths) -> Seen` for the window of a film that begins at second `start`; the flow
network's `VisualFlow.condition` takes it from there. Pictures are chosen by nearest time, so that the
window keeps its length whatever the film's rate [S2].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

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
"""Pictures [F, H, W, 3] → features [F, ·] of each, such as `OpenClipImages`."""

Persons = Callable[[Clip], Boxes]


class VisualFeatures(ABC):
    """What is seen of one window of a film."""

    @abstractmethod
    def __call__(self, film: Video, start: int, lengths: SequenceLengths) -> VisualInputs:
        """Of one clip (batch of one), float32."""


@dataclass(frozen=True)
class ClipAndSync(VisualFeatures):
    """The published features: of CLIP at 8 and of Synchformer at 25 pictures a second.

    A picture that is shown several times goes through CLIP once.
    """

    images: Images
    synchformer: Synchformer

    @torch.inference_mode()
    def __call__(self, film: Video, start: int, lengths: SequenceLengths) -> VisualInputs:
        shown, places = np.unique(film.at(CLIP_FPS, start, lengths.clip), return_inverse=True)
        clip = self.images(film.frames[shown])[torch.from_numpy(places)]
        weight = next(self.synchformer.parameters())
        shown, places = np.unique(
            film.at(SYNC_FPS, start, lengths.sync_frames), return_inverse=True
        )
        pictures = torch.from_numpy(film.frames[shown])
        prepared = prepare(pictures, self.synchformer.config.image)[torch.from_numpy(places)]
        sync = self.synchformer(prepared[None].to(weight))
        return VisualInputs(clip=clip[None], sync=sync)


@dataclass(frozen=True)
class Pictures(VisualFeatures):
    """Small pictures, for the encoder that is trained with the flow network."""

    config: FrameEncoderConfig

    def __call__(self, film: Video, start: int, lengths: SequenceLengths) -> VisualInputs:
        chosen = film.at(self.config.fps, start, self.config.frames(lengths))
        shown, places = np.unique(chosen, return_inverse=True)
        small = shrink(torch.from_numpy(film.frames[shown]), self.config.image)
        return VisualInputs(frames=small[torch.from_numpy(places)][None])


def shrink(frames: Tensor, side: int) -> Tensor:
    """uint8 pictures [F, size, size, 3] as an encoder takes them [F, 3, side, side] in −1..1."""
    x = frames.movedim(-1, 1).float()
    size = x.shape[-1]
    if size % side == 0:
        x = functional.avg_pool2d(x, size // side)
    else:
        x = functional.interpolate(x, (side, side), mode="bilinear", antialias=True)
    return x / 127.5 - 1


def with_boxes(
    seen: VisualInputs,
    film: Video,
    start: int,
    lengths: SequenceLengths,
    count: int,
    persons: Persons | None = None,
) -> VisualInputs:
    """`seen` with the boxes of the film's persons at CLIP's times.

    Where the film brings none they are looked for by `persons`; ValueError if there is nobody to look.
    """
    chosen = film.at(CLIP_FPS, start, lengths.clip)
    shown, places = np.unique(chosen, return_inverse=True)
    if film.boxes is not None:
        tokens = box_tokens(film.boxes, len(film.frames), count)[chosen]
    elif persons is not None:
        boxes = persons(_silent(film.frames[shown]))
        tokens = box_tokens(boxes, len(shown), count)[places]
    else:
        raise ValueError("a flow network with boxes needs a film's boxes or a person detector")
    return VisualInputs(seen.clip, seen.sync, seen.frames, torch.from_numpy(tokens)[None])


def _silent(frames: NDArray[np.uint8]) -> Clip:
    """Some pictures as a clip, which detectors take."""
    format = ClipFormat(frames=len(frames)).with_size(frames.shape[1])
    return Clip(frames, np.zeros((2, format.samples), np.float32), format)
