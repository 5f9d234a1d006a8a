"""Recipe of the joint model: video and stereo sound denoised together [S1, code]."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from savg.clip import SAVGBENCH, Clip, ClipFormat
from savg.data.joint_codec import DEMO, PUBLISHED, JointCodec
from savg.diffusion import Diffusion, Schedule
from savg.diffusion.dpm_solver import Predictor, multistep, time_steps
from savg.hub import Card
from savg.metrics.generation import correlation, motion_position, pan, pan_spread
from savg.models.joint_unet import CONFIGS as NETWORKS
from savg.models.joint_unet import JointUNet, JointUNetConfig
from savg.train.muon import Muon, split
from savg.train.optim import Draw, Optimisation
from savg.train.recipe import Batch, Recipe, Scalars
from savg.train.sheets import evenly, write_sheet
from savg.train.sources import ClipSet, Synthetic, Wanted, card_of, open_clips


@dataclass(frozen=True)
class JointRecipe(Recipe):
    """What the network sees and predicts.

    prediction: "eps", "v" or "x0"; video_weight, audio_weight: of the two mean squared errors;
    min_snr: γ of min-SNR weighting, 0 for none; v_limit: largest weight of an x0 prediction weighed as
    v, 0 for none; clips: the format, whose frame is the codec's; synthetic: what is drawn for
    `--data synthetic`; optimizer_kind: "adamw" or "muon"; checkpoint_attention: recompute attention to
    save memory; samples, sample_steps: of the sheets.
    """

    model: JointUNetConfig
    codec: JointCodec
    synthetic: Synthetic
    clips: ClipFormat = SAVGBENCH
    prediction: str = "eps"
    diffusion_steps: int = 1000
    video_weight: float = 1.0
    audio_weight: float = 1.0
    min_snr: float = 0.0
    v_limit: float = 0.0
    optimizer_kind: str = "adamw"
    checkpoint_attention: bool = False
    samples: int = 6
    sample_steps: int = 24
    kind: ClassVar[str] = "joint_unet"

    @property
    def diffusion(self) -> Diffusion:
        """The process that training and sampling share."""
        return Diffusion(Schedule.linear(self.diffusion_steps), self.prediction)  # type: ignore[arg-type]

    def build(self) -> torch.nn.Module:
        model = JointUNet(self.model)
        model.checkpoint_attention = self.checkpoint_attention
        return model

    def open(self, data: str, run: Path) -> ClipSet:
        return open_clips(data, run, Wanted(self.clips, self.codec.size), self.synthetic)

    def batch(self, data: ClipSet, drawn: list[Draw]) -> Batch:
        videos, sounds = [], []
        for draw in drawn:
            video, audio = self.sample_of(data, draw.index)
            if draw.rng.random() < 0.5:
                video, audio = self.codec.mirror(video, audio)
            videos.append(video)
            sounds.append(audio)
        return torch.stack(videos), torch.stack(sounds)

    def sample_of(self, data: ClipSet, index: int) -> tuple[Tensor, Tensor]:
        """One clip as the network sees it."""
        video = self.codec.encode_video(torch.from_numpy(data.video(index)))
        if self.codec.sound is None:
            return video, self.codec.encode_audio(torch.from_numpy(data.audio(index)))
        kept = data.notes.get(index)
        if kept is None:  # a spectrogram costs as much as a tenth of a training step, and is small
            kept = self.codec.encode_audio(torch.from_numpy(data.audio(index))).half()
            data.notes[index] = kept
        return video, kept.float()

    def loss(
        self, model: torch.nn.Module, batch: Batch, step: int, seed: int
    ) -> tuple[Tensor, Scalars]:
        device = batch[0].device
        generator = torch.Generator(device).manual_seed(seed)
        times = torch.randint(
            0, self.diffusion_steps, (len(batch[0]),), generator=generator, device=device
        )
        noise = tuple(torch.randn(x.shape, generator=generator, device=device) for x in batch)
        total, (video, audio) = self.diffusion.training_loss(
            lambda state, t: model(*state, t),
            batch,
            times,
            noise,
            (self.video_weight, self.audio_weight),
            self.min_snr or None,
            self.v_limit or None,
        )
        return total.mean(), {"video": video.mean(), "audio": audio.mean()}

    def optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        if self.optimizer_kind == "muon":
            assert isinstance(model, JointUNet)
            outer = [model.input_blocks[0], model.video_out, model.audio_out]
            return Muon(*split(model, outer), self.optim.lr, self.optim.weight_decay)
        return torch.optim.AdamW(
            model.parameters(),
            lr=self.optim.lr,
            betas=(0.9, 0.99),
            weight_decay=self.optim.weight_decay,
        )

    def evaluate(self, model: torch.nn.Module, data: ClipSet, picture: Path) -> dict[str, float]:
        video, audio = self.generate(model, self.samples)
        frames, sound = self.codec.decode_video(video), self.codec.decode_audio(audio)
        first = self.codec.first_row
        rows = frames[:, :, first : first + self.codec.rows].cpu().numpy()
        write_sheet(picture, [evenly(clip, 8) for clip in rows[:8]], scale=2)
        form = self.codec.small_format(self.clips)
        clips = [
            Clip(video, audio, form)
            for video, audio in zip(frames.cpu().numpy(), sound.cpu().numpy(), strict=True)
        ]
        pans = [pan(clip.audio) for clip in clips]
        scores = {
            "pan_spread": pan_spread(pans),
            "pan_spread_data": pan_spread([pan(data.audio(i)) for i in range(min(len(data), 64))]),
            "figure_sound": correlation([motion_position(clip) for clip in clips], pans, 1).r,
            "rms": float(sound.square().mean().sqrt()),
            "flicker": float(self.codec.frames_of(video).diff(dim=1).abs().mean()),
        }
        return {key: value for key, value in scores.items() if value is not None}

    def generate(self, model: torch.nn.Module, count: int, seed: int = 1) -> tuple[Tensor, Tensor]:
        """Encoded video and sound of `count` clips from fixed noise."""
        device = next(model.parameters()).device
        generator = torch.Generator().manual_seed(seed)
        shapes = self.codec.video_shape(self.clips), self.codec.audio_shape(self.clips)
        start = tuple(
            torch.randn(count, *shape, generator=generator).to(device) for shape in shapes
        )
        torch.manual_seed(seed)
        predictor = Predictor(self.diffusion, lambda state, t: model(*state, t))
        times = time_steps(self.diffusion, self.sample_steps, "logSNR", snap=True)
        video, audio = multistep(predictor, start, times)
        return video, audio

    def card(self, data: str) -> Card:
        facts = {
            "mirrored": False,
            "prediction": self.prediction,
            "diffusion_steps": self.diffusion_steps,
            "codec": self.codec.to_dict(),
        }
        return card_of(data, facts)


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
        model=NETWORKS["demo"],
        codec=DEMO,
        synthetic=Synthetic(worlds=("solo",), clips=(4000,)),
        prediction="x0",
        video_weight=4.0,
        v_limit=5.0,
        optimizer_kind="muon",
        samples=12,
        sample_steps=16,
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
        model=NETWORKS["tiny"],
        codec=JointCodec(size=16, rows=12, mid_gain=8.0, side_gain=16.0),
        synthetic=Synthetic(worlds=("demo",), clips=(3,)),
        clips=ClipFormat(frames=4, fps=4, sample_rate=4000),
        prediction="v",
        samples=2,
        sample_steps=2,
    ),
}
