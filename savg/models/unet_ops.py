"""The operations that the U-Nets' blocks are made of, under one name for both of their paths.

`unet_plain.PLAIN` is the reference: channels first, one operation after the other. `unet_fast.FAST`
computes the same channels last, fused and reordered. Blocks are written once against `Operations`,
and between `enter` and `leave` only operations touch the order of a tensor's axes.

Shapes, channels first: video [B, F, C, H, W], image [N, C, H, W], audio [B, C, T], sequences
[N, C, L]; channels last: [B, F, H, W, C], [N, H, W, C], [B, T, C], [N, L, C]. Operations
distinguish video, image and audio by their number of axes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Operations(ABC):
    """What a block may do with a tensor; see `unet_plain.Plain` and `unet_fast.Fast`."""

    reorders: bool
    """Whether averaging goes before, and repetition behind, what commutes with them exactly."""

    @abstractmethod
    def enter(self, x: Tensor) -> Tensor:
        """Video, image or audio with channels first → the path's own order."""

    @abstractmethod
    def leave(self, x: Tensor) -> Tensor:
        """The inverse of `enter`."""

    @abstractmethod
    def concatenate(self, a: Tensor, b: Tensor) -> Tensor:
        """The channels of both."""

    @abstractmethod
    def add(self, x: Tensor, bias: Tensor) -> Tensor:
        """x + bias[B, C] at every position."""

    @abstractmethod
    def norm(
        self,
        x: Tensor,
        layer: nn.GroupNorm,
        act: bool = False,
        scale: Tensor | None = None,
        shift: Tensor | None = None,
    ) -> Tensor:
        """Group normalisation over all but the first axis, ·(1 + scale[B, C]) + shift[B, C], SiLU.

        The statistics are of float32; act: whether SiLU follows.
        """

    @abstractmethod
    def conv2d(self, x: Tensor, layer: nn.Conv2d) -> Tensor:
        """A convolution of an image, or of each frame of a video, padded to keep its size."""

    @abstractmethod
    def conv3d(self, x: Tensor, layer: nn.Conv3d) -> Tensor:
        """A convolution of a video in space and time, padded to keep its size."""

    @abstractmethod
    def conv_time(self, x: Tensor, layer: nn.Conv1d) -> Tensor:
        """A convolution along the frames of each pixel, padded to keep their number."""

    @abstractmethod
    def conv1d(self, x: Tensor, layer: nn.Conv1d, dilation: int | None = None) -> Tensor:
        """A convolution of audio or sequences, padded to keep their length.

        dilation: in positions, in place of the layer's own.
        """

    @abstractmethod
    def downsample(self, x: Tensor) -> Tensor:
        """Means of 2×2 pixels of each frame or image, of 4 positions of audio."""

    @abstractmethod
    def upsample(self, x: Tensor) -> Tensor:
        """Each pixel as 2×2, each position of audio four times."""

    @abstractmethod
    def over_pixels(self, x: Tensor, layer: Callable[[Tensor, Operations], Tensor]) -> Tensor:
        """`layer` of the sequences that the pixels of each frame, or of an image, are."""

    @abstractmethod
    def over_frames(self, x: Tensor, layer: Callable[[Tensor, Operations], Tensor]) -> Tensor:
        """`layer` of the sequences that each pixel's frames are."""

    @abstractmethod
    def sequence(self, video: Tensor) -> Tensor:
        """A video's pixels, frame after frame, as one sequence of F·H·W positions."""

    @abstractmethod
    def video(self, sequence: Tensor, shape: torch.Size) -> Tensor:
        """The inverse of `sequence`; shape: of the video, in the path's own order."""

    @abstractmethod
    def attend(self, qkv: Tensor, heads: int, interleaved: bool = False) -> Tensor:
        """Softmax attention among the positions of sequences of 3·C channels.

        The channels are queries, keys and values; interleaved: those of one head after the other.
        """

    @abstractmethod
    def attend_windows(
        self, video: Tensor, audio: Tensor, frames: int, heads: int, window: int, shift: int
    ) -> tuple[Tensor, Tensor]:
        """Softmax attention between the sequences of a video and of audio.

        Each has 3·C channels: queries, keys, values. Frame i attends to the frames i + shift …
        i + shift + window − 1 of the other modality, counted round the end. A frame of audio is
        T // frames positions; the last frame's queries take the rest. Returns C channels of each.
        """
