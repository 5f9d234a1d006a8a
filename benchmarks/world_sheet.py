"""A sheet of random frames of worlds side by side: `python -m benchmarks.world_sheet [--out FILE]`.

Each row shows a frame of as many held-out scenes of each world; `--out` ends in .webp or .png.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.data.scenes import draw_scene, render, split_seed
from savg.data.scenes.world import WORLDS
from savg.paths import atomic_file
from savg.train.sources import world_of

OUT = Path("docs/worlds.webp")
GAP = 8
"""White pixels between two worlds."""


def frames_of(
    name: str, count: int, first: int = 0, split: str = "test"
) -> list[NDArray[np.uint8]]:
    """A random frame [144, 256, 3] of each of `count` scenes of a world."""
    world = world_of(name, split)
    frames = []
    for index in range(first, first + count):
        clip = render(draw_scene(split_seed(split, index), world)).clip
        frames.append(clip.picture[np.random.default_rng(index).integers(len(clip.picture))])
    return frames


def sheet(worlds: list[str], columns: int, rows: int, first: int, split: str) -> NDArray[np.uint8]:
    """Frames of each world in `columns` times `rows`, the worlds side by side, RGB."""
    blocks = []
    for name in worlds:
        frames = np.stack(frames_of(name, columns * rows, first, split))
        height, width = frames.shape[1:3]
        grid = frames.reshape(rows, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
        blocks += [grid.reshape(rows * height, columns * width, 3)]
        blocks += [np.full((rows * height, GAP, 3), 255, np.uint8)]
    return np.concatenate(blocks[:-1], axis=1)


def main() -> None:
    """Draw the sheet and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--worlds", nargs="+", choices=WORLDS, default=["varied", "furnished"])
    add("--columns", type=int, default=3, help="frames of each world in a row")
    add("--rows", type=int, default=4)
    add("--first", type=int, default=0, help="index of the first scene")
    add("--split", choices=("train", "valid", "test"), default="test")
    add("--quality", type=int, default=70, help="of WebP")
    add("--out", type=Path, default=OUT)
    args = parser.parse_args()
    if args.out.suffix not in (".webp", ".png"):
        parser.error(f"--out must end in .webp or .png, got {args.out}")
    image = sheet(args.worlds, args.columns, args.rows, args.first, args.split)
    options = [cv2.IMWRITE_WEBP_QUALITY, args.quality] if args.out.suffix == ".webp" else []
    _, code = cv2.imencode(args.out.suffix, image[..., ::-1], options)
    with atomic_file(args.out) as part:
        part.write_bytes(code.tobytes())
    print(f"{args.out}: {image.shape[1]}x{image.shape[0]}, {len(code) / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
