"""Trains every recipe and samples every pipeline, both tiny, on GPUs that are not there.

    python cases_pretended.py LIBRARIES FOLDER RESULT.json

RESULT.json has for each case what went wrong, or how often and where the host waited for the device.
Three cases are broken on purpose: what they break must be found.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]
from fake_gpu import machine  # noqa: E402

machine.start(Path(sys.argv[1]))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from fake_gpu.pretended import pretended  # noqa: E402

from savg.pipelines.registry import AUDIO, CLIPS  # noqa: E402
from savg.train.loop import Session, train  # noqa: E402
from savg.train.recipe import Recipe, get_recipe, override, recipe_names  # noqa: E402

FOLDER = Path(sys.argv[2])
STEPS = 3
CHANGES = {
    "joint": ["optimizer_kind=muon", "checkpoint_attention=true"],
    "superres": ["late=0.5", "bound=false"],
    "vocoder": ["discriminators_from=1"],
    "yolox": ["plain_from=0.3"],
}
"""Settings of some recipes, so that all of them together take every way through the loop."""
ON = {"seld": "cuda:1", "mmaudio": "cuda:1"}
WITHOUT_SHEETS = {"mel_vae", "vocoder", "video", "superres", "distill"}
"""Recipes that train on another device than the first; and those whose sheets, which are long to
compute, are left out."""


def listed(waits: Counter[Any]) -> dict[str, int]:
    return {f"{kind} at {place}": count for (kind, place), count in waits.items() if count}


def without_gpu(call: Callable[[], Any]) -> Any:
    """The call on a machine whose GPUs cannot be seen, as data are prepared outside the count."""
    usual = torch.cuda.is_available
    torch.cuda.is_available = lambda: False
    try:
        return call()
    finally:
        torch.cuda.is_available = usual


def packed(recipe: Recipe) -> None:
    without_gpu(lambda: recipe.open("synthetic", FOLDER / recipe.kind))


def recipe_case(recipe: Recipe, device: str = "cuda", evaluated: bool = True) -> dict[str, Any]:
    """Waits of a whole step of the loop, from its loss to the next one's, once all is warm."""
    sheets = STEPS if evaluated else 0
    optim = replace(recipe.optim, steps=STEPS, log_every=100, save_every=0, sample_every=sheets)
    recipe = replace(recipe, optim=optim)
    marks: list[Counter[Any]] = []
    usual = recipe.loss
    with pretended() as waits:

        def loss(*args: Any) -> Any:
            marks.append(Counter(waits))
            return usual(*args)

        object.__setattr__(recipe, "loss", loss)
        session = Session(FOLDER / recipe.kind, device=device, precision="bfloat16", quiet=True)
        reached = train(recipe, session)
    return {
        "reached": reached,
        "waits": listed(marks[2] - marks[1]),
        "devices": sorted(waits.devices),
    }


def pipeline_case(kind: type[Any], tiny: Callable[..., Any], **options: Any) -> dict[str, Any]:
    """Waits of a call, and how much it differs from the same call on a CPU."""
    folder = FOLDER / f"pipeline_{kind.name}"
    if not folder.exists():
        tiny(1).save_pretrained(folder)

    def call(pipeline: Any) -> list[Any]:
        if pipeline.output == "audio":
            frames = np.random.default_rng(0).integers(0, 255, (8, 32, 32, 3), np.uint8)
            return [pipeline(frames, 4, seed=3, **options)]
        results = pipeline(2, seed=3, **options)
        return [
            part for r in results for part in ((r.video, r.audio) if hasattr(r, "audio") else (r,))
        ]

    expected = call(kind.from_pretrained(folder, device="cpu", dtype="float32"))
    with pretended() as waits:
        pipeline = kind.from_pretrained(folder, device="cuda", dtype="float32")
        result = call(pipeline)
        waits.clear()  # constant tables are there now
        evaluations: list[None] = []
        if hasattr(pipeline, "network"):
            pipeline.network.register_forward_hook(lambda *_: evaluations.append(None))
        call(pipeline)
    worst = [
        float(np.abs(a.astype(float) - b).max()) for a, b in zip(expected, result, strict=True)
    ]
    return {
        "waits": listed(waits),
        "worst": max(worst),
        "devices": sorted(waits.devices),
        "evaluations": len(evaluations),
    }


