"""Make oobleck.npz: what diffusers' AutoencoderOobleck gives with weights regenerated from names.

    pip install "diffusers==0.42.*"
    python tests/golden/make_oobleck.py tests/golden/oobleck.npz

`state_dict` bears diffusers' names. Outputs are of float32; the errors are those against float64.
"""

import sys

import torch
from diffusers import AutoencoderOobleck
from of_diffusers import inputs_of, write_case

CASE = "oobleck"
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
    reference = "diffusers AutoencoderOobleck"
    network = AutoencoderOobleck(**CONSTRUCTOR)
    write_case(target, CASE, reference, network, outputs, INPUTS, constructor=CONSTRUCTOR)


def outputs(model: AutoencoderOobleck, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Means and deviations of latents, and audio of others, in a number format."""
    given = inputs_of(CASE, INPUTS, dtype)
    with torch.inference_mode():
        posterior = model.encode(given["audio"]).latent_dist
        return {
            "mean": posterior.mean,
            "std": posterior.std,
            "decoded": model.decode(given["latents"]).sample,
        }


if __name__ == "__main__":
    main(sys.argv[1])
