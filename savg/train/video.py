"""Recipe of the two-stage method's first stage: video alone [S2]."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from savg.clip import Clip
from savg.metrics.pan_agreement import motion_x
from savg.metrics.statistics import correlation
from savg.models.video_unet import video_config
from savg.pipelines.direction import Directed
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
        videos, flips = [], []
        for draw in draws:
            video, flip = self.video_of(data, draw.index), bool(draw.rng.random() < 0.5)
            videos.append(video.flip(-1) if flip else video)
            flips.append(flip)
        return self.with_labels(data, draws, flips, (torch.stack(videos),))

    def denoiser(
        self, model: torch.nn.Module, count: int, seed: int, directed: Directed | None = None
    ) -> Denoiser:
        clips = range(count)
        return video_denoiser(model, self.diffusion, self.guidance, seed, clips, directed=directed)

    def evaluate(self, model: torch.nn.Module, data: ClipSet, sheet: Path) -> dict[str, float]:
        """Change from frame to frame and spread of pixels over clips, of samples and of the data; of a
        directed network also how figures follow the places that are asked for."""
        (video,) = self.generate(model, self.samples)
        frames = self.codec.decode_video(video)
        self.save_sheet(frames, sheet)
        real = torch.stack(
            [torch.from_numpy(data.video(i)) for i in range(min(len(data), COMPARED_CLIPS))]
        )
        scores = {
            "flicker": _flicker(frames),
            "flicker_data": _flicker(real),
            "spread": _spread(frames),
            "spread_data": _spread(real),
        }
        places, figures = [], []
        for place, (small,) in self.directed(model):
            places.append(place)
            figures.append(motion_x(self._silent(small[0])))
        asked = correlation(places, figures, 1).r if places else None
        return scores if asked is None else {**scores, "figure_asked": asked}

    def _silent(self, video: Tensor) -> Clip:
        """A small clip of one sampled tensor, without a sound."""
        format = self.codec.small_format(self.clips)
        frames = self.codec.decode_video(video[None])[0].cpu().numpy()
        return Clip(frames, np.zeros((2, format.samples), np.float32), format)


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
