"""Recipe of stereo SELD: activity and position of sounds in windows of 1.27 s [S1, S2, code]."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from savg.annotation import CATEGORY_NAMES, ClipLabels, SoundEvents
from savg.detectors.seld_features import LABEL_RATE, draw_starts, training_windows
from savg.detectors.sounds import detect_sounds
from savg.hub import Card
from savg.metrics.sound_detection import seld_f_score
from savg.models.seld import CONFIGS as NETWORKS
from savg.models.seld import Seld, SeldConfig
from savg.models.seld_loss import seld_loss
from savg.train.clip_set import ClipSet
from savg.train.optim import Draw, Optimisation
from savg.train.recipe import Batch, Recipe, Scalars, on_gpu
from savg.train.sheets import Image, write_sheet
from savg.train.sources import ClipSpec, Synthetic, card_of, open_clips

FADE = 0.02
"""Seconds of the cross-fade from one clip to the next."""
NO_LABELS = ClipLabels(*np.zeros((4, 0)))


@dataclass(frozen=True)
class SeldData:
    """Clips for training and for validation; a folder of data serves as both."""

    train: ClipSet
    valid: ClipSet

    def __len__(self) -> int:
        return len(self.train)


@dataclass(frozen=True)
class SeldRecipe(Recipe):
    """position_weight: of the masked squared error, or where `absolute` of the absolute one;
    gain_db: the audio is made louder or softer by up to this; noise_db: white noise is added at a
    level drawn between this and 30 dB above (0: none); silent: share of windows whose audio is that
    noise alone, or silence; overlap: share of the others to which another clip is added, if that
    has sounds of other classes; turns: share of windows that begin as another clip, so that one
    source falls silent and another begins elsewhere; absolute: the position's error is absolute,
    not squared; samples: windows of the sheets."""

    model: SeldConfig
    synthetic: Synthetic
    valid: Synthetic
    position_weight: float = 1.0
    gain_db: float = 0.0
    noise_db: float = 0.0
    silent: float = 0.0
    overlap: float = 0.0
    absolute: bool = False
    turns: float = 0.0
    samples: int = 32
    kind: ClassVar[str] = "seld"
    free: ClassVar[frozenset[str]] = Recipe.free | {"valid"}

    def build(self) -> torch.nn.Module:
        return Seld(self.model)

    def open(self, data: str, run: Path) -> SeldData:
        spec = ClipSpec(size=16, video=False)
        train = open_clips(data, run, spec, self.synthetic)
        valid = open_clips(data, run, spec, self.valid) if data == "synthetic" else train
        return SeldData(train, valid)

    def batch(self, data: SeldData, draws: list[Draw]) -> Batch:
        parts = []
        for draw in draws:
            rng = draw.rng
            audio, labels = data.train.audio(draw.index), data.train.labels(draw.index)
            start = draw_starts(audio.shape[1], 1, rng, self.model)
            if self.overlap and rng.random() < self.overlap:
                other = int(rng.integers(len(data.train)))
                audio, labels = _together(
                    (audio, labels), (data.train.audio(other), data.train.labels(other)), rng
                )
            if self.turns and rng.random() < self.turns:
                other = int(rng.integers(len(data.train)))
                first = int(start[0]) + int(rng.integers(self.model.window_samples))
                before = data.train.audio(other), data.train.labels(other)
                audio, labels = _in_turn(before, (audio, labels), first, self.model)
            audio, labels = self.augmented(audio, labels, rng)
            mirrored = bool(rng.random() < 0.5)
            parts.append(training_windows(audio, labels, start, self.model, mirrored))
        return tuple(torch.cat(column) for column in zip(*parts, strict=True))

    def augmented(
        self, audio: NDArray[np.float32], labels: ClipLabels, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], ClipLabels]:
        """Audio [2, T] and labels with a random level and noise, or silenced."""
        if self.silent and rng.random() < self.silent:
            audio, labels = np.zeros_like(audio), NO_LABELS
        if self.gain_db:
            gain = 10 ** (rng.uniform(-self.gain_db, self.gain_db) / 20)
            audio = np.clip(audio * np.float32(gain), -1, 1)
        if self.noise_db and rng.random() < 0.7:
            level = 10 ** ((self.noise_db + rng.uniform(0, 30)) / 20)
            noise = level * rng.standard_normal(audio.shape, np.float32)
            audio = audio + noise.astype(np.float32)
        return audio, labels

    def loss(
        self, model: torch.nn.Module, batch: Batch, step: int, seed: int
    ) -> tuple[Tensor, Scalars]:
        features, activity, x = batch
        logits, position = model(features)
        frames = logits.shape[2]
        parts = seld_loss(
            logits.float(),
            position.float(),
            activity[:, :, :frames],
            x[:, :, :frames],
            self.position_weight,
            self.absolute,
        )
        return parts.total, {"activity": parts.activity, "position": parts.position}

    def optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(
            model.parameters(),
            lr=self.optim.lr,
            weight_decay=self.optim.weight_decay,
            fused=on_gpu(model),
        )

    def evaluate(self, model: torch.nn.Module, data: SeldData, sheet: Path) -> dict[str, float]:
        count = min(self.samples, len(data.valid))
        # Evenly spread, so that every world takes part.
        chosen = np.linspace(0, len(data.valid) - 1, count).round().astype(int).tolist()
        pairs = [
            (detect_sounds(model, data.valid.audio(i)), data.valid.labels(i))  # type: ignore[arg-type]
            for i in chosen
        ]
        write_sheet(sheet, [[_tracks(events, real)] for events, real in pairs[:16]])
        counts = seld_f_score(pairs)
        return {
            f"f_{name}": float(score)
            for name, score in zip(CATEGORY_NAMES, counts.f_score, strict=True)
        }

    def card(self, data: str) -> Card:
        return card_of(data, {})


def _together(
    one: tuple[NDArray[np.float32], ClipLabels],
    other: tuple[NDArray[np.float32], ClipLabels],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], ClipLabels]:
    """Two clips at once, the other one up to 6 dB louder or softer; the first alone if both have
    sounds of one class, which has one position in a frame, or if one of them is silent."""
    (audio, labels), (added, more) = one, other
    shared = set(labels.categories.tolist()) & set(more.categories.tolist())
    if shared or not (audio.any() and added.any()):
        return one
    loudness = np.sqrt(np.mean(np.square(audio))) / max(np.sqrt(np.mean(np.square(added))), 1e-6)
    gain = np.float32(min(loudness, 10.0) * 10 ** (rng.uniform(-6, 6) / 20))
    samples = min(audio.shape[1], added.shape[1])
    mixed = audio.copy()
    mixed[:, :samples] += gain * added[:, :samples]
    columns = zip(*((c.frames, c.classes, c.x, c.y) for c in (labels, more)), strict=True)
    return mixed, ClipLabels(*(np.concatenate(column) for column in columns))


def _in_turn(
    before: tuple[NDArray[np.float32], ClipLabels],
    after: tuple[NDArray[np.float32], ClipLabels],
    sample: int,
    model: SeldConfig,
) -> tuple[NDArray[np.float32], ClipLabels]:
    """One clip up to the label frame that holds `sample`, and another one from there on."""
    step = model.sampling_frequency // LABEL_RATE
    cut = sample // step
    samples = min(before[0].shape[1], after[0].shape[1])
    audio = after[0].copy()
    at = min(cut * step, samples)
    fade = np.clip((np.arange(samples) - at) / (FADE * model.sampling_frequency), 0, 1)
    fade = fade.astype(np.float32)
    audio[:, :samples] = (1 - fade) * before[0][:, :samples] + fade * after[0][:, :samples]
    kept = [(before[1], before[1].frames < cut), (after[1], after[1].frames >= cut)]
    columns = zip(*((c.frames[k], c.classes[k], c.x[k], c.y[k]) for c, k in kept), strict=True)
    return audio, ClipLabels(*(np.concatenate(column) for column in columns))


def _tracks(events: SoundEvents, labels: ClipLabels) -> Image:
    """x over time: labels as grey marks, detected events in green (speech) or blue (instrument)."""
    image = np.full((66, 512, 3), 245, np.uint8)
    image[-1] = 180

    def mark(rows: Iterable[tuple[int, float, tuple[int, int, int]]], half: int) -> None:
        for frame, x, colour in rows:
            column, row = int(frame) * 10 % 512, int(np.clip(x / 4, 0, 63))
            image[max(row - half, 0) : row + half + 1, column : column + 9] = colour

    mark(((f, x, (170, 170, 170)) for f, x in zip(labels.frames, labels.x, strict=True)), 3)
    colours = ((30, 140, 60), (40, 80, 220))
    event_rows = zip(events.frames, events.x, events.categories, strict=True)
    mark(((f, x, colours[int(c) % 2]) for f, x, c in event_rows), 1)
    return image


CONFIGS = {
    "full": SeldRecipe(
        optim=Optimisation(
            steps=40_000,
            batch=32,
            lr=1e-3,
            schedule="cosine",
            schedule_end=30_000,
            final_lr=0.05,
            weight_decay=1e-6,
            clip_norm=0.0,
            average="swa",
            average_start=30_000,
            average_every=100,
            save_every=1000,
            sample_every=2000,
        ),
        model=NETWORKS["full"],
        synthetic=Synthetic(("varied",), (20_000,)),
        valid=Synthetic(("varied",), (200,), "valid"),
    ),
    "demo": SeldRecipe(
        optim=Optimisation(
            steps=2500,
            batch=16,
            lr=2e-3,
            warmup=50,
            schedule="cosine",
            schedule_end=2460,
            final_lr=0.05,
            weight_decay=1e-6,
            clip_norm=5.0,
            average="swa",
            average_start=2200,
            average_every=5,
            save_every=100,
            sample_every=250,
        ),
        model=NETWORKS["demo"],
        synthetic=Synthetic(
            ("demo", "varied", "furnished", "furnished1"), (300, 2900, 1000, 1000), microphones="mixed"
        ),
        valid=Synthetic(("varied",), (48,), "valid", microphones="mixed", held_out=True),
        position_weight=3.0,
        absolute=True,
        gain_db=9.0,
        noise_db=-75.0,
        silent=0.05,
        overlap=0.1,
        turns=0.25,
    ),
    "tiny": SeldRecipe(
        optim=Optimisation(
            steps=4, batch=2, lr=1e-3, average="swa", average_start=2, log_every=1, save_every=2,
            sample_every=4,
        ),
        model=NETWORKS["tiny"],
        synthetic=Synthetic(("demo",), (3,)),
        valid=Synthetic(("demo",), (2,), "valid"),
        gain_db=6.0,
        noise_db=-70.0,
        silent=0.3,
        samples=2,
    ),
}  # fmt: skip
