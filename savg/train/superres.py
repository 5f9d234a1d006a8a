"""Recipe of super-resolution: large frames denoised given their small versions [S1, code]."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from savg.diffusion import Diffusion, Schedule
from savg.diffusion.ancestral import ddim
from savg.diffusion.host import times_on
from savg.diffusion.process import State
from savg.format import SAVGBENCH, ClipFormat
from savg.hub import Card, load_official
from savg.models.superres_unet import CONFIGS as NETWORKS
from savg.models.superres_unet import SuperResUNet, SuperResUNetConfig
from savg.pipelines.sampling import spaced
from savg.train.clip_set import ClipSet
from savg.train.optim import Draw, Optimisation
from savg.train.recipe import Batch, Recipe, Scalars
from savg.train.sheets import write_sheet
from savg.train.sources import ClipSpec, Synthetic, card_of, open_clips

FEW_FRAMES = ClipFormat(frames=5, fps=1)


@dataclass(frozen=True)
class FrameData:
    """Single frames of clips."""

    clips: ClipSet

    def __len__(self) -> int:
        return len(self.clips) * self.clips.small_format.frames


@dataclass(frozen=True)
class SuperResRecipe(Recipe):
    """scale: of the large frame to the small; rows: of the small frame, centred, as the joint
    codec's; crop: rows and columns of the small frame that one sample covers (0: all); degrade:
    largest blur (pixels of the small frame) and noise (of 2) of the small frame, so that generated
    frames work too; pretrained: a published checkpoint to start from, or "" for none; bound:
    learned variances are trained by the variational bound (else they stay in the middle of their
    range); late: share of samples drawn from the 2 % of times with the least noise, where a short
    DDIM ends; noise_only: share of samples at the last time, where sampling of a single step is done;
    prediction: "eps", "v" or "x0"; diffusion_steps: times of the diffusion; samples, sample_steps: of
    the sheets."""

    model: SuperResUNetConfig
    synthetic: Synthetic
    clips: ClipFormat = FEW_FRAMES
    scale: int = 4
    rows: int = 64
    crop: tuple[int, int] = (0, 0)
    degrade: tuple[float, float] = (0.0, 0.0)
    prediction: str = "eps"
    diffusion_steps: int = 1000
    pretrained: str = ""
    bound: bool = True
    late: float = 0.0
    noise_only: float = 0.0
    samples: int = 4
    sample_steps: int = 8
    kind: ClassVar[str] = "superres_unet"
    free: ClassVar[frozenset[str]] = Recipe.free | {
        "pretrained",
        "crop",
        "degrade",
        "bound",
        "late",
        "noise_only",
    }

    def __post_init__(self) -> None:
        if not (self.late >= 0 and self.noise_only >= 0 and self.late + self.noise_only <= 1):
            raise ValueError(
                "late and noise_only must be shares ≥ 0 of which the sum is ≤ 1, "
                f"got {self.late} and {self.noise_only}."
            )

    @cached_property
    def diffusion(self) -> Diffusion:
        """The process of training and sampling."""
        variance: Any = "learned_range" if self.model.learn_variance else "fixed_large"
        prediction: Any = self.prediction
        return Diffusion(Schedule.linear(self.diffusion_steps), prediction, variance)

    @cached_property
    def unbounded(self) -> Diffusion:
        """The process where variances are not trained."""
        return replace(self.diffusion, variance="fixed_large")

    def build(self) -> torch.nn.Module:
        if self.pretrained:
            model = load_official("superres_unet", self.pretrained)
            if model.config == self.model:
                return model
        return SuperResUNet(self.model)

    def open(self, data: str, run: Path) -> FrameData:
        format = self.clips if data == "synthetic" else SAVGBENCH
        spec = ClipSpec(format, format.size, audio=False)
        return FrameData(open_clips(data, run, spec, self.synthetic))

    def batch(self, data: FrameData, draws: list[Draw]) -> Batch:
        larges, smalls = [], []
        for draw in draws:
            rng = draw.rng
            large, small = self.pair(data, draw.index)
            if rng.random() < 0.5:
                large, small = large[:, ::-1], small[:, ::-1]
            condition = self.degraded(small.astype(np.float32) / 127.5 - 1, rng)
            large, condition = self.cropped(large, condition, rng)
            larges.append(torch.from_numpy(large.astype(np.float32) / 127.5 - 1))
            smalls.append(torch.from_numpy(np.ascontiguousarray(condition)))
        return torch.stack(larges).movedim(-1, 1), torch.stack(smalls).movedim(-1, 1)

    def pair(self, data: FrameData, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """A large frame [rows·scale, size, 3] and its small version [rows, size/scale, 3]."""
        import cv2

        format = data.clips.small_format
        clip, frame = divmod(index, format.frames)
        large = data.clips.video(clip, slice(frame, frame + 1))[0]
        side = format.size // self.scale
        small = cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA)
        first = (side - self.rows) // 2
        small = small[first : first + self.rows]
        return large[first * self.scale : (first + self.rows) * self.scale], np.asarray(small)

    def degraded(self, small: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """The small frame [h, w, 3] in −1..1 with a little blur and noise."""
        import cv2

        blur, noise = self.degrade
        sigma = rng.uniform(0, blur) if blur else 0.0
        if sigma > 0.2:
            blurred = cv2.GaussianBlur(np.ascontiguousarray(small), (0, 0), sigma)
            small = np.asarray(blurred, np.float32)
        if noise:
            small = small + rng.normal(0, rng.uniform(0, noise), small.shape).astype(np.float32)
        return small

    def cropped(
        self, large: NDArray[np.uint8], small: NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """The same random window of both, [h·scale, w·scale, 3] and [h, w, 3]."""
        cuts = []
        for side, length in zip(small.shape[:2], self.crop, strict=True):
            length = min(length or side, side)
            first = int(rng.integers(0, side - length, endpoint=True))
            cuts.append((first, first + length))
        (a, b), (c, d) = cuts
        s = self.scale
        return large[a * s : b * s, c * s : d * s], small[a:b, c:d]

    def loss(
        self, model: torch.nn.Module, batch: Batch, step: int, seed: int
    ) -> tuple[Tensor, Scalars]:
        large, small = batch
        generator = torch.Generator(large.device).manual_seed(seed)
        times = torch.randint(
            0, self.diffusion_steps, (len(large),), generator=generator, device=large.device
        )
        if self.late or self.noise_only:
            share = torch.rand(len(large), generator=generator, device=large.device)
            times = torch.where(share < self.late, times // 50, times)
            times = torch.where(share >= 1 - self.noise_only, self.diffusion_steps - 1, times)
        noise = torch.randn(large.shape, generator=generator, device=large.device)
        process, channels = self.diffusion, None
        if not self.bound:
            process, channels = self.unbounded, large.shape[1]
        total, (error,) = process.training_loss(
            lambda state, t: (model(state[0], t, small)[:, :channels],), (large,), times, (noise,)
        )
        return total.mean(), {"error": error.mean()}

    def evaluate(self, model: torch.nn.Module, data: FrameData, sheet: Path) -> dict[str, float]:
        chosen = np.linspace(0, len(data) - 1, self.samples).round().astype(int).tolist()
        pairs = [self.pair(data, index) for index in chosen]
        large, small = (
            torch.from_numpy(np.stack(part)).movedim(-1, 1).float() / 127.5 - 1
            for part in zip(*pairs, strict=True)
        )
        device = next(model.parameters()).device
        small, large = small.to(device), large.to(device)
        start = torch.randn(large.shape, generator=torch.Generator().manual_seed(1)).to(device)
        process = spaced(self.diffusion, self.sample_steps)

        def network(state: State, t: Tensor) -> State:
            return (model(state[0], times_on(device, t), small),)

        (upscaled,) = ddim(process, network, (start,))
        bicubic = F.interpolate(small, large.shape[2:], mode="bicubic").clamp(-1, 1)
        columns = [_to_images(part) for part in (bicubic, upscaled, large)]
        write_sheet(sheet, list(zip(*columns, strict=True)))
        return {"psnr": _psnr(upscaled, large), "psnr_bicubic": _psnr(bicubic, large)}

    def card(self, data: str) -> Card:
        facts = {"prediction": self.prediction, "diffusion_steps": self.diffusion_steps}
        return card_of(data, {**facts, "variance": self.diffusion.variance})


def _to_images(frames: Tensor) -> list[NDArray[np.uint8]]:
    values = ((frames.float().cpu() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return list(values.movedim(1, -1).numpy())


def _psnr(upscaled: Tensor, real: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of frames in −1..1."""
    return float(10 * torch.log10(4 / (upscaled - real).square().mean().clamp_min(1e-10)))


