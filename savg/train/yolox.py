"""Recipe of the person detector YOLOX: SimOTA, SGD, mosaics, L1 at the end (arXiv 2107.08430)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from savg.annotation import Boxes
from savg.detectors.persons import detect_persons, prepare
from savg.format import SAVGBENCH, ClipFormat
from savg.hub import Card
from savg.metrics.person_detection import person_ap50
from savg.models.yolox import CONFIGS as NETWORKS
from savg.models.yolox import Yolox, YoloxConfig
from savg.models.yolox_loss import padded_yolox_loss
from savg.train.augment import Degradation, Jitter, jittered, mosaic
from savg.train.clip_set import ClipSet
from savg.train.optim import Draw, Optimisation
from savg.train.recipe import Batch, Recipe, Scalars, on_gpu
from savg.train.sheets import with_boxes, write_sheet
from savg.train.sources import ClipSpec, Synthetic, card_of, open_clips

FEW_FRAMES = ClipFormat(frames=5, fps=1)
"""Format of clips with few frames: a detector learns little from neighbouring ones."""

MAX_PERSONS = 8


@dataclass(frozen=True)
class YoloxData:
    """Clips for training and for validation; a folder of data serves as both."""

    train: ClipSet
    valid: ClipSet

    def __len__(self) -> int:
        """Number of training frames."""
        return len(self.train) * self.train.small_format.frames


@dataclass(frozen=True)
class YoloxRecipe(Recipe):
    """jitter: of every image; degradation: makes images look generated; mosaic: share of samples that
    are four images in one; plain_from: share of the run after which mosaics are off and
    the L1 loss is on (the last 15 of 300 epochs); samples: images of the sheets."""

    model: YoloxConfig
    synthetic: Synthetic
    valid: Synthetic
    jitter: Jitter
    degradation: Degradation
    clips: ClipFormat = FEW_FRAMES
    mosaic: float = 0.0
    plain_from: float = 0.95
    samples: int = 16
    kind: ClassVar[str] = "yolox"
    free: ClassVar[frozenset[str]] = Recipe.free | {"valid"}

    def build(self) -> nn.Module:
        return Yolox(self.model)

    def open(self, data: str, run: Path) -> YoloxData:
        format = self.clips if data == "synthetic" else SAVGBENCH
        spec = ClipSpec(format, format.size, audio=False)
        train = open_clips(data, run, spec, self.synthetic)
        valid = open_clips(data, run, spec, self.valid) if data == "synthetic" else train
        return YoloxData(train, valid)

    def plain(self, step: int) -> bool:
        """Whether the last part of the run has begun."""
        return step >= self.plain_from * self.optim.steps

    def batch(self, data: YoloxData, draws: list[Draw]) -> Batch:
        images, tables, counts = [], [], []
        for draw in draws:
            rng = draw.rng
            image, xyxy = self.example(data, draw.index)
            if self.mosaic and not self.plain(draw.step) and rng.random() < self.mosaic:
                others = [self.example(data, int(i)) for i in rng.integers(len(data), size=3)]
                image, xyxy = mosaic([(image, xyxy), *others], rng)
            image, xyxy = jittered(image, xyxy, self.jitter, rng)
            image = self.degradation.apply(image, rng)
            network_input, boxes = self.to_network_input(image, xyxy, data.train.small_format)
            table = np.zeros((MAX_PERSONS, 4), np.float32)
            table[: len(boxes)] = boxes[:MAX_PERSONS]
            images.append(torch.from_numpy(network_input))
            tables.append(torch.from_numpy(table))
            counts.append(min(len(boxes), MAX_PERSONS))
        return torch.stack(images), torch.stack(tables), torch.tensor(counts)

    def example(self, data: YoloxData, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """The picture of a frame [h, w, 3] RGB and its boxes [N, 4] in its pixels."""
        format = data.train.small_format
        clip, frame = divmod(index, format.frames)
        boxes = data.train.boxes(clip)
        xyxy = boxes.xyxy[boxes.frames == frame] - np.array([0, format.top, 0, format.top])
        return data.train.picture(clip, frame), xyxy

    def to_network_input(
        self, image: NDArray[np.uint8], xyxy: NDArray[np.float64], format: ClipFormat
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Network input [3, h, w] and boxes in its pixels, by the detector's own preparation."""
        frame = np.zeros((1, format.size, format.size, 3), np.uint8)
        frame[0, format.top : format.bottom] = image
        images, placement = prepare(frame, format, self.model)
        offset = np.array([0, format.top, 0, format.top])
        return images[0], placement.to_input(xyxy + offset)

    def loss(self, model: nn.Module, batch: Batch, step: int, seed: int) -> tuple[Tensor, Scalars]:
        images, tables, counts = batch
        raw = model(images.float().contiguous(memory_format=torch.channels_last))
        parts = padded_yolox_loss(raw, tables, counts, l1=self.plain(step))
        scalars = {"box": parts.box, "objectness": parts.objectness, "classes": parts.classes}
        return parts.total, scalars

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """SGD with Nesterov momentum; no decay of biases and norms."""
        decayed = [p for p in model.parameters() if p.ndim > 1]
        rest = [p for p in model.parameters() if p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": self.optim.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]
        fused = on_gpu(model)
        optimizer = torch.optim.SGD(
            groups, lr=self.optim.lr, momentum=0.9, nesterov=True, fused=fused
        )
        if fused:
            # torch fills the buffers in the first step, and not where that step is left out
            for p in model.parameters():
                optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p)
        return optimizer

    def evaluate(self, model: nn.Module, data: YoloxData, sheet: Path) -> dict[str, float]:
        format, detections, truth, panels = data.valid.small_format, [], [], []
        count = min(self.samples, len(data.valid))
        for index in np.linspace(0, len(data.valid) - 1, count).round().astype(int).tolist():
            video, real = data.valid.video(index), data.valid.boxes(index)
            boxes = detect_persons(model, video, format, 0.01)  # type: ignore[arg-type]
            detections.append(boxes)
            truth.append(real)
            panels.append(_panel(video, format, boxes, real))
        rows = [panels[i : i + 4] for i in range(0, len(panels) - len(panels) % 4, 4)] or [panels]
        write_sheet(sheet, rows)
        score = person_ap50(detections, truth)
        return {} if score is None else {"ap50": score}

    def card(self, data: str) -> Card:
        return card_of(data, {})


