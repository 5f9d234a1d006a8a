"""Depth of images: by the small network of the furnished scenes, or by Depth Anything.

Depths grow with the distance and are known up to a scale and an offset, which may differ from one
window of a video to the next; what uses them normalises them. Shapes: M maps, h×w pixels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from savg.device import choose
from savg.errors import CheckpointError, clause
from savg.extras import import_extra
from savg.features.base import BackboneError
from savg.hub import CONFIG_FILE, WEIGHTS_FILE, load_component, part_folder, resolve
from savg.models.depth_net import DepthNet
from savg.paths import file_sha256

__all__ = [
    "DEPTH_ANYTHING",
    "DepthAnything",
    "DepthEstimator",
    "SceneDepth",
]

DEPTH_ANYTHING = "depth-anything/Depth-Anything-V2-Small-hf"
"""The weights that are used unless others are named."""

FOLDER = "depth"
"""Name of a folder of the scenes' network in a folder of networks."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's images in 0..1."""

AT_ONCE = 8
"""Images that go through a network together."""

SIDE = 518
"""Pixels of the shorter side that Depth Anything sees, as it was trained."""


class DepthEstimator(ABC):
    """Images to depth."""

    @property
    @abstractmethod
    def sha256(self) -> str:
        """Of the weights."""

    @abstractmethod
    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Depths [M, h', w'] of RGB images [M, h, w, 3]."""


class SceneDepth(DepthEstimator):
    """The network of `savg.train depth`, which knows metres in a view of 100°."""

    def __init__(self, network: DepthNet, sha256: str = "") -> None:
        self.network, self._sha256 = network.eval(), sha256

    @property
    def sha256(self) -> str:
        return self._sha256

    @classmethod
    def load(cls, source: str | Path = "demo", device: str | None = None) -> Self:
        """The network of "demo" (the bundled one), a component's folder, a folder that holds one named
        depth, a pipeline's folder, or a Hub repo id; CheckpointError for another one."""
        folder = resolve(source)
        beside = folder / FOLDER
        folder = beside if beside.is_dir() else part_folder(folder, "depth")
        network, card = load_component(folder, "depth")
        assert isinstance(network, DepthNet)
        return cls(network.to(choose(device, "float32").device), card.sha256)

    @torch.inference_mode()
    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        device = next(self.network.parameters()).device
        parts = []
        for x in _batches(images):
            x = functional.interpolate(
                x.to(device), self.network.config.input_size, mode="bilinear", antialias=True
            )
            parts.append(self.network(x).exp().cpu())
        return torch.cat(parts).numpy()


class DepthAnything(DepthEstimator):
    """Depth Anything by the transformers library, loaded when first needed and never fetched.

    Networks of relative depth give nearness, which is turned over.

    Args:
        source: folder as transformers writes it, or a Hub id in the Hub's cache.
        device: of torch (None: as `savg.device.choose` says).
        side: pixels of the shorter side that it sees.
    """

    def __init__(
        self, source: str = DEPTH_ANYTHING, device: str | None = None, side: int = SIDE
    ) -> None:
        self.source, self.device, self.side = source, device, side

    @property
    def _place(self) -> Path | None:
        return Path(self.source) if Path(self.source).is_dir() else cached_folder(self.source)

    @property
    def missing(self) -> str:
        """A sentence that says that the weights are not here, "" where they are."""
        if self._place is not None:
            return ""
        return (
            f"Depth Anything's weights {self.source} are not in the Hub's cache on this machine: run "
            f"`hf download {self.source}` once."
        )

    @cached_property
    def folder(self) -> Path:
        """Of the weights; BackboneError where they are not here."""
        folder = self._place
        if folder is None:
            raise BackboneError(self.missing)
        return folder

    @property
    def sha256(self) -> str:
        return file_sha256(self.folder / WEIGHTS_FILE)

    @cached_property
    def network(self) -> Any:
        """The network; BackboneError where it is not here, CheckpointError for another one."""
        transformers = import_extra("transformers", "Depth Anything")
        try:
            network = transformers.DepthAnythingForDepthEstimation.from_pretrained(
                self.folder, local_files_only=True
            )
        except BackboneError:
            raise
        except Exception as error:  # the library raises whatever its parts raise
            raise CheckpointError(
                f"{self.folder} does not hold Depth Anything as transformers writes it: "
                f"{clause(error)}."
            ) from error
        return network.float().eval().to(choose(self.device, "float32").device)

    @torch.inference_mode()
    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        device = next(self.network.parameters()).device
        height, width = images.shape[1:3]
        scale, patch = self.side / min(height, width), int(self.network.config.patch_size)
        size = [max(1, round(n * scale / patch)) * patch for n in (height, width)]
        mean, deviation = (torch.tensor(v)[:, None, None] for v in (MEAN, DEVIATION))
        parts = []
        for x in _batches(images):
            x = functional.interpolate(x, size, mode="bicubic", antialias=True).clamp(0, 1)
            output = self.network(pixel_values=((x - mean) / deviation).to(device))
            parts.append(output.predicted_depth.float().cpu())
        depth = torch.cat(parts)
        nearness = self.network.config.depth_estimation_type == "relative"
        return (-depth if nearness else depth).numpy()


def cached_folder(repo: str) -> Path | None:
    """The folder of a Hub id's weights in the Hub's cache; None where they are not there."""
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError

    try:
        found = [
            huggingface_hub.try_to_load_from_cache(repo, name)
            for name in (CONFIG_FILE, WEIGHTS_FILE)
        ]
    except HFValidationError:
        return None
    return Path(found[0]).parent if all(isinstance(one, str) for one in found) else None  # type: ignore[arg-type]


def _batches(images: NDArray[np.uint8]) -> list[torch.Tensor]:
    """Images in 0..1, float32 [N, 3, h, w] each."""
    x = torch.from_numpy(np.ascontiguousarray(images)).movedim(-1, 1)
    return [part.float() / 255 for part in x.split(AT_ONCE)]
