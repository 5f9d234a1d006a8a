"""Quality of the bundled pipeline and detectors: `python -m benchmarks.demo_quality`.

Held-out synthetic clips (seeds of the test split, which no training reads): F-score of sound events for
each class, AP50 of persons. Generated clips of fixed seeds: Spatial AV-Align with its chance baselines
and a 95 % interval, also of the events well off the centre alone, pan spread, correlation of
pan and person, share of frames with a person, distance to the nearest training clip; the same
measures of the held-out clips stand beside them. Writes the table as JSON and Markdown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.synthetic import TRAINED_ON, WORLDS, held_out, progress, trained_on
from savg.clip import Clip
from savg.evaluation.observe import Detectors, features_of, observe
from savg.evaluation.observers import Observers, Source, observe_all
from savg.evaluation.report import markdown_table
from savg.evaluation.result_files import RESULTS, SetResult, provenance, setting, write_result
from savg.evaluation.score import evaluate
from savg.metrics.base import Item, MetricResult, Need, Observation, Reference, Truth, format_number
from savg.metrics.registry import metric_classes
from savg.metrics.spatial import SpatialAvAlign
from savg.pipelines.joint import JointPipeline


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="demo", help="pipeline folder with detectors")
    parser.add_argument("--generated", type=int, default=64, metavar="N", help="0: none")
    parser.add_argument("--held-out", type=int, default=200, metavar="N", help="of each world")
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=["demo", "varied"])
    parser.add_argument(
        "--trained-on", type=int, default=TRAINED_ON[1], metavar="N", help="training clips compared"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--save", type=Path, metavar="DIR", help="keep the generated clips")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    detectors = Detectors.load(args.weights, candidates=True)
    reference = trained_on(args.trained_on if args.generated else 0)
    sets, true_tables = {}, {}
    for world in args.worlds if args.held_out else []:
        sets[f"held_out_{world}"], true_tables[world] = held_out_set(
            detectors, world, args.held_out, reference
        )
    if args.generated:
        sets["generated"] = generated_set(detectors, args, reference)
    facts = setting("demo_quality", seed=args.seed)
    result = {
        "setting": facts,
        "sets": {key: value.to_json() for key, value in sets.items()},
        "true_tables": {world: value.to_json() for world, value in true_tables.items()},
    }
    write_result("demo_quality", result, as_markdown(facts, sets), args.out)


def held_out_set(
    detectors: Detectors, world: str, count: int, reference: Reference | None
) -> tuple[SetResult, MetricResult]:
    """Metrics of held-out clips with their ground truth, and Spatial AV-Align of the true tables."""
    metrics = metric_classes(None, needs(reference) | {Need.TRUTH})
    features, items, tables = features_of(metrics.values()), [], SpatialAvAlign()
    for index in progress(range(count), count, f"held-out clips, {world} world"):
        rendered, name = held_out(world, index), f"{index:04d}"
        observation = observe(rendered.clip, detectors, features)
        items.append(Item(name, observation, truth=Truth(rendered.labels, rendered.boxes)))
        tables.update(Item(name, Observation(rendered.labels.events(), rendered.boxes)))
    label = f"Ground truth, synthetic, {world} world"
    return SetResult.of(label, evaluate(items, metrics, reference)), tables.compute()


def generated_set(
    detectors: Detectors, args: argparse.Namespace, reference: Reference | None
) -> SetResult:
    """Metrics of generated clips."""
    pipeline, seconds = JointPipeline.from_pretrained(args.weights), []

    def generated(index: int) -> Clip:
        start = time.perf_counter()
        clip: Clip = pipeline(1, seed=args.seed, first=index, steps=args.steps)[0]
        seconds.append(time.perf_counter() - start)
        if args.save:
            clip.write(args.save / f"joint_seed{args.seed}_{index:04d}.mp4")
        return clip

    def sources() -> Iterator[Source]:
        for index in progress(range(args.generated), args.generated, "generated clips"):
            yield Source(f"{index:04d}", partial(generated, index))

    metrics = metric_classes(None, needs(reference))
    observers = Observers.for_metrics(metrics.values(), detectors)
    items = observe_all(sources(), observers, ahead=False)
    return SetResult.of(
        "Joint, demo weights",
        evaluate(items, metrics, reference),
        sampler=asdict(pipeline.sampler.with_overrides(args.steps, None)),
        superres_sampler=asdict(pipeline.superres.sampler),
        weights={role: card.sha256 for role, card in pipeline.cards.items()},
        seconds_a_clip=sum(seconds) / args.generated,
    )


def needs(reference: Reference | None) -> set[Need]:
    """Inputs that are available to metrics of clips."""
    inputs = {Need.PERSONS, Need.SOUNDS, Need.FEATURES}
    return inputs | ({Need.REFERENCE} if reference else set())


def as_markdown(facts: dict[str, Any], sets: dict[str, SetResult]) -> str:
    """All measures as one table, a column for each set of clips."""
    seconds = [format_number(value.facts.get("seconds_a_clip"), 1) for value in sets.values()]
    table = markdown_table(
        {value.label: value.metrics for value in sets.values()},
        first=[["clips", *(str(value.clips) for value in sets.values())]],
        last=[["seconds a clip", *seconds]],
    )
    return f"# Demo quality\n\n{provenance(facts)}\n\n{table}\n"


if __name__ == "__main__":
    main()
