"""Weights that a run starts from: a component's, or part of those of a larger network."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from savg.errors import CheckpointError
from savg.hub import load_component, model_format, resolve
from savg.train.recipe import Recipe


def start_from(model: torch.nn.Module, recipe: Recipe, source: str) -> None:
    """Load the weights of `source`, a component folder or a Hub repo id, into a recipe's new network.

    The keys of a component of another kind are mapped by `rename` of the recipe's kind, for instance
    to the video half of a joint network. A branch for directions that the source does not have stays as
    it is built, so that the network computes what the source computes. CheckpointError for weights that
    do not fit.
    """
    component = load_component(resolve(source))[0]
    spec = model_format(recipe.kind)
    state: Mapping[str, torch.Tensor] = component.state_dict()
    if not isinstance(component, type(spec.build(recipe.model))):  # type: ignore[attr-defined]
        state = spec.rename(state)
    own_keys = {key for key in model.state_dict() if key.startswith(recipe.network)}
    state = {recipe.network + key: value for key, value in state.items()}
    try:
        branch = {key for key in own_keys if key.startswith(f"{recipe.network}direction.")}
        if state.keys() not in (own_keys, own_keys - branch):
            first = sorted(state.keys() ^ own_keys)[0]
            raise CheckpointError(f"{source} does not fit the recipe's network: see {first}.")
        model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        first = " ".join(str(error).split("\n\t")[1:2])
        raise CheckpointError(
            f"{source} does not fit the recipe's network: {first.removesuffix('.')}."
        ) from error
