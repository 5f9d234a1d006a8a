"""The frozen network that a distillation learns from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

import torch

from savg.data.joint_codec import JointCodec
from savg.device import preferred
from savg.diffusion import Diffusion
from savg.errors import CheckpointError, SavgError, brief
from savg.fields import from_json
from savg.hub import CONFIG_FILE, Card, component_card, load_component, read_config, resolve
from savg.models.joint_unet import CoupledUNet
from savg.pipelines.description import descriptions, learnt_steps
from savg.pipelines.sampling import diffusion_of
from savg.train.audio_data import RANDOM
from savg.train.clip_diffusion import ClipDiffusion
from savg.train.recipe import differences


@dataclass(frozen=True)
class Teacher:
    """A network and how it was trained.

    steps: for which it was distilled itself, None for another network; mirrored: whether its video is
    reversed left to right.
    """

    network: torch.nn.Module
    diffusion: Diffusion
    steps: int | None = None
    mirrored: bool = False

    @property
    def is_student(self) -> bool:
        """Whether it was distilled itself."""
        return self.steps is not None

    @classmethod
    def load(cls, source: str, recipe: ClipDiffusion) -> Self:
        """The teacher that `source` names, float32. SavgError where there is none that fits a recipe.

        source: a folder, or a Hub repo id, of a component or of a pipeline with one; "demo"; "random".
        """
        if source == RANDOM:
            return cls(_random(recipe), recipe.diffusion)
        network, card = load_component(_folder(source, recipe.kind), recipe.kind)
        assert isinstance(network, CoupledUNet)
        its, own = (asdict(replace(one, dropout=0.0)) for one in (network.config, recipe.model))
        changed = differences(its, own)
        if changed:
            raise CheckpointError(
                f"{source} must be of the configuration's network, which differs in "
                f"{'; '.join(changed[:4])}."
            )
        diffusion = diffusion_of(card.facts)
        _check(source, "diffusion_steps", recipe.diffusion_steps, len(diffusion.schedule))
        codec = card.facts.get("codec")
        if codec is not None:
            where = f"{source}: codec of the teacher"
            _check(
                source, "codec", recipe.codec, from_json(JointCodec, codec, where, CheckpointError)
            )
        facts = card.facts
        steps = learnt_steps(facts, f"{source}: card of the teacher")
        return cls(network, diffusion, steps, facts.get("mirrored") is True)

    def placed(self) -> Self:
        """The same on the device and in the number format of the run around this call."""
        return replace(self, network=preferred().place(self.network).requires_grad_(False))


def teacher_card(source: str, kind: str) -> Card:
    """The card of the teacher that `source` names. SavgError where there is none of the kind."""
    if source == RANDOM:
        return Card("MIT", RANDOM)
    return component_card(_folder(source, kind), kind)


def _folder(source: str, kind: str) -> Path:
    """The folder of the teacher: itself a component, or a part of a folder of pipelines."""
    if not source:
        raise SavgError(
            f"teacher must be the folder of trained weights of the kind {kind}: --set teacher=DIR."
        )
    folder = resolve(source)
    parts = [part for one in descriptions(folder) for part in one.components.values()]
    return next((part for part in parts if _kind(part) == kind), folder)


def _kind(folder: Path) -> object:
    file = folder / CONFIG_FILE
    return read_config(file).get("kind") if file.is_file() else None


def _check(source: str, name: str, expected: object, got: object) -> None:
    if got != expected:
        raise CheckpointError(
            f"{source}: {name} of the teacher must be the configuration's, "
            f"{brief(expected)}, got {brief(got)}."
        )


def _random(recipe: ClipDiffusion) -> torch.nn.Module:
    """A network of random weights, the last layers too, which start at zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = recipe.build()
        for parameter in network.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.02)
    return network
