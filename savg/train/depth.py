"""Recipe of the small depth network: furnished scenes, whose depth is known at every pixel.

The loss is the mean difference of the logarithms of depth, and that of their steps from pixel to pixel,
which is where things end (after arXiv 1803.08673). Half of the images are mirrored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from savg.data.scenes.world import FURNISHED, SPLIT
from savg.errors import SavgError
from savg.format import ClipFormat
from savg.hub import Card
from savg.models.depth_net import CONFIGS as NETWORKS
from savg.models.depth_net import DepthConfig, DepthNet
from savg.train.augment import Degradation
from savg.train.feature_maps import Row, feature_maps
from savg.train.optim import Draw, Optimisation
from savg.train.recipe import Batch, Recipe, Scalars
from savg.train.sheets import write_sheet
from savg.train.sources import Synthetic, card_of

SECONDS_APART = 2
"""Between the frames of a scene: neighbouring ones teach little."""

Maps = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class DepthData:
    """Images uint8 [N, h, w, 3] and depths in metres [N, h / 2, w / 2], for training and validation."""

    train: Maps
    valid: Maps

    def __len__(self) -> int:
        return len(self.train["images"])


@dataclass(frozen=True)
class DepthRecipe(Recipe):
    """frames: of each scene; edges: weight of the steps' differences; degradation: makes images look
    generated; tint: largest relative change of each channel; samples: frames that are scored."""

    model: DepthConfig
    synthetic: Synthetic
    valid: Synthetic
    degradation: Degradation = field(default_factory=Degradation)
    tint: float = 0.2
    frames: int = 2
    edges: float = 0.5
    samples: int = 16
    kind: ClassVar[str] = "depth"
    free: ClassVar[frozenset[str]] = Recipe.free | {"valid"}

    def build(self) -> nn.Module:
        return DepthNet(self.model)

    def open(self, data: str, run: Path) -> DepthData:
        if data != "synthetic":
            raise SavgError(
                f"{data}: depth is learned from furnished scenes, which know it: --data synthetic."
            )
        return DepthData(
            self._drawn(run, "train", self.synthetic), self._drawn(run, "valid", self.valid)
        )

    def _drawn(self, run: Path, name: str, scenes: Synthetic) -> Maps:
        """The images and depths of scenes, drawn once."""
        wrong = [world for world in scenes.worlds if world not in FURNISHED]
        if wrong:
            raise SavgError(f"world must be a furnished one, which knows depth, got {wrong[0]!r}.")
        origin = {
            "scenes": [scenes.worlds, scenes.clips, scenes.split, scenes.first, scenes.held_out],
            "frames": self.frames,
            "size": self.model.input_size,
        }
        count = self.frames * sum(scenes.clips)
        folder = run / "data" / f"depth-{name}"
        return feature_maps(folder, origin, count, lambda: self.rows(scenes), name)

    def rows(self, scenes: Synthetic) -> Iterator[Row]:
        """The frames of scenes one by one, as of `DepthData`: only the picture's rows are kept."""
        from savg.data.scenes import draw_scene, split_seed
        from savg.data.scenes.furnished.painter import render_video

        height, width = self.model.input_size
        format = ClipFormat(self.frames * SECONDS_APART, 1).with_size(width)
        times = (np.arange(self.frames) + 0.5) * SECONDS_APART
        for name, clips in zip(scenes.worlds, scenes.clips, strict=True):
            for index in range(clips):
                seed = split_seed(scenes.split, scenes.first + index)
                scene = draw_scene(seed, scenes.world(name), format.seconds)
                voices = np.zeros((len(scene.people), len(times)))
                images, _, depths = render_video(scene, format, times, voices, depth=True)
                assert depths is not None
                for image, depth in zip(images, depths, strict=True):
                    rows = slice(format.top, format.bottom)
                    yield {
                        "images": _resized(image[rows], (width, height)),
                        "depths": _resized(depth[rows], (width // 2, height // 2)),
                    }

    def batch(self, data: DepthData, draws: list[Draw]) -> Batch:
        images, depths = [], []
        for draw in draws:
            image, depth = (np.array(data.train[key][draw.index]) for key in ("images", "depths"))
            tint = 1 + draw.rng.uniform(-self.tint, self.tint, 3)
            image = self.degradation.apply((image * tint).clip(0, 255).astype(np.uint8), draw.rng)
            if draw.rng.random() < 0.5:
                image, depth = image[:, ::-1], depth[:, ::-1]
            images.append(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))))
            depths.append(torch.from_numpy(np.ascontiguousarray(depth)))
        return torch.stack(images), torch.stack(depths)

    def loss(self, model: nn.Module, batch: Batch, step: int, seed: int) -> tuple[Tensor, Scalars]:
        images, depths = batch
        difference = model(images.float() / 255).float() - depths.log()
        plain = difference.abs().mean()
        steps = difference.diff(dim=1).abs().mean() + difference.diff(dim=2).abs().mean()
        return plain + self.edges * steps, {"log_error": plain}

    @torch.inference_mode()
    def evaluate(self, model: nn.Module, data: DepthData, sheet: Path) -> dict[str, float]:
        """Write images, true depths and predicted ones side by side; the mean relative error, and the
        share of pixels that are off by less than a quarter (the field's δ < 1.25)."""
        device = next(model.parameters()).device
        count = min(self.samples, len(data.valid["images"]))
        images = np.array(data.valid["images"][:count])
        true = torch.from_numpy(np.array(data.valid["depths"][:count]))
        x = torch.from_numpy(images).movedim(-1, 1).float() / 255
        found = model(x.to(device)).float().exp().cpu()
        write_sheet(
            sheet,
            [
                [image, *(_painted(one, image.shape, float(t.max())) for one in (t, f))]
                for image, t, f in zip(images[:8], true.numpy(), found.numpy(), strict=False)
            ],
        )
        ratio = torch.maximum(found / true, true / found)
        return {
            "relative_error": float(((found - true).abs() / true).mean()),
            "within_a_quarter": float((ratio < 1.25).float().mean()),
        }

    def card(self, data: str) -> Card:
        return card_of(data, {"metres": True})


