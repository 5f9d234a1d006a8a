"""Generates clips of one seed: `python examples/generate.py --out clips`."""

import argparse
from pathlib import Path

from savg.audio.levels import pan
from savg.pipelines.registry import CLIPS

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", type=Path, default=Path("clips"))
parser.add_argument("--num", type=int, default=2, help="number of clips")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--pipeline", choices=list(CLIPS), default="joint")
parser.add_argument("--steps", type=int, help="of its first network; fewer are faster and worse")
arguments = parser.parse_args()

pipeline = CLIPS.load("demo", arguments.pipeline)  # or a folder, or a Hugging Face repo id
clips = pipeline(arguments.num, seed=arguments.seed, steps=arguments.steps)
for number, clip in enumerate(clips):
    file = arguments.out / f"clip{number}.mp4"
    clip.write(file)
    print(f"{file}: pan {pan(clip.audio):+.2f} (-1 all left, +1 all right)")
