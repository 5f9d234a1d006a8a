"""Speed of the synthetic scenes: `python -m benchmarks.scene_speed [--clips N] [--out DIR]`.

Clips per second of one core (process time, one thread), drawn and rendered with their audio, at 64 and
at 256 pixels in each world; rooms are in the cache, as they are after the first clips of a run.
Rendering small is compared with rendering large and averaging down, alternately, clip by clip.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import cv2
import numpy as np

from savg.data.scenes import Scene, World, draw_scene, render, split_seed
from savg.evaluation.result_files import RESULTS
from savg.format import ClipFormat
from savg.paths import atomic_file

NAMES = ("demo", "varied", "lounge", "furnished")


def averaged(scene: Scene) -> np.ndarray:
    """The picture of a clip [F, 36, 64, 3] rendered at 256 pixels and averaged down."""
    frames = render(scene).clip.picture
    return np.stack([cv2.resize(f, (64, 36), interpolation=cv2.INTER_AREA) for f in frames])


def measure(world: World, clips: int) -> dict[str, float]:
    """Clips per second at 64 and 256, the gain of rendering small, and the difference of the two."""
    format = ClipFormat().with_size(64)
    scenes = [draw_scene(split_seed("valid", 1000 + index), world) for index in range(clips)]
    for scene in scenes:
        render(scene), render(scene, size=64)
    seconds = {"draw": 0.0, "64": 0.0, "256": 0.0, "averaged": 0.0}
    difference = []
    for index in range(clips):
        start = time.process_time()
        scene = draw_scene(split_seed("valid", 1000 + index), world)
        drawn_at = time.process_time()
        small = render(scene, size=64)
        small_at = time.process_time()
        render(scene)
        large_at = time.process_time()
        averaged_frames = averaged(scene)
        seconds["averaged"] += time.process_time() - large_at
        seconds["256"] += large_at - small_at
        seconds["64"] += small_at - drawn_at
        seconds["draw"] += drawn_at - start
        frames_small = small.clip.video[:, format.top : format.bottom].astype(int)
        difference.append(float(np.abs(frames_small - averaged_frames).mean()))
    return {
        "clips/s at 64": clips / (seconds["draw"] + seconds["64"]),
        "clips/s at 256": clips / (seconds["draw"] + seconds["256"]),
        "64: gain over 256 averaged": seconds["averaged"] / seconds["64"],
        "64: mean difference (of 255)": float(np.mean(difference)),
    }


def main() -> None:
    """Measure the worlds, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=60, help="clips of each world")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    table = {name: measure(World.named(name), args.clips) for name in NAMES}
    machine = f"{platform.processor() or platform.machine()}, one core"
    versions = f"numpy {np.__version__}, OpenCV {cv2.__version__}"
    lines = [
        "# Speed of the synthetic scenes",
        "",
        f"`python -m benchmarks.scene_speed --clips {args.clips}` on {machine}, {versions}.",
        "",
        "| | " + " | ".join(f"{name} world" for name in NAMES) + " |",
        "|---|" + "---|" * len(NAMES),
    ]
    for row in table["demo"]:
        values = " | ".join(f"{table[name][row]:.1f}" for name in NAMES)
        lines.append(f"| {row} | {values} |")
    text = "\n".join(lines) + "\n"
    print(text)
    result = {"machine": machine, "versions": versions, "clips": args.clips, "worlds": table}
    for suffix, content in ((".md", text), (".json", json.dumps(result, indent=1) + "\n")):
        with atomic_file(args.out / f"scene_speed{suffix}") as part:
            part.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