def _resized(values: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """An image or a map at another width and height."""
    if values.shape[1::-1] == size:
        return np.ascontiguousarray(values)
    return cv2.resize(values, size, interpolation=cv2.INTER_AREA)


def _painted(depth: NDArray[np.float32], shape: tuple[int, ...], farthest: float) -> Any:
    """A map as a grey image [h, w, 3] uint8, near things bright."""
    grey = (255 * (1 - (depth / farthest).clip(0, 1))).astype(np.uint8)
    return cv2.cvtColor(cv2.resize(grey, shape[1::-1]), cv2.COLOR_GRAY2RGB)


CONFIGS = {
    "full": DepthRecipe(
        optim=Optimisation(
            steps=40_000, batch=32, lr=1e-3, warmup=500, weight_decay=0.01, ema_decay=0.999
        ),
        model=NETWORKS["full"],
        synthetic=Synthetic(worlds=SPLIT, clips=(10_000, 5_000, 5_000)),
        valid=Synthetic(worlds=("furnished",), clips=(64,), split="valid", held_out=True),
    ),
    "demo": DepthRecipe(
        optim=Optimisation(
            steps=3000, batch=16, lr=2e-3, warmup=100, cooldown=1000, final_lr=0.02,
            weight_decay=0.01, ema_decay=0.998, log_every=25, save_every=250, sample_every=1000,
        ),
        model=NETWORKS["demo"],
        synthetic=Synthetic(worlds=SPLIT, clips=(800, 400, 400)),
        valid=Synthetic(worlds=("furnished",), clips=(24,), split="valid", held_out=True),
    ),
    "tiny": DepthRecipe(
        optim=Optimisation(
            steps=4, batch=2, lr=1e-3, warmup=2, ema_decay=0.9, log_every=1, save_every=2,
            sample_every=4,
        ),
        model=NETWORKS["tiny"],
        synthetic=Synthetic(worlds=("furnished",), clips=(2,)),
        valid=Synthetic(worlds=("furnished",), clips=(1,), split="valid", held_out=True),
        samples=1,
    ),
}  # fmt: skip
