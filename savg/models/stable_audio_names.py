"""Names of the transformer's weights in files of Stable Audio and of diffusers.

A file of `stable-audio-open-1.0` holds the whole system, `model.model.*` of the transformer beside VAE
and conditioners; diffusers' folder `transformer` holds it alone, queries, keys and values apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

PREFIX = "model.model."

_DIFFUSERS = (
    (r"^transformer_blocks\.", "transformer.layers."),
    (r"\.attn1\.", ".self_attn."),
    (r"\.attn2\.", ".cross_attn."),
    (r"\.to_out\.0\.", ".to_out."),
    (r"\.norm1\.", ".pre_norm."),
    (r"\.norm2\.", ".cross_attend_norm."),
    (r"\.norm3\.", ".ff_norm."),
    (r"(norm)\.weight$", r"\1.gamma"),
    (r"(norm)\.bias$", r"\1.beta"),
    (r"\.ff\.net\.", ".ff.ff."),
    (r"^timestep_proj\.", "to_timestep_embed."),
    (r"^global_proj\.", "to_global_embed."),
    (r"^cross_attention_proj\.", "to_cond_embed."),
    (r"^proj_(in|out)\.", r"transformer.project_\1."),
    (r"^time_proj\.", "timestep_features."),
)
"""Patterns of diffusers' names, and what stands for them in those of Stable Audio."""


_CONDITIONERS = {
    "start_number_conditioner": "seconds_start",
    "end_number_conditioner": "seconds_total",
    "text_projection": "",
}
"""Parts of diffusers' `projection_model`, and the names here of the number conditioners among them."""


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The transformer's weights in a file of either kind, by our names.

    Offsets of the normalisations that a file leaves out are zeros. ValueError where keys or values
    of an attention are missing.
    """
    if any(key.startswith(PREFIX) for key in state):
        state = {k.removeprefix(PREFIX): v for k, v in state.items() if k.startswith(PREFIX)}
    state = {k: v for k, v in state.items() if k.partition(".")[0] not in _CONDITIONERS}
    if any(key.startswith("transformer_blocks.") for key in state):
        state = _from_diffusers(state)
    named = {k: v for k, v in state.items() if not k.endswith("rotary_pos_emb.inv_freq")}
    for key in [k for k in named if k.endswith(".gamma")]:
        named.setdefault(key.removesuffix("gamma") + "beta", torch.zeros_like(named[key]))
    return named


def _from_diffusers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    named = {}
    for key, value in state.items():
        for pattern, words in _DIFFUSERS:
            key = re.sub(pattern, words, key)
        named[key] = value[:, None] if key == "timestep_features.weight" else value
    for key in [k for k in named if k.endswith(("_attn.to_k.weight", "self_attn.to_q.weight"))]:
        stem = key.removesuffix("to_k.weight").removesuffix("to_q.weight")
        names = ("q", "k", "v") if stem.endswith("self_attn.") else ("k", "v")
        parts = [f"{stem}to_{name}.weight" for name in names]
        if key not in named:
            continue
        missing = [part for part in parts if part not in named]
        if missing:
            raise ValueError(f"{missing[0]} must be there beside {key}")
        named[f"{stem}to_{''.join(names)}.weight"] = torch.cat([named.pop(part) for part in parts])
    return named


def seconds_rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The number conditioners in a file of Stable Audio, or of diffusers' folder `projection_model`."""
    names = {key: name for key, name in _CONDITIONERS.items() if name}
    named = {}
    for key, value in state.items():
        key = key.removeprefix("conditioner.conditioners.")
        first, _, rest = key.partition(".")
        rest = rest.replace("time_positional_embedding.", "embedder.embedding.")
        first = names.get(first, first)
        if first in names.values():
            named[f"{first}.{rest}"] = value
    return named
