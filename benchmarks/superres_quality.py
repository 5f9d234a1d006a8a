"""Super-resolution of the bundled pipeline: `python -m benchmarks.superres_quality`.

Frames of held-out synthetic clips (seeds of the test split, which no training reads) are averaged
down to the joint model's size and upscaled again, by bicubic interpolation and by the network with
several numbers of steps. PSNR (also inside the boxes of people alone), and the mean gradient relative
to the original's, on the rows that hold the picture: from clean small frames, and from slightly
blurred and noisy ones as a joint model generates them. Of the furnished worlds, people and rooms are
those never trained on. Writes the table as JSON and Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.synthetic import WORLDS, held_out
from savg.evaluation.result_files import RESULTS
from savg.format import SAVGBENCH
from savg.paths import atomic_file
from savg.pipelines.joint import JointPipeline
from savg.pipelines.sampling import ClipNoise
from savg.pipelines.superres import upscale

Frames = NDArray[np.uint8]
Boxes = list[NDArray[np.int64]]
"""Of each frame the boxes [N, 4] of people, x0, y0, x1, y1 in whole pixels."""
PURPOSE = 9
"""Purpose of the noise, distinct from the pipeline's own."""


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="demo", help="pipeline folder")
    parser.add_argument(
        "--worlds", nargs="+", choices=list(WORLDS), default=["demo", "varied", "furnished"]
    )
    parser.add_argument("--clips", type=int, default=16, metavar="N", help="of each world")
    parser.add_argument("--frames", type=int, default=2, help="of each clip")
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    pipeline = JointPipeline.from_pretrained(args.weights)
    rows = []
    for world in args.worlds:
        large, boxes = frames(world, args.clips, args.frames)
        for degraded in (False, True):
            small = downscaled(large, pipeline.codec.size, degraded)
            rows += measure(pipeline, world, degraded, large, boxes, small, args.steps)
    setting = {
        "command": "python -m benchmarks.superres_quality " + " ".join(sys.argv[1:]),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
        "frames": args.clips * args.frames,
        "weights": pipeline.cards["superres"].sha256,
    }
    text = as_markdown(setting, rows)
    print(text)
    result = json.dumps({"setting": setting, "rows": rows}, indent=1) + "\n"
    for name, content in (("json", result), ("md", text)):
        with atomic_file(args.out / f"superres_quality.{name}") as part:
            part.write_text(content, encoding="utf-8")


def frames(world: str, clips: int, per_clip: int) -> tuple[Frames, Boxes]:
    """Frames uint8 [N, size, size, 3] of the first clips of the test split, `per_clip` of each."""
    chosen = np.linspace(0, SAVGBENCH.frames - 1, per_clip + 2).round().astype(int)[1:-1]
    large, boxes = [], []
    for index in range(clips):
        scene = held_out(world, index)
        large.append(scene.clip.video[chosen])
        boxes += [
            scene.boxes.xyxy[scene.boxes.frames == frame].round().astype(np.int64)
            for frame in chosen
        ]
    return np.concatenate(large), boxes


def downscaled(large: Frames, size: int, degraded: bool) -> NDArray[np.float32]:
    """Frames float32 [N, size, size, 3] in −1..1; degraded: with blur and noise of fixed strength."""
    rng = np.random.default_rng(5)
    small = []
    for frame in large:
        averaged = cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA)
        values = averaged.astype(np.float32) / 127.5 - 1
        if degraded:
            values = np.asarray(cv2.GaussianBlur(values, (0, 0), 0.5), np.float32)
            values = values + rng.normal(0, 0.04, values.shape).astype(np.float32)
        small.append(values)
    return np.stack(small)


def measure(
    pipeline: Any,
    world: str,
    degraded: bool,
    large: Frames,
    boxes: Boxes,
    small: NDArray[np.float32],
    steps: list[int],
) -> list[dict[str, Any]]:
    """One row of scores for each method of upscaling the same frames."""
    codec, scale = pipeline.codec, SAVGBENCH.size // pipeline.codec.size
    first, last = codec.first_row, codec.first_row + codec.rows
    low = torch.from_numpy(small[:, first:last]).movedim(-1, 1)
    methods: dict[str, Callable[[], torch.Tensor]] = {"bicubic": lambda: upscale(low, scale)}
    for count in steps:
        network = pipeline.superres.with_steps(count)
        methods[f"network, {count} step{'s' * (count > 1)}"] = lambda network=network: torch.cat(
            [network(frame[None], scale, ClipNoise(0, [i], PURPOSE)) for i, frame in enumerate(low)]
        )
    real = picture_rows(large)
    rows = []
    for name, method in methods.items():
        upscaled = padded(method(), large, first * scale)
        picture = picture_rows(upscaled)
        rows.append(
            {
                "world": world,
                "small frames": "blurred, noisy" if degraded else "clean",
                "enlarged by": name,
                "psnr": psnr(picture, real),
                "psnr inside people": psnr_inside(upscaled, large, boxes),
                "gradient": gradient(picture) / gradient(real),
            }
        )
    return rows


def padded(values: torch.Tensor, like: Frames, first: int) -> Frames:
    """Upscaled rows [N, 3, h, w] in −1..1 from row `first` of black frames, of the shape of `like`."""
    frames = np.zeros_like(like)
    rows = ((values.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    frames[:, first : first + rows.shape[2]] = rows.movedim(1, -1).numpy()
    return frames


def picture_rows(video: Frames) -> NDArray[np.float64]:
    """The rows of frames [N, H, W, 3] that hold the picture."""
    return video[:, SAVGBENCH.top : SAVGBENCH.bottom].astype(np.float64)


def psnr(upscaled: NDArray[np.float64], real: NDArray[np.float64]) -> float:
    """Peak signal-to-noise ratio in dB of frames [N, h, w, 3] in 0..255, averaged over frames."""
    error = np.square(upscaled - real).mean(axis=(1, 2, 3))
    return float(np.mean(10 * np.log10(255**2 / np.maximum(error, 1e-6))))


def psnr_inside(upscaled: Frames, real: Frames, boxes: Boxes) -> float | None:
    """The same inside the boxes of people, averaged over the frames that show any; None without."""
    values = []
    for made, true, table in zip(upscaled, real, boxes, strict=True):
        inside = np.zeros(true.shape[:2], bool)
        for x0, y0, x1, y1 in table:
            inside[y0:y1, x0:x1] = True
        if inside.any():
            error = np.square(made[inside].astype(np.float64) - true[inside]).mean()
            values.append(10 * np.log10(255**2 / max(float(error), 1e-6)))
    return float(np.mean(values)) if values else None


def gradient(video: NDArray[np.float64]) -> float:
    """Mean absolute difference of horizontal neighbours."""
    return float(np.abs(np.diff(video, axis=2)).mean())


def number(value: float | None) -> str:
    """A figure in dB, or a dash where there is none."""
    return "–" if value is None else f"{value:.1f}"


def as_markdown(setting: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """The rows as a table."""
    head = (
        "| world | small frames | upscaled by | PSNR (dB) | inside people (dB) "
        "| gradient of the original's |\n"
    )
    lines = [
        f"| {r['world']} | {r['small frames']} | {r['enlarged by']} | {r['psnr']:.1f} "
        f"| {number(r['psnr inside people'])} | {r['gradient']:.2f} |"
        for r in rows
    ]
    source = f"`{setting['command'].strip()}` ({setting['hardware']}; {setting['frames']} frames)"
    return (
        f"# Super-resolution\n\n{source}\n\n{head}|---|---|---|---|---|---|\n"
        + "\n".join(lines)
        + "\n"
    )


if __name__ == "__main__":
    main()
