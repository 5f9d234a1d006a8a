"""CLIP features of images through open_clip, an optional extra whose weights are fetched by the user.

One feature an image: pooled, projected and of length one, as MMAudio takes them. The image is
squeezed to a square, not cropped. Facts: golden/README_mmaudio_yolox.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from savg.errors import SavgError, clause
from savg.extras import import_extra

MODEL = "hf-hub:apple/DFN5B-CLIP-ViT-H-14-384"
"""What MMAudio uses, by open_clip's name."""

SIDE = 384
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def prepare(frames: NDArray[np.uint8], side: int = SIDE) -> Tensor:
    """Images uint8 [F, H, W, 3] as the network takes them, float32 [F, 3, side, side]."""
    x = torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, 1).float() / 255
    x = functional.interpolate(x, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return (x - mean) / std


class OpenClipImages:
    """`images(frames [F, H, W, 3]) -> features [F, 1024]`, float32, each of length one."""

    def __init__(self, network: Any, device: torch.device, side: int = SIDE) -> None:
        self.network = network
        self.device = device
        self.side = side

    @classmethod
    def from_pretrained(
        cls, name: str = MODEL, device: torch.device | str = "cpu", side: int = SIDE
    ) -> OpenClipImages:
        """The network that open_clip knows by `name`, from its cache or the Hub.

        SavgError where open_clip or the weights are missing.
        """
        open_clip = require_open_clip()
        try:
            network = open_clip.create_model(name, require_pretrained=True)
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            raise SavgError(
                f"{name}: open_clip could not load these weights: {clause(error)}."
            ) from error
        return cls(network.to(device).eval(), torch.device(device), side)

    @torch.inference_mode()
    def __call__(self, frames: NDArray[np.uint8], at_once: int = 16) -> Tensor:
        parts = [
            functional.normalize(
                self.network.encode_image(prepare(batch, self.side).to(self.device)).float(), dim=-1
            )
            for batch in (frames[i : i + at_once] for i in range(0, len(frames), at_once))
        ]
        return torch.cat(parts)


def require_open_clip() -> Any:
    """The module open_clip; SavgError where it is not installed."""
    return import_extra("open_clip", "A network with CLIP's features")
