"""The flow network together with what it looks through: an encoder of pictures, persons' boxes.

Both are options. With neither, this is `MMAudio` on features computed elsewhere (CLIP, Synchformer),
and a published network computes the same in it. With an encoder, pictures take the features' place
and gradients reach it. With boxes, a projection of each picture's boxes that starts at zero is added
to the features of the same time; guidance leaves it out together with the picture.

Shapes: B clips, N CLIP times, S synchronisation features, K boxes of a picture, L latents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from savg.hub import ModelFormat
from savg.models import frame_encoder, mmaudio
from savg.models.frame_encoder import FrameEncoder, FrameEncoderConfig
from savg.models.mmaudio import Conditions, Features, MMAudio, MMAudioConfig
from savg.models.mmaudio_lengths import SequenceLengths

__all__ = ["BOX_VALUES", "CONFIGS", "FORMAT", "Seen", "VisualFlow", "VisualFlowConfig"]

BOX_VALUES = 5
"""Of one box: 1 where there is one, then x0, y0, x1, y1 from −1 to 1 across the picture; else zeros."""


@dataclass(frozen=True)
class VisualFlowConfig:
    """flow: the network; encoder: what gives its features (None: they are given); boxes: persons'
    boxes of a picture that it is told (0: none)."""

    flow: MMAudioConfig
    encoder: FrameEncoderConfig | None = None
    boxes: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.flow, Mapping):  # as JSON gives it back
            object.__setattr__(self, "flow", MMAudioConfig(**self.flow))
        if isinstance(self.encoder, Mapping):
            object.__setattr__(self, "encoder", FrameEncoderConfig(**self.encoder))
        if self.boxes < 0:
            raise ValueError(f"boxes is a number of boxes, not {self.boxes}")
        if self.encoder is not None:
            theirs = (self.encoder.clip_dim, self.encoder.sync_dim)
            if theirs != (self.flow.clip_dim, self.flow.sync_dim):
                raise ValueError(
                    f"an encoder of {theirs} channels does not fit a flow network of "
                    f"{(self.flow.clip_dim, self.flow.sync_dim)}"
                )


CONFIGS: dict[str, VisualFlowConfig] = {
    "full": VisualFlowConfig(mmaudio.CONFIGS["full"]),
    "demo": VisualFlowConfig(mmaudio.CONFIGS["demo"], frame_encoder.CONFIGS["demo"]),
    "tiny": VisualFlowConfig(mmaudio.CONFIGS["tiny"], frame_encoder.CONFIGS["tiny"]),
}
"""By name; "full" is told features of CLIP and Synchformer [S2]. `replace(…, boxes=3)` adds boxes."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What is seen of some clips: features, or pictures for the encoder; and boxes where wanted.

    clip [B, N, ·], sync [B, S, ·]; pictures [B, F, 3, image, image]; boxes [B, N, K, 5].
    """

    clip: Tensor | None = None
    sync: Tensor | None = None
    pictures: Tensor | None = None
    boxes: Tensor | None = None

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> Seen:
        """The same on another device and in another number format."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(
            self, **{name: x.to(device, dtype) for name, x in given.items() if x is not None}
        )

    @classmethod
    def stack(cls, parts: list[Seen]) -> Seen:
        """What is seen of several clips together."""
        columns = {name.name: [getattr(part, name.name) for part in parts] for name in fields(cls)}
        return cls(**{k: torch.cat(v) for k, v in columns.items() if v[0] is not None})


class VisualFlow(nn.Module):
    """A flow network with its eyes. Sampling takes `condition` and then `flow` by itself."""

    def __init__(self, config: VisualFlowConfig) -> None:
        super().__init__()
        self.config = config
        self.flow = MMAudio(config.flow)
        self.encoder = FrameEncoder(config.encoder) if config.encoder else None
        self.boxes: nn.Linear | None = None
        if config.boxes:
            self.boxes = nn.Linear(config.boxes * BOX_VALUES, config.flow.clip_dim)
            nn.init.zeros_(self.boxes.weight)
            nn.init.zeros_(self.boxes.bias)

    @classmethod
    def around(cls, flow: MMAudio) -> VisualFlow:
        """A network as published, with neither encoder nor boxes."""
        made = cls.__new__(cls)
        nn.Module.__init__(made)
        made.config = VisualFlowConfig(flow.config)
        made.flow, made.encoder, made.boxes = flow, None, None
        return made

    def features(self, seen: Seen, lengths: SequenceLengths) -> Features:
        """Features as the flow network takes them. ValueError for what is missing."""
        clip, sync = seen.clip, seen.sync
        if self.encoder is not None:
            if seen.pictures is None:
                raise ValueError("the flow network's encoder needs pictures")
            clip, sync = self.encoder(seen.pictures, lengths)
        if clip is None or sync is None:
            raise ValueError("a flow network without an encoder needs CLIP and sync features")
        if self.boxes is not None:
            expected = (len(clip), lengths.clip, self.config.boxes, BOX_VALUES)
            if seen.boxes is None or tuple(seen.boxes.shape) != expected:
                found = None if seen.boxes is None else list(seen.boxes.shape)
                raise ValueError(f"the flow network needs boxes {list(expected)}, not {found}")
            clip = clip + self.boxes(seen.boxes.flatten(2))
        return Features(clip, sync)

    def condition(self, seen: Seen, lengths: SequenceLengths) -> Conditions:
        """Conditions of the flow network, computed once for a clip."""
        return self.flow.condition(self.features(seen, lengths), lengths)

    def forward(
        self, latent: Tensor, t: Tensor, seen: Seen, lengths: SequenceLengths, unseen: Tensor
    ) -> Tensor:
        """Velocity [B, L, C] in training; unseen: true [B] where the picture is left out."""
        features = self.features(seen, lengths)
        features = self.flow.drop(features, unseen, torch.zeros_like(unseen))
        return self.flow(latent, t, self.flow.condition(features, lengths))


def from_published(published: Mapping[str, Any] | None = None) -> VisualFlowConfig:
    """A published flow network with nothing added."""
    return VisualFlowConfig(mmaudio.from_published(published))


def rename(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The published keys under `flow.`."""
    return {f"flow.{key}": value for key, value in mmaudio.rename(state).items()}


FORMAT = ModelFormat(
    kind="visual_flow",
    config=VisualFlowConfig,
    build=VisualFlow,
    from_published=from_published,
    rename=rename,
)
