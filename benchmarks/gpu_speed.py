"""How fast one GPU generates and trains: the whole table in one call of under eight minutes.

    bash benchmarks/gpu.sh [--config full] [--minutes 7.5]

Networks have random weights of the published sizes. One evaluation of the joint network and one step of
super-resolution are timed, eager and with compiled blocks, and 96 clips are counted from them at the
published settings (30 evaluations, 25 super-resolution steps of each frame) and at fast ones (20, 8); a
clip is 20 frames. Training is whole steps of a recipe's loss, backward and optimiser by batch, with the
memory they took and the share of the GPU's bfloat16 peak that their arithmetic is (MFU). What does not
fit into the time or the memory is said and left out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from savg.device import choose
from savg.models.joint_config import CONFIGS as JOINT
from savg.models.joint_unet import JointUNet
from savg.models.regions import compile_regions
from savg.models.superres_unet import CONFIGS as SUPERRES
from savg.models.superres_unet import SuperResUNet
from savg.train.arithmetic import peak_flops, step_flops
from savg.train.recipe import get_recipe

CLIPS, FRAMES = 96, 20
SETTINGS = {"published": (30, 25), "fast": (20, 8)}
"""Evaluations of the joint network, and super-resolution steps of each frame."""

BATCHES = {"joint": (4, 8, 16), "video": (8,), "superres": (4, 16), "mel_vae": (32,)}
TINY = {"mel_vae": (2,)}


class Clock:
    """Seconds on the device, and what is left of the whole time."""

    def __init__(self, minutes: float) -> None:
        self.end = time.perf_counter() + 60 * minutes

    def left(self) -> float:
        return self.end - time.perf_counter()

    def median(self, call: Callable[[], Any], repeats: int = 5) -> float:
        """Seconds of a call, the first of which is not counted."""
        call()
        seconds = []
        for _ in range(repeats):
            torch.cuda.synchronize()
            start = time.perf_counter()
            call()
            torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds)


def networks(config: str, device: torch.device, batch: int) -> dict[str, Callable[[], Any]]:
    """One evaluation of each generating network in bfloat16: joint of `batch` clips, super-resolution
    of the frames of one."""
    compute = choose(str(device), "bfloat16")
    joint = compute.place(JointUNet(JOINT[config]))
    superres = compute.place(SuperResUNet(SUPERRES[config]))
    side, length, size = (64, 80_000, 256) if config == "full" else (16, 4000, 64)
    frames = FRAMES if config == "full" else JOINT[config].frames
    kind = {"device": device, "dtype": compute.dtype}
    video, audio = (
        torch.randn(batch, frames, 3, side, side, **kind),
        torch.randn(batch, 2, length, **kind),
    )
    large, small = (
        torch.randn(frames, 3, size, size, **kind),
        torch.randn(frames, 3, size // 4, size // 4, **kind),
    )
    t, u = (torch.full((n,), 500, device=device) for n in (batch, frames))
    shifts = [0] * len(joint.shifting)
    models = {
        "joint": (joint, lambda: joint(video, audio, t, shifts)),
        "superres": (superres, lambda: superres(large, u, small)),
    }
    return models  # type: ignore[return-value]


def generation(
    config: str, device: torch.device, batch: int, clock: Clock, eager: bool = False
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    with torch.inference_mode():
        models = networks(config, device, batch)
        for how in ("eager",) if eager else ("eager", "compiled blocks"):
            seconds: dict[str, float] = {}
            compiling = 0.0
            for name, (model, call) in models.items():  # type: ignore[misc]
                if how != "eager":
                    compile_regions(model)
                    start = time.perf_counter()
                    call()
                    torch.cuda.synchronize()
                    compiling += time.perf_counter() - start
                seconds[name] = clock.median(call, 5 if config == "full" else 1)
                if clock.left() < 0:
                    return rows
            one = seconds["joint"] / batch
            row = {"how": how, "compile s": compiling, "joint ms a clip": 1e3 * one}
            row["superres ms a frame"] = 1e3 * seconds["superres"] / FRAMES
            for name, (evaluations, steps) in SETTINGS.items():
                row[f"{CLIPS} clips, {name}, s"] = CLIPS * (
                    evaluations * one + steps * seconds["superres"]
                )
            rows.append(row)
    return rows


def training(
    name: str, config: str, batch: int, device: torch.device, clock: Clock
) -> dict[str, Any]:
    """Whole training steps on random data that lie on the GPU."""
    recipe: Any = get_recipe(name, config)
    torch.cuda.reset_peak_memory_stats()
    model = recipe.build().to(device).train()
    recipe = replace(recipe, optim=replace(recipe.optim, batch=batch))
    optimizer = recipe.optimizer(model)
    parts = random_batch(name, recipe, batch, device)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16):
            loss, _ = recipe.loss(model, parts, 10**6, 0)
        loss.backward()
        optimizer.step()

    flops = step_flops(step)
    seconds = clock.median(step, 3 if config == "full" else 1)
    row = {"recipe": name, "batch": batch, "samples/s": batch / seconds}
    row["TFLOP/s"] = flops / seconds / 1e12
    peak = peak_flops(torch.cuda.get_device_name(device))
    row["MFU %"] = 100 * flops / seconds / peak if peak else float("nan")
    row["memory GiB"] = torch.cuda.max_memory_allocated() / 2**30
    return row


def random_batch(
    name: str, recipe: Any, count: int, device: torch.device
) -> tuple[torch.Tensor, ...]:
    """A batch of the recipe's shapes."""
    if name in ("joint", "video"):
        return tuple(torch.randn(count, *shape, device=device) for shape in recipe.shapes)
    if name == "superres":
        width = recipe.clips.size // recipe.scale
        large = (count, 3, recipe.rows * recipe.scale, width * recipe.scale)
        small = (count, 3, recipe.rows, width)
        return torch.randn(large, device=device), torch.randn(small, device=device)
    samples = recipe.frames * recipe.mel.hop_size
    return (torch.randn(count, samples, device=device).clamp(-1, 1),)


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as Markdown."""
    if not rows:
        return "(none)"
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    for row in rows:
        cells = (f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values())
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", choices=("full", "tiny"), default="full")
    parser.add_argument("--batch", type=int, default=16, help="clips that are sampled together")
    parser.add_argument("--eager", action="store_true", help="compile nothing")
    parser.add_argument("--minutes", type=float, default=7.5)
    args = parser.parse_args(argv)
    if not torch.cuda.is_available():
        print("benchmarks/gpu.sh needs a GPU that torch can use; there is none.", file=sys.stderr)
        return 1
    device, clock = torch.device("cuda", torch.cuda.current_device()), Clock(args.minutes)
    choose(str(device))
    facts = {"gpu": torch.cuda.get_device_name(device), "torch": torch.__version__}
    print(f"Hardware and versions: {json.dumps(facts)}\n")
    rows: list[dict[str, Any]] = []
    for name, batches in (BATCHES if args.config == "full" else TINY).items():
        for batch in batches:
            if clock.left() < 60 and args.config == "full":
                print(f"{name}, batch {batch}: no time left")
                continue
            try:
                rows.append(training(name, args.config, batch, device, clock))
            except torch.OutOfMemoryError:
                print(f"{name}, batch {batch}: not enough memory")
            torch.cuda.empty_cache()
    print(f"\nTraining, bfloat16\n\n{table(rows)}\n", flush=True)
    found = generation(args.config, device, min(args.batch, CLIPS), clock, args.eager)
    print(f"Generation, bfloat16, joint batch {args.batch}\n\n{table(found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
