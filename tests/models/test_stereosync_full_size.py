"""StereoSync at its published size, as shapes: both kinds of files fit, and a window is denoised."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from savg.diffusion.cosine import CosineDiffusion
from savg.models.oobleck import CONFIGS as OOBLECKS
from savg.models.oobleck import Oobleck
from savg.models.oobleck import rename as oobleck_rename
from savg.models.stereosync import CONFIGS, Conditions, StereoSync, rename

LATENTS = 44
"""Of a window of 2 s at 44.1 kHz."""


def meta(build: type[torch.nn.Module], config: object) -> torch.nn.Module:
    with torch.device("meta"):
        return build(config)


def shapes(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in state.items()}


def diffusers_names(network: dict[str, Tensor]) -> dict[str, Tensor]:
    """The transformer's weights as diffusers 0.42 names and splits them."""
    named = {}
    for key, value in network.items():
        for ours, theirs in (
            ("transformer.layers.", "transformer_blocks."), ("self_attn.to_out", "attn1.to_out.0"),
            ("cross_attn.to_out", "attn2.to_out.0"), ("self_attn.", "attn1."),
            ("cross_attn.", "attn2."), ("pre_norm.", "norm1."), ("cross_attend_norm.", "norm2."),
            ("ff_norm.", "norm3."), (".gamma", ".weight"), (".beta", ".bias"), (".ff.ff.", ".ff.net."),
            ("to_timestep_embed.", "timestep_proj."), ("to_global_embed.", "global_proj."),
            ("to_cond_embed.", "cross_attention_proj."), ("transformer.project_", "proj_"),
            ("timestep_features.", "time_proj."),
        ):  # fmt: skip
            key = key.replace(ours, theirs)
        parts = ["q", "k", "v"] if "to_qkv" in key else ["k", "v"] if "to_kv" in key else []
        for letter, part in zip(parts, value.chunk(max(1, len(parts))), strict=False):
            named[key.replace("to_qkv", f"to_{letter}").replace("to_kv", f"to_{letter}")] = part
        if not parts:
            named[key] = value[:, 0] if key == "time_proj.weight" else value
    return named


@pytest.mark.parametrize("layout", ["original", "diffusers"])
def test_a_published_file_fits_the_full_size(layout: str) -> None:
    model = meta(StereoSync, CONFIGS["full"])
    assert isinstance(model, StereoSync) and model.seconds is not None
    network, seconds = model.network.state_dict(), model.seconds.state_dict()
    if layout == "original":
        state = {f"model.model.{key}": value for key, value in network.items()}
        state |= {f"conditioner.conditioners.{key}": value for key, value in seconds.items()}
        vae = meta(Oobleck, OOBLECKS["full"]).state_dict()
        state |= {f"pretransform.model.{key}": value for key, value in vae.items()}
        assert shapes(oobleck_rename(state)) == shapes(vae)
    else:
        state = diffusers_names(network)
        assert state["transformer_blocks.23.attn2.to_k.weight"].shape == (768, 768)
        names = {"seconds_start": "start", "seconds_total": "end"}
        for key, value in seconds.items():
            first, _, rest = key.partition(".")
            rest = rest.replace("embedder.embedding.", "time_positional_embedding.")
            state[f"{names[first]}_number_conditioner.{rest}"] = value
    assert shapes(rename(state)) == shapes(model.state_dict())


def test_a_denoising_step_of_a_window_to_its_audio() -> None:
    config = CONFIGS["full"]
    with FakeTensorMode(), torch.inference_mode():
        model, vae = StereoSync(config), Oobleck(OOBLECKS["full"])
        tokens = config.tokens
        conditions = Conditions(
            torch.rand(1, tokens.frames, 4) * 256,
            torch.randn(1, tokens.maps, tokens.depth_width),
            torch.randn(1, tokens.audio_width),
            vae.encode(torch.randn(1, 2, LATENTS * 2048))[0],
            torch.tensor([[0.0, 2.0]]),
        )
        x, t = torch.randn(1, 64, LATENTS), torch.full((1,), 0.99)
        latents = CosineDiffusion().predicted_data(x, model(x, t, conditions), t)
        audio = vae.decode(latents)
    assert latents.shape == (1, 64, LATENTS) and audio.shape == (1, 2, LATENTS * 2048)
    assert LATENTS * 2048 >= 2 * 44_100
