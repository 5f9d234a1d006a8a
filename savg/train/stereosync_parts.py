"""Frozen networks that compute the features of StereoSync's training clips, by the recipe."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from savg.device import choose
from savg.errors import CheckpointError, SavgError
from savg.features.depth import DEPTH_ANYTHING, DepthAnything, DepthEstimator, SceneDepth
from savg.hub import load_component, part_folder
from savg.models import depth_net, seld
from savg.models.depth_net import DepthNet
from savg.models.oobleck import Oobleck
from savg.models.seld import Seld
from savg.pipelines.depth_condition import DepthMaps, embedding_of
from savg.pipelines.sound_embedding import ClapSound, Sound, SoundEmbedding
from savg.pipelines.stereosync_codec import Codec, codec_of
from savg.train.audio_data import RANDOM, load_vae
from savg.train.stereosync_data import ClipDepth

CLAP = "clap"
"""As `semantic`: LAION-CLAP, of which "clap:USER/NAME" names other weights."""

DEPTH, FILES = "depth_anything", "files"
"""As `depth`: Depth Anything, of which "depth_anything:USER/NAME" names other weights, and files."""


def codec_from(source: str, channels: int, rate: int) -> tuple[Codec, str]:
    """What latents are of, and the SHA-256 of the VAE's file.

    Args:
        source: folder or Hub repo id of a mel VAE or Oobleck, or of a pipeline with one.
        channels: of a latent; rate: of the clips' audio, in Hz.

    Raises:
        CheckpointError: a VAE of other latents, or of another rate.
        SavgError: no VAE.
    """
    codec, name = None, ""
    if source not in ("", RANDOM):
        vae, card = load_component(part_folder(source, "vae"))
        if isinstance(vae, Oobleck):
            codec, name = codec_of(vae.requires_grad_(False), rate), card.sha256
    if codec is None:
        loaded, name = load_vae(source, channels // 2)
        codec = codec_of(loaded, rate)
    if (codec.channels, codec.rate) != (channels, rate):
        raise CheckpointError(
            f"{source}: the VAE must give latents of {channels} channels at {rate} Hz, got "
            f"{codec.channels} at {codec.rate} Hz."
        )
    return codec, name


def sound_from(source: str, width: int) -> tuple[Sound | None, str]:
    """What says what sounds, and the SHA-256 of its file.

    Args:
        source: folder or Hub repo id of a SELD network, "clap" or "clap:USER/NAME", or "" for nothing.
        width: values that an embedding must have.

    Raises:
        CheckpointError: an embedding of another width.
        BackboneError: CLAP is not here.
    """
    if not source:
        return None, ""
    if source.split(":")[0] == CLAP:
        clap = ClapSound(source.partition(":")[2] or None, width, str(choose().device))
        return clap, clap.network.sha256
    if source == RANDOM:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network, name = Seld(seld.CONFIGS["tiny"]).eval(), RANDOM
    else:
        loaded, card = load_component(part_folder(source, "sounds"), "seld")
        assert isinstance(loaded, Seld)
        network, name = loaded, card.sha256
    sound = SoundEmbedding(network)
    if sound.width != width:
        raise CheckpointError(
            f"{source}: the embedding must have {width} values, got {sound.width}."
        )
    return sound, name


def depth_from(
    source: str, embedding: str, width: int, maps: Sequence[DepthMaps] | None = None
) -> tuple[ClipDepth | None, str]:
    """What embeds the depth of clips, and what of depth is their origin.

    Args:
        source: folder or Hub repo id of a depth network, "depth_anything" or
            "depth_anything:USER/NAME", "files" for `maps`, or "" for nothing.
        embedding: "grid" or a network of open_clip's; width: values that it must have.

    Raises:
        BackboneError: Depth Anything is not here.
        CheckpointError, SavgError: another network, or files that are missing.
    """
    if not source:
        return None, ""
    device = str(choose().device)
    embed = embedding_of(embedding, width, device)
    if embed is None:
        raise SavgError("depth_embedding must be 'grid' or a network of open_clip's, got ''.")
    if maps is not None:
        return ClipDepth(maps, embed), FILES
    seen: DepthEstimator
    if source == RANDOM:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            seen = SceneDepth(DepthNet(depth_net.CONFIGS["tiny"]), RANDOM)
    elif source.split(":")[0] == DEPTH:
        seen = DepthAnything(source.partition(":")[2] or DEPTH_ANYTHING, device)
    else:
        seen = SceneDepth.load(source, device)
    return ClipDepth(seen, embed), seen.sha256