def _panel(
    video: NDArray[np.uint8], format: ClipFormat, boxes: Boxes, real: Boxes
) -> NDArray[np.uint8]:
    """The first frame of a clip with its true boxes in white and the detected ones in green."""
    confident = np.asarray(boxes.scores) > 0.3
    frame = with_boxes(video[0], real.xyxy[real.frames == 0], (255, 255, 255))
    frame = with_boxes(frame, boxes.xyxy[confident & (boxes.frames == 0)], (40, 220, 80))
    return frame[format.top : format.bottom]


CONFIGS = {
    "full": YoloxRecipe(
        optim=Optimisation(
            steps=300_000,
            batch=64,
            lr=0.01,
            warmup=5000,
            schedule="cosine",
            schedule_end=285_000,
            final_lr=0.05,
            weight_decay=5e-4,
            clip_norm=0.0,
            average="ema_exp",
            ema_decay=0.9998,
            save_every=1000,
            sample_every=5000,
        ),
        model=NETWORKS["full"],
        synthetic=Synthetic(("varied",), (12_800,)),
        valid=Synthetic(("varied",), (100,), "valid"),
        jitter=Jitter(scale=(0.5, 1.5), shift=0.1, brightness=0.3, colour=0.5),
        degradation=Degradation(share=0.0),
        mosaic=1.0,
    ),
    "demo": YoloxRecipe(
        optim=Optimisation(
            steps=1000,
            batch=16,
            lr=0.01,
            warmup=80,
            schedule="cosine",
            schedule_end=950,
            final_lr=0.03,
            weight_decay=5e-4,
            clip_norm=20.0,
            average="ema",
            ema_decay=0.998,
            save_every=100,
            sample_every=200,
        ),
        model=NETWORKS["demo"],
        synthetic=Synthetic(("demo", "varied"), (300, 700)),
        valid=Synthetic(("demo", "varied"), (20, 20), "valid"),
        jitter=Jitter(scale=(0.75, 1.3), shift=0.12, brightness=0.25, colour=0.3),
        degradation=Degradation(share=0.4),
        samples=32,
    ),
    "tiny": YoloxRecipe(
        optim=Optimisation(
            steps=4, batch=2, lr=1e-3, average="ema_exp", log_every=1, save_every=2,
            sample_every=4,
        ),
        model=NETWORKS["test"],
        synthetic=Synthetic(("demo",), (2,)),
        valid=Synthetic(("demo",), (2,), "valid"),
        clips=ClipFormat(frames=5, fps=1, size=64, picture_height=36),
        jitter=Jitter(),
        degradation=Degradation(),
        mosaic=0.5,
        plain_from=0.5,
        samples=2,
    ),
}  # fmt: skip
