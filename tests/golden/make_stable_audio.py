"""Make stable_audio.npz: outputs of diffusers' StableAudioDiTModel with weights regenerated from names.

    pip install "diffusers==0.42.*"
    python tests/golden/make_stable_audio.py tests/golden/stable_audio.npz

`state_dict` bears diffusers' names. Outputs are of float32; the error is that against float64.
"""

import sys

import torch
from diffusers import StableAudioDiTModel
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from of_diffusers import inputs_of, write_case

CASE = "stable_audio"
HEAD = 16
CONSTRUCTOR = {
    "sample_size": 16,
    "in_channels": 6,
    "num_layers": 3,
    "attention_head_dim": HEAD,
    "num_attention_heads": 4,
    "num_key_value_attention_heads": 2,
    "out_channels": 6,
    "cross_attention_dim": 32,
    "time_proj_dim": 12,
    "global_states_input_dim": 64,
    "cross_attention_input_dim": 32,
}
INPUTS = {"latents": (2, 6, 13), "tokens": (2, 5, 32), "overall": (2, 64)}
TIMES = (0.3, 0.9)


def main(target: str) -> None:
    """Write the case to a file."""
    reference = "diffusers StableAudioDiTModel, rotary positions as in its pipeline"
    facts = {"constructor": CONSTRUCTOR, "times": TIMES}
    write_case(target, CASE, reference, StableAudioDiTModel(**CONSTRUCTOR), output, INPUTS, **facts)


def output(model: StableAudioDiTModel, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The prediction in a number format."""
    given = inputs_of(CASE, INPUTS, dtype)
    tokens = INPUTS["latents"][2] + 1
    rotary = get_1d_rotary_pos_embed(HEAD // 2, tokens, use_real=True, repeat_interleave_real=False)
    with torch.inference_mode():
        prediction = model(
            given["latents"],
            torch.tensor(TIMES, dtype=dtype),
            given["tokens"],
            given["overall"][:, None],
            rotary_embedding=rotary,
        ).sample
    return {"prediction": prediction}


if __name__ == "__main__":
    main(sys.argv[1])
