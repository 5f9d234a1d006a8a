"""The networks of a StereoSync pipeline, read from its folder and written to one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn

from savg.device import Compute
from savg.errors import brief
from savg.features.depth import DepthAnything, DepthEstimator, SceneDepth
from savg.hub import REPO, Card, component_folder, load_component, save_component
from savg.models.depth_net import DepthNet
from savg.models.mel_vae import MelVae
from savg.models.oobleck import Oobleck
from savg.models.seld import Seld
from savg.models.stereosync import StereoSync
from savg.pipelines.description import Description, DescriptionError
from savg.pipelines.sound_embedding import ClapSound, Sound, SoundEmbedding
from savg.pipelines.vocoders import VOCODERS, Vocoder

Vae: TypeAlias = MelVae | Oobleck

ROLES = ("network", "vae")
OPTIONAL = ("vocoder", "sounds", "depth")


@dataclass(frozen=True)
class Parts:
    """Networks where they compute, and their cards by role; vocoder: None beside Oobleck; depth: what
    sees depth in a video, None for nothing."""

    network: StereoSync
    vae: Vae
    vocoder: Vocoder | None
    sound: Sound | None
    depth: DepthEstimator | None
    cards: dict[str, Card]


def read_parts(description: Description, compute: Compute) -> Parts:
    """The networks of a folder; CheckpointError for components that are missing or of other kinds."""
    folder, values = description.folder, description.values
    parts: dict[str, nn.Module] = {}
    cards: dict[str, Card] = {}
    for role in (*ROLES, *(role for role in OPTIONAL if values.get(role) is not None)):
        parts[role], cards[role] = load_component(component_folder(folder, values, role))
    network, vae, vocoder, sounds, depth = (parts.get(role) for role in (*ROLES, *OPTIONAL))
    if not (
        isinstance(network, StereoSync)
        and isinstance(vae, Vae)
        and isinstance(vocoder, Vocoder | None)
        and isinstance(sounds, Seld | None)
        and isinstance(depth, DepthNet | None)
    ):
        kinds = ", ".join(type(part).__name__ for part in parts.values())
        raise DescriptionError(
            "network: expected StereoSync, a mel VAE with a vocoder or Oobleck, a SELD network and one "
            f"of depth, found {kinds}."
        )
    precise = Compute(compute.device, torch.float32, compute.channels_last, compute.reason)
    sound: Sound | None = None if sounds is None else SoundEmbedding(precise.place(sounds))
    if values.get("clap") is not None:
        source = values["clap"]
        if sounds is not None or not isinstance(source, str) or not REPO.fullmatch(source):
            raise DescriptionError(
                "clap: it must be USER/NAME of CLAP's weights on the Hub, without sounds, got "
                f"{brief(source)}."
            )
        sound = ClapSound(source, network.config.tokens.audio_width, str(compute.device))
    seen: DepthEstimator | None = None
    if isinstance(depth, DepthNet):
        seen = SceneDepth(precise.place(depth), cards["depth"].sha256)
    return Parts(
        compute.place(network),
        precise.place(vae),
        None if vocoder is None else precise.place(vocoder),
        sound,
        seen or _depth_anything(values, compute),
        cards,
    )


def _depth_anything(values: Mapping[str, Any], compute: Compute) -> DepthEstimator | None:
    """The network that a description names in place of a component of its own."""
    source = values.get("depth_anything")
    if source is None:
        return None
    if values.get("depth") is not None or not isinstance(source, str) or not REPO.fullmatch(source):
        raise DescriptionError(
            "depth_anything: it must be USER/NAME of Depth Anything's weights on the Hub, without "
            f"depth, got {brief(source)}."
        )
    return DepthAnything(source, device=str(compute.device))


def write_parts(
    folder: str | os.PathLike[str],
    network: StereoSync,
    vae: Vae,
    vocoder: Vocoder | None,
    sound: Sound | None,
    depth: DepthEstimator | None,
    cards: Mapping[str, Card],
) -> None:
    """Write the networks as the components of a folder."""
    kind = "oobleck" if isinstance(vae, Oobleck) else "mel_vae"
    networks: dict[str, tuple[str, nn.Module]] = {
        "network": ("stereosync", network), "vae": (kind, vae)
    }  # fmt: skip
    if vocoder is not None:
        networks["vocoder"] = (VOCODERS[type(vocoder)], vocoder)
    if isinstance(sound, SoundEmbedding):
        networks["sounds"] = ("seld", sound.network)
    if isinstance(depth, SceneDepth):
        networks["depth"] = ("depth", depth.network)
    for role, (name, model) in networks.items():
        save_component(model, Path(folder) / role, name, cards[role])


def described(
    vocoder: Vocoder | None, sound: Sound | None, depth: DepthEstimator | None
) -> dict[str, Any]:
    """The roles of a description that are these networks'."""
    roles = [*ROLES, *(["vocoder"] if vocoder is not None else [])]
    values: dict[str, Any] = {role: role for role in roles}
    if isinstance(sound, SoundEmbedding):
        values["sounds"] = "sounds"
    if isinstance(sound, ClapSound):
        values["clap"] = sound.source
    if isinstance(depth, SceneDepth):
        values["depth"] = "depth"
    if isinstance(depth, DepthAnything):
        values["depth_anything"] = depth.source
    return values
