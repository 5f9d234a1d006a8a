"""What says what sounds, as one embedding: the bundled SELD network, or CLAP where it is installed.

Both hear mono audio, which does not tell a side. CLAP also takes words.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from savg.clip import Clip
from savg.errors import CheckpointError, SavgError
from savg.features.seld import SeldBackbone
from savg.format import ClipFormat
from savg.models.seld import Seld

if TYPE_CHECKING:
    from savg.features.clap import ClapBackbone

Array = NDArray[np.float32]

CLIP_FPS = 4
"""Frames a second of the black clip that SELD's audio comes with."""

CLAP_WIDTH = 512
"""Values of the released networks' embeddings."""


class Sound(ABC):
    """Audio to an embedding of what sounds in it."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Values of an embedding."""

    @abstractmethod
    def __call__(self, audio: Array, rate: int) -> Array | None:
        """The embedding [width] of mono audio [T] at `rate` Hz; None for silence."""

    def words(self, text: str) -> Array:
        """The embedding [width] of what a text describes; SavgError where no text is known."""
        raise SavgError(
            "semantic must be a recording: words need a network that was trained on CLAP's "
            "embeddings, and these weights were not."
        )


@dataclass(frozen=True, eq=False)
class SoundEmbedding(Sound):
    """By the activity branch of a SELD network that hears the mix on both channels."""

    network: Seld

    @property
    def width(self) -> int:
        return self.network.config.d_model

    def __call__(self, audio: Array, rate: int) -> Array | None:
        if not np.any(audio):
            return None
        frames = max(1, ceil(len(audio) / rate * CLIP_FPS))
        format = ClipFormat(frames, CLIP_FPS, rate).with_size(16)
        both = np.repeat(np.pad(audio, (0, format.samples - len(audio)))[None], 2, axis=0)
        video = np.zeros((frames, 16, 16, 3), np.uint8)
        (rows,) = SeldBackbone(self.network, "")([Clip(video, both.clip(-1, 1), format)])
        return np.asarray(rows[0, :, : self.width].mean(axis=0), np.float32)


class ClapSound(Sound):
    """By LAION-CLAP, whose weights are loaded when they are first needed and never fetched.

    source: as of `ClapBackbone.load`; width: that the embedding must have.
    """

    def __init__(
        self, source: str | None = None, width: int = CLAP_WIDTH, device: str | None = None
    ) -> None:
        self.source, self._width, self.device = source, width, device

    @property
    def width(self) -> int:
        return self._width

    @cached_property
    def network(self) -> ClapBackbone:
        """The network; BackboneError where it is not here, CheckpointError for another width."""
        from savg.features.base import BackboneError
        from savg.features.clap import REPO, ClapBackbone

        missing = ClapBackbone.missing(self.source)
        if missing:
            raise BackboneError(missing)
        network = ClapBackbone.load(self.source, self.device)
        if network.width != self.width:
            raise CheckpointError(
                f"{self.source or REPO}: CLAP's embedding must have {self.width} values, as the "
                f"network was trained with, got {network.width}."
            )
        return network

    def __call__(self, audio: Array, rate: int) -> Array | None:
        if not np.any(audio):
            return None
        rows = self.network.of_mono(np.asarray(audio, np.float32), rate)
        return np.asarray(rows.mean(axis=0), np.float32)

    def words(self, text: str) -> Array:
        return self.network.of_words(text)
