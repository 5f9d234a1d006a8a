"""The frozen network that a distillation learns from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch

from savg.data.joint_codec import JointCodec
from savg.device import preferred
from savg.diffusion import Diffusion
from savg.errors import CheckpointError, SavgError, brief
from savg.fields import from_json
from savg.hub import CONFIG_FILE, Card, component_card, load_component, read_config, resolve
from savg.models.joint_unet import CoupledUNet
from savg.pipelines.description import descriptions
from savg.pipelines.sampling import diffusion_of
from savg.train.audio_data import RANDOM
from savg.train.recipe import differences

if TYPE_CHECKING:
    from savg.train.distill import Distillation


@dataclass(frozen=True)
class Teacher:
    """A network and how it was trained.

    is_student: whether it was distilled itself; mirrored: whether its video is reversed left to right.
    """

    network: torch.nn.Module
    diffusion: Diffusion
    is_student: bool = False
    mirrored: bool = False

    @classmethod
    def load(cls, recipe: Distillation) -> Self:
        """The teacher of a recipe, float32. SavgError where there is none that fits it."""
        if recipe.teacher == RANDOM:
            return cls(_random(recipe), recipe.diffusion)
        network, card = load_component(_folder(recipe), recipe.kind)
        assert isinstance(network, CoupledUNet)
        its, own = (asdict(replace(one, dropout=0.0)) for one in (network.config, recipe.model))
        changed = differences(its, own)
        if changed:
            raise CheckpointError(
                f"{recipe.teacher} must be of the configuration's network, which differs in "
                f"{'; '.join(changed[:4])}."
            )
        diffusion = diffusion_of(card.facts)
        _check(recipe, "diffusion_steps", recipe.diffusion_steps, len(diffusion.schedule))
        codec = card.facts.get("codec")
        if codec is not None:
            where = f"{recipe.teacher}: codec of the teacher"
            _check(
                recipe, "codec", recipe.codec, from_json(JointCodec, codec, where, CheckpointError)
            )
        facts = card.facts
        return cls(network, diffusion, "sampler" in facts, facts.get("mirrored") is True)

    def placed(self) -> Self:
        """The same on the device and in the number format of the run around this call."""
        return replace(self, network=preferred().place(self.network).requires_grad_(False))


def teacher_card(recipe: Distillation) -> Card:
    """The card of a recipe's teacher. SavgError where there is none."""
    if recipe.teacher == RANDOM:
        return Card("MIT", RANDOM)
    return component_card(_folder(recipe), recipe.kind)


def _folder(recipe: Distillation) -> Path:
    """The folder of the teacher: itself a component, or a part of a folder of pipelines."""
    if not recipe.teacher:
        raise SavgError(
            f"teacher must be the folder of trained weights of the kind {recipe.kind}: "
            "--set teacher=DIR."
        )
    folder = resolve(recipe.teacher)
    parts = [part for one in descriptions(folder) for part in one.components.values()]
    return next((part for part in parts if _kind(part) == recipe.kind), folder)


def _kind(folder: Path) -> object:
    file = folder / CONFIG_FILE
    return read_config(file).get("kind") if file.is_file() else None


def _check(recipe: Distillation, name: str, expected: object, got: object) -> None:
    if got != expected:
        raise CheckpointError(
            f"{recipe.teacher}: {name} of the teacher must be the configuration's, "
            f"{brief(expected)}, got {brief(got)}."
        )


def _random(recipe: Distillation) -> torch.nn.Module:
    """A network of random weights, the last layers too, which start at zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = recipe.build()
        for parameter in network.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.02)
    return network
