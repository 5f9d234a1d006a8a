"""Trains a tiny joint network on synthetic scenes: `python examples/train_tiny.py --out runs/tiny`.

A run that is started again goes on where it was. The recipes: `python -m savg.train --help`.
"""

import argparse
from pathlib import Path

from savg.hub import load_component
from savg.train.bundle import describe, export
from savg.train.loop import Session, train
from savg.train.recipe import get_recipe, override

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", type=Path, default=Path("runs/tiny"))
parser.add_argument("--steps", type=int, default=20)
arguments = parser.parse_args()

changes = [f"optim.steps={arguments.steps}"]  # any setting: optim.lr=1e-4, optim.batch=8, …
recipe = override(get_recipe("joint", "tiny"), changes)  # or "demo", or "full"
arguments.out.mkdir(parents=True, exist_ok=True)
describe(arguments.out, "joint", "tiny", "synthetic", recipe, changes)
train(recipe, Session(arguments.out))
print(export(arguments.out, arguments.out / "weights"))
network, card = load_component(arguments.out / "weights", "joint_unet")
print(f"{sum(p.numel() for p in network.parameters())} parameters, {card.facts['step']} steps")
