"""Make oobleck.npz: what diffusers' AutoencoderOobleck gives with weights regenerated from names.

    pip install "diffusers==0.42.*"
    python tests/golden/make_oobleck.py tests/golden/oobleck.npz

`state_dict` bears diffusers' names. Outputs are of float32; the errors are those against float64.
"""

import json
import platform
import sys

import diffusers
import golden
import numpy as np
import torch
from diffusers import AutoencoderOobleck

CONSTRUCTOR = {
    "encoder_hidden_size": 8,
    "downsampling_ratios": [2, 3],
    "channel_multiples": [1, 2],
    "decoder_channels": 8,
    "decoder_input_channels": 4,
    "audio_channels": 2,
    "sampling_rate": 8000,
}
INPUTS = {"audio": (1, 2, 60), "latents": (1, 4, 10)}


def main(target: str) -> None:
    """Write the case to a file."""
    model = AutoencoderOobleck(**CONSTRUCTOR).eval()
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    model.load_state_dict({k: torch.from_numpy(v) for k, v in golden.weights(shapes).items()})
    exact = outputs(model.double(), torch.float64)
    values = outputs(model.float(), torch.float32)
    described = {}
    for name, value in values.items():
        error = float((value.double() - exact[name]).abs().max())
        described[name] = {
            "shape": list(value.shape),
            "flat_stride": 1,
            "std": float(value.std()),
            "fp32_vs_fp64_max_abs_err": error,
            "suggested_atol": 20 * error,
            "suggested_rtol": 1e-4,
        }
    meta = {
        "case": "oobleck",
        "reference": "diffusers AutoencoderOobleck",
        "constructor": CONSTRUCTOR,
        "inputs": {
            name: {"golden": f"oobleck.{name}", "shape": list(shape)}
            for name, shape in INPUTS.items()
        },
        "state_dict": [[key, list(shape)] for key, shape in shapes.items()],
        "outputs": described,
        "made_with": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
        },
    }
    arrays = {f"out__{name}": value.numpy() for name, value in values.items()}
    np.savez_compressed(target, meta=json.dumps(meta), **arrays)


def outputs(model: AutoencoderOobleck, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Means and deviations of latents, and audio of others, in a number format."""
    audio, latents = (
        torch.from_numpy(golden.tensor(f"oobleck.{name}", shape)).to(dtype)
        for name, shape in INPUTS.items()
    )
    with torch.inference_mode():
        posterior = model.encode(audio).latent_dist
        return {
            "mean": posterior.mean,
            "std": posterior.std,
            "decoded": model.decode(latents).sample,
        }


if __name__ == "__main__":
    main(sys.argv[1])
