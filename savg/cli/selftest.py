"""`python -m savg evaluate --selftest`: which metric sees which known damage of synthetic clips."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from savg.errors import SavgError, whole_number
from savg.evaluation.outcome import STANDARD
from savg.paths import atomic_file, writable_folder

if TYPE_CHECKING:
    from savg.clip import Clip
    from savg.evaluation.selftest import SelfTest, Subject
    from savg.metrics.base import Metric

LEAST = 4
"""Fewest clips; intervals need some."""

REFERENCE_FROM = 5000
"""First number of the scenes that serve as reference; the damaged ones count from 0."""


def run(args: argparse.Namespace) -> int:
    """Run the check-up; write selftest.json, selftest.md and selftest.svg into --out."""
    from tqdm import tqdm

    from savg.cli.observing import load_detectors
    from savg.evaluation.cache import Cache
    from savg.evaluation.observers import Observers
    from savg.evaluation.processes import Place
    from savg.evaluation.selftest import as_markdown, run_selftest

    if Place.of_environment().rank:
        return 0  # the first process does it, and says what is wrong
    _refuse_others(args)
    count = whole_number("--selftest", args.selftest, LEAST)
    whole_number("--seed", args.seed, 0)
    if args.out:
        writable_folder(args.out, "--out")
    metrics = _metrics(args)
    observers = Observers.for_metrics(
        metrics.values(), lambda: load_detectors(args, candidates=True), args.networks, args.device
    )
    with tempfile.TemporaryDirectory() as folder, tqdm(unit="set", file=sys.stderr) as bar:

        def progress(what: str, done: int, total: int) -> None:
            bar.total, bar.n = total, done
            bar.set_description(what)

        test = run_selftest(
            _scenes(0, count),
            _scenes(REFERENCE_FROM, count),
            metrics,
            observers,
            Cache(Path(folder)),
            seed=args.seed,
            progress=progress,
        )
    if args.out:
        _write(args.out, test)
    print(json.dumps(test.to_json(), allow_nan=False) if args.json else as_markdown(test))
    return 0


def _refuse_others(args: argparse.Namespace) -> None:
    """SavgError for an option that names clips, or what is done with the scores of some."""
    for name in ("folder", "generated", "reference", "truth", "seld_csv", "detection_csv"):
        if getattr(args, name) is not None:
            option = "DIR" if name == "folder" else f"--{name.replace('_', '-')}"
            raise SavgError(f"{option} does not go with --selftest, which makes its own clips.")
    if args.mode != STANDARD:
        raise SavgError(f"--mode {args.mode} does not go with --selftest, which knows {STANDARD}.")
    if args.leaderboard is not None:
        raise SavgError("--leaderboard does not go with --selftest, which scores no generated set.")


def _metrics(args: argparse.Namespace) -> Mapping[str, type[Metric]]:
    """The metrics that are asked for, or all whose networks are here; why others are not is said."""
    from savg.evaluation.selection import ALL, select_metrics
    from savg.metrics.base import Need

    selection = select_metrics(args.metrics or [ALL], set(Need), args.networks)
    for sentence in selection.left_out.values():
        print(f"warning: {sentence}", file=sys.stderr)
    return selection.metrics


def _scenes(first: int, count: int) -> list[Subject]:
    """Synthetic scenes of the test split, which no training reads, one person each; held in memory,
    5 MB each, since every damage needs them again."""
    from savg.data.scenes import World, draw_scene, render, split_seed
    from savg.evaluation.cache import digest
    from savg.evaluation.selftest import Subject
    from savg.metrics.base import Truth

    subjects = []
    for index in range(first, first + count):
        scene = render(draw_scene(split_seed("test", index), World.solo()))
        truth = Truth(scene.labels, scene.boxes)
        read = partial(_same, scene.clip)
        subjects.append(Subject(f"{index:04d}", read, digest({"scene": index}), truth))
    return subjects


def _same(clip: Clip) -> Clip:
    return clip


def _write(folder: Path, test: SelfTest) -> None:
    from savg.evaluation.result_files import provenance, setting
    from savg.evaluation.selftest import as_markdown, as_svg

    facts = setting("", command=f"python -m savg evaluate --selftest {test.clips}")
    title = "# Which metric sees which damage\n\n"
    picture = "![Metrics by damages](selftest.svg)\n\n"
    about = (
        f"{provenance(facts)}, {test.clips} synthetic clips, {test.reference} for reference.\n\n"
    )
    texts = {
        "selftest.json": json.dumps(
            {"setting": facts, **test.to_json()}, indent=1, allow_nan=False
        ),
        "selftest.md": title + about + picture + as_markdown(test),
        "selftest.svg": as_svg(test).rstrip("\n"),
    }
    for name, text in texts.items():
        with atomic_file(folder / name) as part:
            part.write_text(text + "\n", encoding="utf-8")
