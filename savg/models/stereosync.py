"""StereoSync: a frozen transformer of Stable Audio with a trained ControlNet and conditions [S3].

The ControlNet is a copy of the transformer's embeddings and first blocks. A layer that starts at zero
brings the envelope into it, and one a block, zero too, brings what the block gives to the transformer,
after its own block of that number: so a new network computes what the transformer does, bit for bit.
Tokens of boxes, depth and an audio embedding are attended to by both.

The published network brings in the envelope as audio, encoded by the frozen VAE. The small one
takes its levels and the boxes at the latents' times instead: tokens of boxes bear no time.

Shapes: B clips, C latent channels, L latents, F frames, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.fields import Between, Depth, check
from savg.hub import ModelFormat
from savg.models import stable_audio
from savg.models.stable_audio import StableAudio, StableAudioConfig, Trunk
from savg.models.stable_audio_names import seconds_rename
from savg.models.stereosync_tokens import CONFIGS as TOKENS
from savg.models.stereosync_tokens import ConditionTokens, NumberConditioner, TokenConfig

__all__ = ["CONDITIONS", "CONFIGS", "FORMAT", "Conditions", "StereoSync", "StereoSyncConfig"]

BOX_VALUES = 5
"""Of a box beside the envelope: 1 where there is one, then x0, y0, x1, y1 from −1 to 1; else zeros."""

MOST_SECONDS = 512.0

PARTS = {"spatial": ("boxes", "depth"), "envelope": ("envelope",), "semantic": ("audio",)}
"""What can be withheld by itself, and the fields of `Conditions` that it is made of."""

CONDITIONS = tuple(PARTS)


@dataclass(frozen=True)
class StereoSyncConfig:
    """audio, tokens: of the transformer and the conditions; branch: blocks of the ControlNet.

    envelope: channels of the envelope at the latents' times; boxes: whether boxes go with it; entry:
    where both enter, at the latents as published or at the blocks' width.
    """

    audio: StableAudioConfig
    tokens: TokenConfig
    branch: Depth = 4
    envelope: Annotated[int, Between(1, 4096)] = 64
    boxes: bool = False
    entry: Literal["latents", "blocks"] = "latents"

    def __post_init__(self) -> None:
        check(self)
        if self.branch > self.audio.depth:
            raise ValueError(
                f"branch must be ≤ depth of the transformer, {self.audio.depth}, got {self.branch}"
            )
        if self.tokens.width != self.audio.condition:
            raise ValueError(
                f"width of the tokens must be the transformer's {self.audio.condition}, got "
                f"{self.tokens.width}"
            )
        if self.audio.overall not in (0, 2 * self.audio.condition):
            raise ValueError(
                f"overall must be 0, or the width of two tokens, got {self.audio.overall}"
            )

    @property
    def control(self) -> int:
        """Channels that enter the branch."""
        return self.envelope + BOX_VALUES * self.boxes


CONFIGS: dict[str, StereoSyncConfig] = {
    "full": StereoSyncConfig(stable_audio.CONFIGS["full"], TOKENS["full"]),
    "demo": StereoSyncConfig(
        stable_audio.CONFIGS["demo"], TOKENS["demo"], 3, envelope=5, boxes=True, entry="blocks"
    ),
    "tiny": StereoSyncConfig(
        stable_audio.CONFIGS["tiny"], TOKENS["tiny"], 1, envelope=5, boxes=True, entry="blocks"
    ),
}


@dataclass(frozen=True, eq=False)
class Conditions:
    """What the audio of B windows shall follow; what is None or NaN is withheld.

    boxes: of the tracked person, corners in pixels [B, F, 4]; depth [B, M, ·] and audio [B, ·]:
    embeddings; envelope: at the latents' times [B, envelope, L]; seconds: where the window begins and
    how long the audio is [B, 2], for networks with a global condition.
    """

    boxes: Tensor | None = None
    depth: Tensor | None = None
    audio: Tensor | None = None
    envelope: Tensor | None = None
    seconds: Tensor | None = None

    def given(self) -> Iterator[tuple[str, Tensor]]:
        """Names and values of those that are there."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                yield field.name, value

    def to(self, device: torch.device) -> Conditions:
        """The same conditions on another device."""
        return replace(self, **{name: value.to(device) for name, value in self.given()})

    @classmethod
    def stack(cls, parts: list[Conditions]) -> Conditions:
        """The conditions of several batches, which have the same ones, as one batch."""
        names = [name for name, _ in parts[0].given()]
        return cls(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})

    def has(self, kind: str) -> bool:
        """Whether one of `CONDITIONS` is given for some clip."""
        return any(
            not bool(value.isnan().all()) for name, value in self.given() if name in PARTS[kind]
        )

    def without(self, kind: str, clips: Tensor | None = None) -> Conditions:
        """The conditions with one of `CONDITIONS` withheld, from the clips [B] that are true or all."""
        changed: dict[str, Any] = dict.fromkeys(PARTS[kind])
        if clips is not None:
            changed = {
                name: value.masked_fill(clips.reshape(-1, *[1] * (value.ndim - 1)), torch.nan)
                for name, value in self.given()
                if name in PARTS[kind]
            }
        return replace(self, **changed)