CONFIGS = {
    "full": SuperResRecipe(
        optim=Optimisation(
            steps=120_000,
            batch=32,
            lr=1e-4,
            clip_norm=0.0,
            ema_decay=0.9999,
            save_every=1000,
            sample_every=5000,
        ),
        model=NETWORKS["full"],
        synthetic=Synthetic(("varied",), (12_000,)),
    ),
    "demo": SuperResRecipe(
        optim=Optimisation(
            steps=3200,
            batch=4,
            lr=2e-3,
            warmup=100,
            schedule="cosine",
            final_lr=0.02,
            weight_decay=0.01,
            ema_decay=0.998,
            save_every=100,
            sample_every=400,
        ),
        model=NETWORKS["demo"],
        synthetic=Synthetic(("demo",), (300,)),
        rows=40,
        degrade=(0.9, 0.08),
        prediction="x0",  # what a residual network predicts; few steps are enough
        bound=False,  # its gradient at the first step, thousands of bits, spoils a short training
        late=0.3,
    ),
    "tiny": SuperResRecipe(
        optim=Optimisation(steps=4, batch=2, lr=1e-3, log_every=1, save_every=2, sample_every=4),
        model=NETWORKS["tiny"],
        synthetic=Synthetic(("demo",), (2,)),
        clips=ClipFormat(frames=5, fps=1, size=64, picture_height=36),
        rows=16,
        degrade=(0.5, 0.05),
        samples=2,
        sample_steps=2,
    ),
}
