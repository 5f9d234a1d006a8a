"""Two processes share each batch, and end with the weights of one."""

from __future__ import annotations

import csv
import os
import runpy
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from savg.train import checkpoint as checkpoints

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
    import sys; sys.path[:0] = [{root!r}, {toys!r}]
    from dataclasses import replace
    from pathlib import Path
    import torch
    from savg.train.loop import Session, train
    from savg.train.recipe import get_recipe, override
    from toy import OPTIM, ToyRecipe

    class Plain(ToyRecipe):
        def build(self):
            model = super().build()
            model.layers[1] = model.layers[2] = torch.nn.Identity()
            return model

        def loss(self, model, batch, step, seed):
            return (model(batch[0])[:, 0] - batch[0].sum(1)).square().mean(), {{}}

    run, parts = Path(sys.argv[1]), sys.argv[2]
    recipes = {{"toy": (Plain(replace(OPTIM, steps=6)), (3, 6))}}
    for name, changes in (("joint", []), ("vocoder", ["discriminators_from=1"])):
        changes += [f"accumulation={{parts}}", "batch=2", "sample_every=0", "steps=3", "log_every=1"]
        recipes[name] = override(get_recipe(name, "tiny"), changes), (2, 3)
    for name, (recipe, stops) in recipes.items():
        for stop in stops:  # a run that is resumed by as many processes
            session = Session(run / name, precision="float32", device="cpu", stop_at=stop)
            train(recipe, session)
"""

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def run_alone(script: Path, *arguments: str) -> None:
    """The script in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), *arguments])
        patch.setattr(sys, "path", [*sys.path])
        runpy.run_path(str(script), run_name="__main__")


def run_by_two(script: Path, *arguments: str) -> None:
    """The script in two processes."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, *TORCHRUN, str(script), *arguments]
    process = subprocess.run(command, capture_output=True, text=True, env=env, timeout=1800)
    assert process.returncode == 0, process.stderr[-2000:]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `one`, of a process that takes each batch of the recipes in two parts, and `two`."""
    folder = tmp_path_factory.mktemp("processes")
    script = folder / "script.py"
    script.write_text(
        textwrap.dedent(SCRIPT.format(root=str(ROOT), toys=str(ROOT / "tests" / "train")))
    )
    run_alone(script, str(folder / "one"), "2")
    run_by_two(script, str(folder / "two"), "1")
    return folder


def test_two_processes_train_the_same_network_as_one(runs: Path) -> None:
    one, two = (
        checkpoints.load(checkpoints.folders(runs / name / "toy")[-1]) for name in ("one", "two")
    )
    assert one.step == two.step == 6
    for part in ("model", "average"):
        a, b = getattr(one, part), getattr(two, part)
        assert a.keys() == b.keys()
        assert all(torch.allclose(a[key], b[key], atol=1e-6) for key in a)


def test_two_processes_have_the_losses_of_one_with_as_many_parts(runs: Path) -> None:
    """Noise belongs to a place in the whole batch, and the log has the mean of all processes. The
    vocoder's discriminators begin in its second step, and have no gradient before."""
    for recipe in ("joint", "vocoder"):
        places = [runs / name / recipe for name in ("one", "two")]
        one, two = (checkpoints.load(checkpoints.folders(place)[-1]) for place in places)
        assert one.step == two.step == 3 and one.parts == two.parts == 2
        assert all(torch.allclose(one.model[k], two.model[k], atol=1e-6) for k in one.model), recipe
        logs = [list(csv.DictReader((place / "log.csv").open())) for place in places]
        assert len(logs[0]) == len(logs[1]) == 3
        for a, b in zip(*logs, strict=True):
            assert a.keys() == b.keys()
            for key in a.keys() - {"seconds"}:
                same = a[key] == b[key] or abs(float(a[key]) - float(b[key])) < 1e-4 * abs(
                    float(a[key])
                )
                assert same, (recipe, key, a[key], b[key])
