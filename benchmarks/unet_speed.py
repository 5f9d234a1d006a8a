"""Speed of the full-size U-Nets' fast path against the plain path, measured alternately in one run.

    python -m benchmarks.unet_speed [--rounds 3] [--network joint superres] [--json FILE]

plain: float32, channels first, `fast = False`. fast: the default path in bfloat16 (and, with
--float32, in float32). The weights are random: time does not depend on them. Prints the median wall
and processor seconds of each variant and the median of the ratios of neighbouring runs; on a machine
that does other work too, the ratio of processor seconds varies less.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from savg.models import joint_unet, superres_unet

PUBLISHED_SECONDS = {
    "joint": 13.1,
    "superres": 4.0,
}  # the authors' code on such a machine, 2 threads


@dataclass(frozen=True)
class Row:
    """Medians of one variant of one network; ratios are plain ÷ this."""

    network: str
    variant: str
    wall_seconds: float
    processor_seconds: float
    wall_ratio: float
    processor_ratio: float


def hardware() -> str:
    """Processor, threads and torch version, in one line."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = (line for line in info.read_text().splitlines() if line.startswith("model name"))
        name = next(lines, f": {name}").split(":", 1)[1].strip()
    amx = "AMX" if torch.cpu._is_amx_tile_supported() else "no AMX"
    return f"{name}, {amx}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def inputs(network: str, dtype: torch.dtype) -> tuple:
    """Arguments of one evaluation of the network: of one clip, or of one frame."""
    time_step = torch.tensor([500])
    if network == "joint":
        video, audio = torch.randn(1, 20, 3, 64, 64, dtype=dtype), torch.randn(1, 2, 80000)
        return video, audio.to(dtype), time_step, [1] * 15
    frame, small = torch.randn(1, 3, 256, 256, dtype=dtype), torch.randn(1, 3, 64, 64)
    return frame, time_step, small.to(dtype)


def build(network: str) -> torch.nn.Module:
    """The full-size network with random weights, in evaluation mode."""
    if network == "joint":
        return joint_unet.JointUNet(joint_unet.CONFIGS["full"]).eval()
    return superres_unet.SuperResUNet(superres_unet.CONFIGS["full"]).eval()


def variants(network: str, with_float32: bool) -> dict[str, Callable[[], object]]:
    """A callable that evaluates the network once, for each variant's name."""
    plain, fast_bfloat16 = build(network), build(network).bfloat16()
    plain.fast = False  # type: ignore[assignment]
    float32, bfloat16 = inputs(network, torch.float32), inputs(network, torch.bfloat16)
    calls = {
        "plain float32": lambda: plain(*float32),
        "fast bfloat16": lambda: fast_bfloat16(*bfloat16),
    }
    if with_float32:
        fast = build(network)
        calls["fast float32"] = lambda: fast(*float32)
    return calls


def measure(network: str, rounds: int, with_float32: bool) -> list[Row]:
    """Medians over `rounds` alternating runs, after one discarded round."""
    calls = variants(network, with_float32)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    with torch.inference_mode():
        for i in range(rounds + 1):
            for name, call in calls.items():
                wall, processor = time.perf_counter(), time.process_time()
                call()
                pair = (time.perf_counter() - wall, time.process_time() - processor)
                if i:
                    seconds[name].append(pair)
    base = seconds["plain float32"]
    rows = []
    for name, pairs in seconds.items():
        medians = [statistics.median(pair[k] for pair in pairs) for k in (0, 1)]
        ratios = [
            statistics.median(p[k] / q[k] for p, q in zip(base, pairs, strict=True)) for k in (0, 1)
        ]
        rows.append(Row(network, name, *medians, *ratios))
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--network", nargs="+", choices=PUBLISHED_SECONDS, default=["joint", "superres"]
    )
    parser.add_argument("--float32", action="store_true", help="time the fast path in float32 too")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    print(hardware())
    rows = [row for n in options.network for row in measure(n, options.rounds, options.float32)]
    print(f"{'network':10}{'variant':16}{'wall s':>9}{'cpu s':>9}{'wall ×':>9}{'cpu ×':>9}")
    for row in rows:
        print(
            f"{row.network:10}{row.variant:16}{row.wall_seconds:9.2f}{row.processor_seconds:9.2f}"
            f"{row.wall_ratio:9.2f}{row.processor_ratio:9.2f}"
        )
    if options.json:
        report = {
            "hardware": hardware(),
            "rounds": options.rounds,
            "published_seconds": PUBLISHED_SECONDS,
            "rows": [asdict(row) for row in rows],
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
