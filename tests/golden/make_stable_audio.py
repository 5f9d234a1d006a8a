"""Make stable_audio.npz: outputs of diffusers' StableAudioDiTModel with weights regenerated from names.

    pip install "diffusers==0.42.*"
    python tests/golden/make_stable_audio.py tests/golden/stable_audio.npz

`state_dict` bears diffusers' names. Outputs are of float32; the error is that against float64.
"""

import json
import platform
import sys

import diffusers
import golden
import numpy as np
import torch
from diffusers import StableAudioDiTModel
from diffusers.models.embeddings import get_1d_rotary_pos_embed

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
    model = StableAudioDiTModel(**CONSTRUCTOR).eval()
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    model.load_state_dict({k: torch.from_numpy(v) for k, v in golden.weights(shapes).items()})
    exact = output(model.double(), torch.float64)
    value = output(model.float(), torch.float32)
    error = float((value.double() - exact).abs().max())
    meta = {
        "case": "stable_audio",
        "reference": "diffusers StableAudioDiTModel, rotary positions as in its pipeline",
        "constructor": CONSTRUCTOR,
        "inputs": {
            name: {"golden": f"stable_audio.{name}", "shape": list(shape)}
            for name, shape in INPUTS.items()
        },
        "times": TIMES,
        "state_dict": [[key, list(shape)] for key, shape in shapes.items()],
        "outputs": {
            "prediction": {
                "shape": list(value.shape),
                "flat_stride": 1,
                "std": float(value.std()),
                "fp32_vs_fp64_max_abs_err": error,
                "suggested_atol": 20 * error,
                "suggested_rtol": 1e-4,
            }
        },
        "made_with": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
        },
    }
    np.savez_compressed(target, meta=json.dumps(meta), out__prediction=value.numpy())


def output(model: StableAudioDiTModel, dtype: torch.dtype) -> torch.Tensor:
    """The prediction in a number format."""
    given = {
        name: torch.from_numpy(golden.tensor(f"stable_audio.{name}", shape)).to(dtype)
        for name, shape in INPUTS.items()
    }
    tokens = INPUTS["latents"][2] + 1
    rotary = get_1d_rotary_pos_embed(HEAD // 2, tokens, use_real=True, repeat_interleave_real=False)
    with torch.inference_mode():
        return model(
            given["latents"],
            torch.tensor(TIMES, dtype=dtype),
            given["tokens"],
            given["overall"][:, None],
            rotary_embedding=rotary,
        ).sample


if __name__ == "__main__":
    main(sys.argv[1])