def cases() -> dict[str, Callable[[], dict[str, Any]]]:
    found: dict[str, Callable[[], dict[str, Any]]] = {}
    for name in recipe_names():
        recipe = override(get_recipe(name, "tiny"), CHANGES.get(name, []))
        device = ON.get(name, "cuda")
        found[f"recipe {name}"] = (
            lambda recipe=recipe, device=device, sheets=name not in WITHOUT_SHEETS: recipe_case(
                recipe, device, sheets
            )
        )
    guided = ["guidance.weight=2.0", "guidance.first=0.0", "guidance.last=1.0"]
    student = override(get_recipe("distill", "video_tiny"), guided)
    found["recipe distill, guided video"] = lambda: recipe_case(student, evaluated=False)
    for registry in (CLIPS, AUDIO):
        for name in registry:
            kind = registry[name]
            tiny = getattr(sys.modules[kind.__module__], "tiny")  # noqa: B009
            found[f"pipeline {name}"] = lambda kind=kind, tiny=tiny: pipeline_case(kind, tiny)
    kind = CLIPS["joint"]
    for sampler in ("dpmpp_adaptive", "ddpm"):
        found[f"pipeline joint, {sampler}"] = lambda s=sampler: pipeline_case(
            kind, sys.modules[kind.__module__].tiny, sampler=s, steps=4
        )
    found["benchmark"] = benchmark_case
    found["broken: a copy forgotten"] = broken_device
    found["broken: an item too many"] = broken_item
    found["broken: a number in an if"] = broken_if
    return found


def benchmark_case() -> dict[str, Any]:
    """The table of benchmarks/gpu.sh, of tiny networks."""
    from benchmarks import gpu_speed

    text = io.StringIO()
    with pretended() as waits, contextlib.redirect_stdout(text):
        code = gpu_speed.main(["--config", "tiny", "--eager", "--batch", "2"])
    return {"code": code, "text": text.getvalue(), "devices": sorted(waits.devices)}


def broken_device() -> dict[str, Any]:
    """The sampler's start is left on the CPU."""
    from savg.pipelines import sampling

    usual = sampling.ClipNoise.draw
    sampling.ClipNoise.draw = lambda self, shape, device="cpu": usual(self, shape)
    try:
        return pipeline_case(CLIPS["joint"], sys.modules[CLIPS["joint"].__module__].tiny)
    finally:
        sampling.ClipNoise.draw = usual


def broken_by(look: Callable[[torch.Tensor], Any]) -> dict[str, Any]:
    """A recipe whose loss is looked at in every step."""
    recipe = get_recipe("seld", "tiny")
    usual = recipe.loss

    def loss(*args: Any) -> Any:
        value, scalars = usual(*args)
        look(value)
        return value, scalars

    recipe = replace(recipe, optim=replace(recipe.optim, seed=1))
    object.__setattr__(recipe, "loss", loss)
    kept, type(recipe).loss = type(recipe).loss, lambda self, *args: loss(*args)
    try:
        return recipe_case(recipe, evaluated=False)
    finally:
        type(recipe).loss = kept  # type: ignore[method-assign]


def broken_item() -> dict[str, Any]:
    return broken_by(lambda value: value.detach().item())


def broken_if() -> dict[str, Any]:
    return broken_by(lambda value: "large" if value > 1e9 else "small")


def main() -> None:
    torch.set_num_threads(1)
    for name in recipe_names():
        packed(get_recipe(name, "tiny"))
    results: dict[str, dict[str, Any]] = {}
    chosen = sys.argv[4:]
    for name, case in cases().items():
        if chosen and not any(part in name for part in chosen):
            continue
        for old in FOLDER.glob("*/checkpoints"):
            old.rename(FOLDER / f"old-{len(results)}-{old.parent.name}")
        start = time.process_time()
        try:
            results[name] = case()
        except Exception as error:  # a result like any other: the test asks for it
            if chosen:
                raise
            results[name] = {"problem": machine.problem(error)}
        results[name]["seconds"] = round(time.process_time() - start, 1)
    Path(sys.argv[3]).write_text(json.dumps(results, indent=1, default=float))


if __name__ == "__main__":
    main()