class ControlNet(Trunk):
    """The branch: what enters it and noisy latents, to what is added after the transformer's blocks."""

    def __init__(self, config: StereoSyncConfig) -> None:
        super().__init__(config.audio, config.branch, whole=False)
        self.entry = config.entry
        width = config.audio.width
        entry = config.audio.latents if config.entry == "latents" else width
        self.conv_in = nn.Conv1d(config.control, entry, 1, bias=False)
        self.conv_outs = nn.ModuleList(
            nn.Linear(width, width, bias=False) for _ in range(config.branch)
        )
        for layer in (self.conv_in, *self.conv_outs):
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]

    def copy(self, network: StableAudio) -> None:
        """Take the weights of the transformer's embeddings and first blocks."""
        own = self.state_dict()
        taken = {key: value for key, value in network.state_dict().items() if key in own}
        self.load_state_dict(taken, strict=False)

    def forward(
        self, x: Tensor, t: Tensor, tokens: Tensor, overall: Tensor | None, control: Tensor
    ) -> list[Tensor]:
        """Summands [B, 1 + L, D] of the transformer's first blocks; control: [B, control, L]."""
        tokens = self.to_cond_embed(tokens)
        entered = self.conv_in(control)
        if self.entry == "latents":
            x = self.embed(x, t, overall, entered)
        else:
            x = self.embed(x, t, overall) + functional.pad(entered.transpose(1, 2), (0, 0, 1, 0))
        rotary = self.rotary(x)
        summands = []
        for block, out in zip(self.transformer.layers, self.conv_outs, strict=True):
            x = block(x, tokens, rotary)
            summands.append(out(x))
        return summands


