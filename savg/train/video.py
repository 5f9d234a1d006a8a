"""Recipe of the two-stage method's first stage: video alone [S2]."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from savg.models.video_unet import video_config
from savg.pipelines.guidance import Denoiser, NoiseGuidance
from savg.pipelines.video import video_denoiser
from savg.train.clip_diffusion import ClipDiffusion
from savg.train.clip_set import ClipSet
from savg.train.joint import CONFIGS as JOINT
from savg.train.joint import JointRecipe
from savg.train.optim import Draw
from savg.train.recipe import Batch

COMPARED_CLIPS = 64
"""Training clips that samples are compared with."""


@dataclass(frozen=True)
class VideoRecipe(ClipDiffusion):
    """Training of the video network; its codec's audio is not used.

    guidance: of the sheets.
    """

    guidance: NoiseGuidance = field(default_factory=NoiseGuidance)
    kind: ClassVar[str] = "video_unet"
    audio: ClassVar[bool] = False

    def batch(self, data: ClipSet, draws: list[Draw]) -> Batch:
        videos = []
        for draw in draws:
            video = self.video_of(data, draw.index)
            videos.append(video.flip(-1) if draw.rng.random() < 0.5 else video)
        return (torch.stack(videos),)

    def denoiser(self, model: torch.nn.Module, count: int, seed: int) -> Denoiser:
        return video_denoiser(model, self.diffusion, self.guidance, seed, range(count))

    def evaluate(self, model: torch.nn.Module, data: ClipSet, sheet: Path) -> dict[str, float]:
        """Change from frame to frame and spread of pixels over clips, of samples and of the data."""
        (video,) = self.generate(model, self.samples)
        frames = self.codec.decode_video(video)
        self.save_sheet(frames, sheet)
        real = torch.stack(
            [torch.from_numpy(data.video(i)) for i in range(min(len(data), COMPARED_CLIPS))]
        )
        return {
            "flicker": _flicker(frames),
            "flicker_data": _flicker(real),
            "spread": _spread(frames),
            "spread_data": _spread(real),
        }


def _flicker(frames: Tensor) -> float:
    """Mean absolute change of pixels of clips [N, F, h, w, 3] between frames, of 255."""
    return float(frames.float().diff(dim=1).abs().mean())


def _spread(frames: Tensor) -> float:
    """Mean standard deviation of a pixel over the clips [N, F, h, w, 3], of 255; 0 for one clip."""
    return float(frames.float().std(dim=0, correction=0).mean())


def from_joint(recipe: JointRecipe, guidance: NoiseGuidance) -> VideoRecipe:
    """The recipe of the video half of a joint network, with the same settings."""
    shared = {one.name: getattr(recipe, one.name) for one in fields(ClipDiffusion)}
    codec = replace(recipe.codec, mid_gain=None, side_gain=None, sound=None)
    own = {"model": video_config(recipe.model), "codec": codec, "guidance": guidance}
    return VideoRecipe(**{**shared, **own})


GUIDANCE = {"demo": NoiseGuidance(weight=2.5, first=0.4, last=0.96, shift=0.08)}

CONFIGS = {
    name: from_joint(recipe, GUIDANCE.get(name, NoiseGuidance())) for name, recipe in JOINT.items()
}
