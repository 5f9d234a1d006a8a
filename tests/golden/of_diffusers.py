"""Cases of diffusers' networks: weights and inputs regenerated from names, outputs kept."""

import json
import platform
from collections.abc import Callable, Mapping
from typing import Any

import diffusers
import golden
import numpy as np
import torch

Outputs = Callable[[torch.nn.Module, torch.dtype], dict[str, torch.Tensor]]
"""What a network gives in a number format, by name."""


def write_case(
    target: str,
    case: str,
    reference: str,
    network: torch.nn.Module,
    outputs: Outputs,
    inputs: Mapping[str, tuple[int, ...]],
    **facts: Any,
) -> None:
    """Write a case to a file, with outputs in float32 and their errors against float64.

    inputs: shapes by name; facts: more that the case tells.
    """
    network.eval()
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    network.load_state_dict({k: torch.from_numpy(v) for k, v in golden.weights(shapes).items()})
    exact = outputs(network.double(), torch.float64)
    values = outputs(network.float(), torch.float32)
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
        "case": case,
        "reference": reference,
        **facts,
        "inputs": {
            name: {"golden": f"{case}.{name}", "shape": list(shape)}
            for name, shape in inputs.items()
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


def inputs_of(
    case: str, inputs: Mapping[str, tuple[int, ...]], dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """The inputs of a case by name, in a number format."""
    return {
        name: torch.from_numpy(golden.tensor(f"{case}.{name}", shape)).to(dtype)
        for name, shape in inputs.items()
    }
