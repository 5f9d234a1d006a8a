"""The flow network with optional inputs: an encoder of frames, persons' boxes, a direction.

With neither, this is `MMAudio` on features computed elsewhere (CLIP, Synchformer), and a published
network computes the same in it. With an encoder, frames take the features' place and gradients reach
it. With boxes, a projection of each frame's boxes that starts at zero is added to the features of the
same time; guidance drops it together with them. So is what a direction tells of that time
(`savg.models.direction`).

Shapes: B clips, N CLIP times, S synchronisation features, F frames, K boxes of a frame, L latents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from savg.fields import Between, check
from savg.hub import ModelFormat
from savg.models import frame_encoder, mmaudio
from savg.models.direction import TIME_VALUES, at_times, check_fits
from savg.models.frame_encoder import FrameEncoder, FrameEncoderConfig
from savg.models.mmaudio import Conditions, Features, MMAudio, MMAudioConfig
from savg.models.mmaudio_lengths import SequenceLengths
from savg.models.unet_layers import zeroed

__all__ = ["BOX_VALUES", "CONFIGS", "FORMAT", "VisualFlow", "VisualFlowConfig", "VisualInputs"]

BOX_VALUES = 5
"""Of one box: 1 where there is one, then x0, y0, x1, y1 from −1 to 1 across the frame; else zeros."""


@dataclass(frozen=True)
class VisualFlowConfig:
    """flow: of the network; encoder: of the frames (None: features are inputs); boxes: number of
    persons' boxes of a frame that are inputs (0: none); direction: points of the paths that directions
    have (0: it takes none)."""

    flow: MMAudioConfig
    encoder: FrameEncoderConfig | None = None
    boxes: Annotated[int, Between(0, 64)] = 0
    direction: Annotated[int, Between(0, 256)] = 0

    def __post_init__(self) -> None:
        check(self)
        if self.encoder is not None:
            channels = (self.encoder.clip_dim, self.encoder.sync_dim)
            expected = (self.flow.clip_dim, self.flow.sync_dim)
            if channels != expected:
                raise ValueError(
                    f"clip_dim and sync_dim of the encoder must be {expected}, as of the flow "
                    f"network, got {channels}"
                )


CONFIGS: dict[str, VisualFlowConfig] = {
    "full": VisualFlowConfig(mmaudio.CONFIGS["full"]),
    "demo": VisualFlowConfig(mmaudio.CONFIGS["demo"], frame_encoder.CONFIGS["demo"]),
    "tiny": VisualFlowConfig(mmaudio.CONFIGS["tiny"], frame_encoder.CONFIGS["tiny"]),
}
"""By name; "full" takes features of CLIP and Synchformer [S2]. `replace(…, boxes=3)` adds boxes."""


@dataclass(frozen=True, eq=False)
class VisualInputs:
    """Inputs of B clips: features, or frames for the encoder; boxes for networks with them; what the
    audio of directed networks shall be, or None.

    clip [B, N, ·], sync [B, S, ·]; frames [B, F, 3, image, image]; boxes [B, N, K, 5]; direction
    [B, 2 + points].
    """

    clip: Tensor | None = None
    sync: Tensor | None = None
    frames: Tensor | None = None
    boxes: Tensor | None = None
    direction: Tensor | None = None

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> VisualInputs:
        """The same inputs on another device and in another number format."""
        tensors = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(
            self, **{name: x.to(device, dtype) for name, x in tensors.items() if x is not None}
        )

    @classmethod
    def stack(cls, parts: list[VisualInputs]) -> VisualInputs:
        """The inputs of several batches as one batch."""
        columns = {f.name: [getattr(part, f.name) for part in parts] for f in fields(cls)}
        return cls(**{k: torch.cat(v) for k, v in columns.items() if v[0] is not None})


class VisualFlow(nn.Module):
    """A flow network with its visual inputs. Sampling calls `condition` once, then `flow` itself."""

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
        self.direction: nn.Linear | None = None
        if config.direction:
            self.direction = zeroed(nn.Linear(TIME_VALUES, config.flow.clip_dim))

    @classmethod
    def around(cls, flow: MMAudio) -> VisualFlow:
        """A network as published, with neither encoder nor boxes nor directions."""
        model = cls.__new__(cls)
        nn.Module.__init__(model)
        model.config = VisualFlowConfig(flow.config)
        model.flow, model.encoder, model.boxes, model.direction = flow, None, None, None
        return model

    def features(self, inputs: VisualInputs, lengths: SequenceLengths) -> Features:
        """Features as the flow network takes them. ValueError if an input is missing or misshapen."""
        clip, sync = inputs.clip, inputs.sync
        if self.encoder is not None:
            if inputs.frames is None:
                raise ValueError("frames must be given to a flow network with an encoder, got None")
            clip, sync = self.encoder(inputs.frames, lengths)
        if clip is None or sync is None:
            raise ValueError(
                "CLIP and sync features must be given to a flow network without an encoder, got None"
            )
        if self.boxes is not None:
            expected = (len(clip), lengths.clip, self.config.boxes, BOX_VALUES)
            shape = None if inputs.boxes is None else tuple(inputs.boxes.shape)
            if inputs.boxes is None or shape != expected:
                raise ValueError(f"boxes must be {expected}, got {shape}")
            clip = clip + self.boxes(inputs.boxes.flatten(2))
        if inputs.direction is not None:
            clip = clip + self._told(inputs.direction, lengths.clip)
        return Features(clip, sync)

    def _told(self, direction: Tensor, times: int) -> Tensor:
        """What a direction adds to the features of each time [B, N, ·]."""
        check_fits(direction, self.config.direction)
        assert self.direction is not None
        return self.direction(at_times(direction, times).to(self.direction.weight.dtype))

    def condition(self, inputs: VisualInputs, lengths: SequenceLengths) -> Conditions:
        """Conditions of the flow network, computed once for a clip. Raises as `features`."""
        return self.flow.condition(self.features(inputs, lengths), lengths)

    def forward(
        self,
        latent: Tensor,
        t: Tensor,
        inputs: VisualInputs,
        lengths: SequenceLengths,
        dropped: Tensor,
    ) -> Tensor:
        """Velocity [B, L, C] in training; dropped: true [B] where the visual inputs are left out."""
        features = self.features(inputs, lengths)
        features = self.flow.drop(features, dropped, torch.zeros_like(dropped))
        return self.flow(latent, t, self.flow.condition(features, lengths))


def from_published(published: Mapping[str, Any] | None = None) -> VisualFlowConfig:
    """The configuration of a published flow network, without encoder and boxes."""
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
