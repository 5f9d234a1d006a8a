"""Recipe of the joint model: video and stereo audio denoised together [S1, code]."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from savg.audio.levels import pan
from savg.clip import Clip
from savg.data.joint_codec import DEMO, PUBLISHED, JointCodec
from savg.format import ClipFormat
from savg.metrics.pan import pan_spread
from savg.metrics.pan_agreement import motion_x
from savg.metrics.statistics import correlation
from savg.models.joint_config import CONFIGS as NETWORKS
from savg.models.joint_unet import JointUNet
from savg.pipelines.direction import Directed
from savg.pipelines.guidance import Denoiser, MirrorGuidance, NoiseGuidance
from savg.pipelines.joint import joint_denoiser
from savg.train.clip_diffusion import ClipDiffusion
from savg.train.clip_set import ClipSet
from savg.train.direction_data import POINTS
from savg.train.optim import Draw, Optimisation
from savg.train.recipe import Batch
from savg.train.sources import Synthetic


@dataclass(frozen=True)
class JointRecipe(ClipDiffusion):
    """Training of the joint network.

    video_weight, audio_weight: of the two mean squared errors; guidance: of the sheets.
    """

    video_weight: float = 1.0
    audio_weight: float = 1.0
    guidance: MirrorGuidance = field(default_factory=MirrorGuidance)
    kind: ClassVar[str] = "joint_unet"

    @property
    def weights(self) -> tuple[float, ...]:
        return self.video_weight, self.audio_weight

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.codec.video_shape(self.clips), self.codec.audio_shape(self.clips)

    def batch(self, data: ClipSet, draws: list[Draw]) -> Batch:
        videos, audios, flips = [], [], []
        for draw in draws:
            video, audio = self.sample_of(data, draw.index)
            flip = bool(draw.rng.random() < 0.5)
            if flip:
                video, audio = self.codec.mirror(video, audio)
            videos.append(video)
            audios.append(audio)
            flips.append(flip)
        batch = torch.stack(videos), torch.stack(audios)
        return self.with_labels(data, draws, flips, batch)

    def sample_of(self, data: ClipSet, index: int) -> tuple[Tensor, Tensor]:
        """The network's video and audio tensors of one clip."""
        video = self.video_of(data, index)
        if self.codec.sound is None:
            return video, self.codec.encode_audio(torch.from_numpy(data.audio(index)))
        spectrogram = data.cache.get(index)
        if (
            spectrogram is None
        ):  # a spectrogram costs as much as a tenth of a training step, and is small
            spectrogram = self.codec.encode_audio(torch.from_numpy(data.audio(index))).half()
            data.cache[index] = spectrogram
        return video, spectrogram.float()

    def denoiser(
        self, model: torch.nn.Module, count: int, seed: int, directed: Directed | None = None
    ) -> Denoiser:
        assert isinstance(model, JointUNet)
        return joint_denoiser(
            model, self.codec, self.diffusion, self.guidance,
            directed=directed, seed=seed, clips=range(count),
        )  # fmt: skip

    def evaluate(self, model: torch.nn.Module, data: ClipSet, sheet: Path) -> dict[str, float]:
        """Statistics of undirected samples; of a directed network also how samples at places spread
        from left to right follow them, in picture and sound."""
        video, audio = self.generate(model, self.samples)
        self.save_sheet(self.codec.decode_video(video), sheet)
        clips = self.clips_of(video, audio)
        pans = [pan(clip.audio) for clip in clips]
        scores = {
            "pan_spread": pan_spread(pans),
            "pan_spread_data": pan_spread([pan(data.audio(i)) for i in range(min(len(data), 64))]),
            "figure_sound": correlation([motion_x(clip) for clip in clips], pans, 1).r,
            "rms": float(np.sqrt(np.mean([np.square(clip.audio).mean() for clip in clips]))),
            "flicker": float(self.codec.frames_of(video).diff(dim=1).abs().mean()),
        }
        places, directed = [], []
        for place, state in self.directed(model):
            places.append(place)
            directed += self.clips_of(*state)
        if places:
            scores["figure_asked"] = correlation(places, [motion_x(c) for c in directed], 1).r
            scores["sound_asked"] = correlation(places, [pan(c.audio) for c in directed], 1).r
        return {key: value for key, value in scores.items() if value is not None}

    def clips_of(self, video: Tensor, audio: Tensor) -> list[Clip]:
        """Small clips of sampled tensors."""
        frames, waveforms = self.codec.decode_video(video), self.codec.decode_audio(audio)
        format = self.codec.small_format(self.clips)
        return [
            Clip(*both, format)
            for both in zip(frames.cpu().numpy(), waveforms.cpu().numpy(), strict=True)
        ]


GUIDANCE = MirrorGuidance(
    weight=2.0,
    first=0.5,
    last=0.96,
    noise=NoiseGuidance(weight=1.2, shift=0.08, first=0.4, last=0.96),
)
"""Of the demo network: weights of 64×40 frames draw figures faintly without it (benchmarks/log.md)."""

FULL = JointRecipe(
    optim=Optimisation(
        steps=330_000,
        batch=32,
        lr=2e-4,
        clip_norm=0.0,
        ema_decay=0.9999,
        save_every=1000,
        sample_every=5000,
    ),
    model=replace(NETWORKS["full"], dropout=0.1),
    codec=PUBLISHED,
    synthetic=Synthetic(worlds=("varied",), clips=(20_000,)),
)
"""The published hyper-parameters [S1, code]."""

CONFIGS = {
    "full": FULL,
    "full_directed": replace(FULL, model=replace(FULL.model, direction=POINTS)),
    "demo": JointRecipe(
        optim=Optimisation(
            steps=10_000,
            batch=8,
            lr=2e-3,
            warmup=200,
            cooldown=2500,
            final_lr=0.02,
            weight_decay=0.01,
            ema_decay=0.998,
            log_every=25,
            save_every=150,
            sample_every=600,
        ),
        model=replace(NETWORKS["demo"], direction=POINTS),
        codec=DEMO,
        synthetic=Synthetic(worlds=("solo",), clips=(4000,)),
        prediction="x0",
        video_weight=4.0,
        v_limit=5.0,
        focus=(0.5, 0.6, 0.95),
        optimizer_kind="muon",
        samples=12,
        sample_steps=16,
        guidance=GUIDANCE,
    ),
    "tiny": JointRecipe(
        optim=Optimisation(
            steps=4,
            batch=2,
            lr=1e-3,
            warmup=2,
            ema_decay=0.9,
            log_every=1,
            save_every=2,
            sample_every=4,
        ),
        model=replace(NETWORKS["tiny"], direction=POINTS),
        codec=JointCodec(size=16, rows=12, mid_gain=8.0, side_gain=16.0),
        synthetic=Synthetic(worlds=("demo",), clips=(3,)),
        clips=ClipFormat(frames=4, fps=4, sample_rate=4000),
        prediction="v",
        samples=2,
        sample_steps=2,
    ),
}
