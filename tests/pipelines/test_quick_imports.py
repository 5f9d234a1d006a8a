"""What is imported before the first page and the first clip: nothing slow that they do not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

from savg.hub.networks import empty

ROOT = Path(__file__).resolve().parents[2]

CODE = """
import sys

import torch
from savg.models.yolox_boxes import non_maximum_suppression
from savg.pipelines.registry import CLIPS

for name in ("joint", "two_stage"):
    CLIPS.load("demo", name)
boxes, one = torch.tensor([[0.0, 0, 9, 9]] * 2), torch.ones(2)
assert non_maximum_suppression(boxes, one, one.long()).tolist() == [0]
print(*(name for name in ("torch._dynamo", "sympy", "torchvision") if name in sys.modules))
"""


def test_bundled_pipelines_and_suppression_import_nothing_slow() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_the_studio_is_imported_without_torch() -> None:
    code = "import sys, savg.studio; print('gradio' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == ["True", "False"], done.stderr


class Drawn(torch.nn.Module):
    """A network whose weights are drawn in all ways."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(3, width)
        self.start = torch.nn.Parameter(torch.randn(width, generator=torch.Generator("cpu")))
        self.own = torch.nn.Parameter(torch.empty(2, width).normal_(std=0.1))
        self.here = torch.randn(width, device="cpu").square()
        torch.nn.init.normal_(self.own, std=0.02)


def test_a_network_without_memory_draws_nothing_and_others_do() -> None:
    network = empty(Drawn, 4, "drawn", "config.json")
    shapes = {name: tuple(p.shape) for name, p in network.named_parameters()}
    assert shapes == {"table.weight": (3, 4), "start": (4,), "own": (2, 4)}
    assert all(p.is_meta for p in network.parameters())
    assert network.here.device.type == "cpu" and (network.here > 0).all()
    after = Drawn(4)
    assert all(p.std() > 0 for p in after.parameters()) and after.own.abs().max() < 0.2
