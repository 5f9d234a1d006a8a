"""The contract of a backbone: a network that turns clips into features.

A backbone is a class in a file of its own and a line in `savg.features.registry`. Metrics name the
backbones they need; each is loaded once and sees each clip once.

Shapes of features, one array a clip:

- video backbones: [W, D], a row for each window of the clip (one where the network takes it whole);
- audio backbones: [4, W, D], the views of `VIEWS` in this order;
- backbones of both say theirs in their own docstring.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from savg.clip import Clip
from savg.errors import SavgError

VIEWS = ("left", "right", "mid", "side")
"""What an audio backbone hears of a clip: each channel, (left + right) / 2 and (left − right) / 2."""

Modality = Literal["video", "audio", "both"]


class BackboneError(SavgError):
    """A backbone's weights or its package are not here; the sentence says how to get them."""


class Backbone(ABC):
    """Clips → features, the same for a clip whatever the others in the batch (up to rounding).

    name: key in the registry and of its features; label: in tables; modality: what it looks at, so
    that features of video serve clips with other audio too; batch: clips that it takes at once;
    fetched: whether `load` fetches weights that are missing, through the library that keeps them.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    modality: ClassVar[Modality]
    batch: ClassVar[int] = 8
    fetched: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def load(cls, source: str | None = None, device: str | None = None) -> Self:
        """The backbone with its weights.

        Args:
            source: folder or Hub id of a component (None: where `savg weights import` or the
                library that fetches them has put them).
            device: of torch (None: as `savg.device.choose` says).

        Raises:
            BackboneError: weights or package are missing, and cannot be fetched.
            CheckpointError: the weights do not fit.
        """

    @classmethod
    @abstractmethod
    def missing(cls, source: str | None = None) -> str:
        """Why `load` would need a download or fail for want of weights or a package, as a sentence;
        "" where it can be loaded at once. Cheap: nothing is loaded."""

    @property
    @abstractmethod
    def provenance(self) -> Mapping[str, Any]:
        """What must stand beside every number that comes of it, ready for JSON.

        At least `backbone`, `sha256` (of the weights) and `input` (size, rate and how clips are
        resized and resampled); `precision` where it is not float32. Equal provenance, equal features.
        """

    @abstractmethod
    def __call__(self, clips: Sequence[Clip]) -> list[NDArray[np.float32]]:
        """Features of each clip; clips may differ in length, size and rates."""


def views(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """The `VIEWS` [4, T] of stereo audio [2, T]."""
    left, right = audio
    return np.stack([left, right, (left + right) / 2, (left - right) / 2])
