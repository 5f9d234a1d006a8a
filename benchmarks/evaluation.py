"""The whole benchmark on the bundled pipelines: `python -m benchmarks.evaluation`.

Generates clips of fixed seeds by the joint and the two-stage pipeline, renders the synthetic evaluation
split (held-out scenes that no training reads) as reference, and evaluates both sets by `python -m savg
evaluate` with every metric whose networks are here. The results come with the package and are shown in
the Results tab. What is there already in --work is not made again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from benchmarks.synthetic import held_out, progress
from savg.cli import main as savg
from savg.evaluation.result_files import RESULTS
from savg.evaluation.results_file import RESULTS_JSON, read_run
from savg.paths import atomic_file

PIPELINES = ("joint", "two_stage")
WORLD = "solo"


def main() -> None:
    """Generate, evaluate, and store both results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, default=64, metavar="N", help="clips of each pipeline")
    parser.add_argument("--reference", type=int, default=128, metavar="N", help="held-out scenes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/evaluation"), metavar="DIR")
    parser.add_argument("--out", type=Path, default=RESULTS / "evaluations", metavar="DIR")
    args = parser.parse_args()
    reference = write_reference(args.work / "reference", args.reference)
    for name in PIPELINES:
        clips = args.work / name
        generate(name, clips, args.num, args.seed)
        results = args.work / "results" / name
        command = ["evaluate", "--generated", str(clips), "--reference", str(reference)]
        command += ["--out", str(results), "--name", f"{name}, demo weights"]
        savg(command)
        store(results, args.out / name)


def write_reference(folder: Path, count: int) -> Path:
    """Held-out scenes as clips, each with its labels NAME.csv and boxes NAME.boxes.csv."""
    for index in progress(range(count), count, "held-out clips"):
        clip = folder / f"{index:04d}.mp4"
        if clip.is_file():
            continue
        rendered = held_out(WORLD, index)
        rendered.labels.write_csv(clip.with_suffix(".csv"))
        rendered.boxes.write_csv(clip.with_suffix(".boxes.csv"))
        rendered.clip.write(clip)
    return folder


def generate(pipeline: str, folder: Path, count: int, seed: int) -> None:
    """Clips of a bundled pipeline, unless they are there."""
    if not (folder / f"{pipeline}_seed{seed}_{count - 1:04d}.mp4").is_file():
        command = ["generate", "--pipeline", pipeline, "--num", str(count), "--seed", str(seed)]
        savg([*command, "--out", str(folder)])


def store(results: Path, target: Path) -> None:
    """Store results.json for the package, without folders of this machine."""
    run = read_run(results)
    facts = {key: value for key, value in run.about.items() if key != "left_out"}
    facts |= {
        "generated": results.name,
        "reference": "synthetic evaluation split",
        "command": "python -m benchmarks.evaluation",
    }
    nearest = tuple({**row, "image": None} for row in run.nearest)
    text = json.dumps(replace(run, about=facts, nearest=nearest).to_json(), allow_nan=False)
    for folder in (results.parent.parent.resolve(), results.parent.parent):
        text = text.replace(f"{folder}/", "")
    with atomic_file(target / RESULTS_JSON) as part:
        part.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
