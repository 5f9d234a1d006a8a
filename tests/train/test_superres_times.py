"""Which times of the diffusion the super-resolution recipe trains at."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from savg.errors import SavgError
from savg.train.recipe import get_recipe, override
from savg.train.superres import SuperResRecipe


def times_of(recipe: SuperResRecipe) -> torch.Tensor:
    """The times at which one loss asks the network, for many samples."""
    seen: list[torch.Tensor] = []

    class Network(torch.nn.Module):
        def forward(self, x: torch.Tensor, t: torch.Tensor, small: torch.Tensor) -> torch.Tensor:
            seen.append(t)
            return x.repeat(1, 2, 1, 1)

    large, small = torch.zeros(4000, 3, 4, 4), torch.zeros(4000, 3, 1, 1)
    recipe.loss(Network(), (large, small), step=3, seed=5)
    return seen[0]


def test_shares_of_the_samples_at_the_least_and_at_the_most_noise() -> None:
    recipe = replace(get_recipe("superres", "demo"), late=0.25, noise_only=0.5)
    assert isinstance(recipe, SuperResRecipe)
    last = recipe.diffusion_steps - 1
    times = times_of(recipe)
    assert (times == last).float().mean() == pytest.approx(0.5, abs=0.03)
    assert (times < 20).float().mean() == pytest.approx(0.25 + 0.25 * 0.02, abs=0.03)
    usual = times_of(replace(recipe, late=0.0, noise_only=0.0))
    assert (usual == last).float().mean() < 0.01 and usual.float().mean() == pytest.approx(
        500, 0.05
    )
    assert (times_of(replace(recipe, late=0.0, noise_only=1.0)) == last).all()


@pytest.mark.parametrize("changes", [["late=0.6", "noise_only=0.5"], ["noise_only=-0.1"]])
def test_shares_that_are_none(changes: list[str]) -> None:
    with pytest.raises(SavgError, match="shares ≥ 0 of which the sum is ≤ 1"):
        override(get_recipe("superres", "demo"), changes)
