"""Two processes share each batch, and end with the weights of one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import torch

from savg.train import checkpoint as checkpoints

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
    import sys; sys.path[:0] = [{root!r}, {toys!r}]
    from dataclasses import replace
    from pathlib import Path
    import torch
    from savg.train.loop import Session, train
    from toy import OPTIM, ToyRecipe

    class Plain(ToyRecipe):
        def build(self):
            model = super().build()
            model.layers[1] = model.layers[2] = torch.nn.Identity()
            return model

        def loss(self, model, batch, step, seed):
            return (model(batch[0])[:, 0] - batch[0].sum(1)).square().mean(), {{}}

    recipe = Plain(replace(OPTIM, steps=6))
    for stop in (3, 6):
        session = Session(Path(sys.argv[1]), precision="float32", device="cpu", stop_at=stop)
        train(recipe, session)
"""


def test_two_processes_train_the_same_network_as_one(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(SCRIPT.format(root=str(ROOT), toys=str(ROOT / "tests" / "train")))
    )
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    for name, launcher in (("one", []), ("two", torchrun)):
        command = [sys.executable, *launcher, str(script), str(tmp_path / name)]
        process = subprocess.run(command, capture_output=True, text=True, env=env, timeout=180)
        assert process.returncode == 0, process.stderr[-2000:]
    one, two = (
        checkpoints.load(checkpoints.folders(tmp_path / name)[-1]) for name in ("one", "two")
    )
    assert one.step == two.step == 6
    for part in ("model", "average"):
        a, b = getattr(one, part), getattr(two, part)
        assert a.keys() == b.keys()
        assert all(torch.allclose(a[key], b[key], atol=1e-6) for key in a)