class StereoSync(nn.Module):
    """Noisy latents [B, C, L] at times t [B] with conditions to predictions of v [B, C, L].

    latent_mean, latent_std [1, C, 1]: of the latents over the training audio; 0 and 1 in a new network,
    as for the published VAE.
    """

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: StereoSyncConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("latent_mean", torch.zeros(1, config.audio.latents, 1))
        self.register_buffer("latent_std", torch.ones(1, config.audio.latents, 1))
        self.network = StableAudio(config.audio)
        self.control = ControlNet(config)
        self.tokens = ConditionTokens(config.tokens)
        self.seconds: nn.ModuleDict | None = None
        if config.audio.overall:
            self.seconds = nn.ModuleDict(
                {
                    name: NumberConditioner(config.audio.condition, 0.0, MOST_SECONDS)
                    for name in ("seconds_start", "seconds_total")
                }
            )
        self.control.copy(self.network)

    def trained(self) -> list[nn.Module]:
        """The parts that are trained on a frozen transformer: branch and projections."""
        return [self.control, self.tokens]

    def normalize(self, latents: Tensor) -> Tensor:
        """Latents [B, C, L] of the VAE as the network takes them."""
        return (latents - self.latent_mean) / self.latent_std

    def unnormalize(self, latents: Tensor) -> Tensor:
        """Latents [B, C, L] of the network as the VAE takes them."""
        return latents * self.latent_std + self.latent_mean

    def forward(self, x: Tensor, t: Tensor, conditions: Conditions, branch: bool = True) -> Tensor:
        """The prediction; without the branch, that of the transformer. ValueError for other shapes."""
        c = conditions
        tokens = self.tokens(c.boxes, c.depth, c.audio, batch=len(x))
        overall = None
        if self.seconds is not None:
            if c.seconds is None or tuple(c.seconds.shape) != (len(x), 2):
                shape = None if c.seconds is None else list(c.seconds.shape)
                raise ValueError(f"seconds must be {[len(x), 2]}, got {shape}")
            columns = zip(self.seconds.values(), c.seconds.unbind(1), strict=True)
            start, total = (embed(column) for embed, column in columns)
            overall = torch.cat((start, total), dim=-1)
            tokens = torch.cat((tokens, start[:, None], total[:, None]), dim=1)
        tokens = tokens.to(x.dtype)
        summands: list[Tensor] = []
        if branch:
            summands = self.control(x, t, tokens, overall, self._control(c, x))
        return self.network(x, t, tokens, overall, summands)

    def _control(self, conditions: Conditions, x: Tensor) -> Tensor:
        """What enters the branch [B, control, L]; zeros where it is withheld."""
        config = self.config
        batch, _, length = x.shape
        shape = (batch, config.envelope, length)
        envelope = conditions.envelope
        if envelope is None:
            envelope = x.new_zeros(shape)
        elif tuple(envelope.shape) != shape:
            raise ValueError(f"envelope must be {list(shape)}, got {list(envelope.shape)}")
        envelope = envelope.to(x.dtype).nan_to_num()
        if not config.boxes:
            return envelope
        if conditions.boxes is None:
            boxes = x.new_zeros((batch, BOX_VALUES, length))
        else:
            boxes = at_latents(conditions.boxes, config.tokens, length).to(x.dtype)
        return torch.cat((envelope, boxes), dim=1)


def at_latents(boxes: Tensor, config: TokenConfig, length: int) -> Tensor:
    """Boxes [B, F, 4] in pixels, NaN where there is none, at `length` latents' times [B, 5, length]."""
    known = ~boxes.isnan().any(dim=-1, keepdim=True)
    scaled = (boxes.nan_to_num() - config.least) / (config.most - config.least) * 2 - 1
    values = torch.cat((known.to(scaled.dtype), scaled * known), dim=-1).transpose(1, 2)
    return functional.interpolate(values.float(), length, mode="linear")


def from_published(published: Mapping[str, Any] | None = None) -> StereoSyncConfig:
    """The full-size configuration around the transformer of these constructor arguments (None: that of
    stable-audio-open-1.0)."""
    return replace(CONFIGS["full"], audio=stable_audio.from_published(published))


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A whole new network for the weights of `stable-audio-open-1.0`: the transformer, its number
    conditioners, a copy of its first blocks in the branch, and conditions drawn from seed 0."""
    config = CONFIGS["full"]
    with torch.device("meta"):
        names = StereoSync(config).state_dict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        tokens = ConditionTokens(config.tokens).state_dict()
    network = stable_audio.rename(state)
    result = {f"network.{key}": value for key, value in network.items()}
    result |= {f"seconds.{key}": value for key, value in seconds_rename(state).items()}
    result |= {f"tokens.{key}": value for key, value in tokens.items()}
    for key, value in names.items():
        if key.startswith("control."):
            own = network.get(key.removeprefix("control."))
            result[key] = torch.zeros(value.shape) if own is None else own
    result["latent_mean"] = torch.zeros(names["latent_mean"].shape)
    result["latent_std"] = torch.ones(names["latent_std"].shape)
    return result


FORMAT = ModelFormat(
    kind="stereosync",
    config=StereoSyncConfig,
    build=StereoSync,
    from_published=from_published,
    rename=rename,
    wrappers=("state_dict",),
    folders=("transformer", "projection_model"),
)
