"""Speed of FVD's features: `python -m benchmarks.i3d_speed`.

The backbone `i3d` over clips of 20 frames as `evaluate` runs it (by the fast path, in bfloat16 where
this machine has it) against the plain network clip by clip in float32, in turns of one run. The
weights are random: time does not depend on them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.unet_speed import hardware
from savg.clip import Clip
from savg.device import choose
from savg.evaluation.result_files import RESULTS, setting, write_result
from savg.features.i3d import I3dBackbone
from savg.format import SAVGBENCH
from savg.models.i3d import I3d, I3dConfig

NAMES = ("plain float32, clip by clip", "as evaluate runs it")


def clip(seed: int) -> Clip:
    """A clip of the published format with random frames."""
    rng = np.random.default_rng(seed)
    shape = (SAVGBENCH.frames, SAVGBENCH.size, SAVGBENCH.size, 3)
    audio = np.zeros((2, SAVGBENCH.samples), np.float32)
    return Clip(rng.integers(0, 256, shape, dtype=np.uint8), audio)


def measure(clips: int, turn: int) -> dict[str, dict[str, float]]:
    """Wall and processor seconds of both ways over as many clips, `turn` clips each in turns."""
    network = I3d(I3dConfig()).eval()
    plain, fast = (I3dBackbone(network, "", choose("cpu", d)) for d in ("float32", None))
    plain.network = network
    ways: dict[str, Callable[[list[Clip]], object]] = {
        NAMES[0]: lambda batch: [plain([one]) for one in batch],
        NAMES[1]: fast,
    }
    for way in ways.values():
        way([clip(0)])
    seconds = {name: {"wall": 0.0, "processor": 0.0} for name in ways}
    for first in range(0, clips, turn):
        batch = [clip(seed) for seed in range(first, min(first + turn, clips))]
        for name, way in ways.items():
            wall, processor = time.perf_counter(), time.process_time()
            way(batch)
            seconds[name]["wall"] += time.perf_counter() - wall
            seconds[name]["processor"] += time.process_time() - processor
    return seconds


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=96, metavar="N")
    parser.add_argument("--turn", type=int, default=8, metavar="N", help="clips in turn")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    seconds = measure(args.clips, args.turn)
    facts = setting("i3d_speed") | {"hardware": hardware()}
    before, now = (seconds[name] for name in NAMES)
    ratios = {key: before[key] / now[key] for key in now}
    lines = [
        "# Speed of FVD's features",
        "",
        f"`python -m benchmarks.i3d_speed` on {hardware()}: {args.clips} clips of 20 frames of "
        "256×256, both ways in turns of one run.",
        "On a machine that does other work too, processor seconds are the fairer ones.",
        "",
        "| | wall s | processor s |",
        "|---|---:|---:|",
        *(f"| {n} | {s['wall']:.1f} | {s['processor']:.1f} |" for n, s in seconds.items()),
        f"| **times faster** | **{ratios['wall']:.1f}** | **{ratios['processor']:.1f}** |",
        "",
    ]
    result = {"setting": facts, "clips": args.clips, "seconds": seconds, "ratios": ratios}
    write_result("i3d_speed", result, "\n".join(lines), args.out)


if __name__ == "__main__":
    main()
