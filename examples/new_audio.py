"""Gives a video new stereo audio: `python examples/new_audio.py holiday.mp4 sounding.mp4`."""

import argparse
from pathlib import Path

from savg.pipelines.registry import AUDIO

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("video", type=Path, help="silent or sounding, up to two minutes")
parser.add_argument("target", type=Path, help="the copy with new audio")
parser.add_argument("--seed", type=int, default=0, help="another seed, another audio")
parser.add_argument("--steps", type=int, help="of the flow network; fewer are faster and worse")
arguments = parser.parse_args()

pipeline = AUDIO.load("demo")  # or a folder, or a Hugging Face repo id
audio = pipeline.file(arguments.video, arguments.target, seed=arguments.seed, steps=arguments.steps)
left, right = (audio**2).mean(axis=1) ** 0.5
print(f"{arguments.target}: {audio.shape[1] / pipeline.sample_rate:.1f} s")
print(f"level: left {left:.3f}, right {right:.3f}")
