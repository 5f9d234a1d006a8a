"""`python -m savg evaluate`: metrics of a folder of clips, with intervals and chance baselines."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from savg.cli.evaluate_arguments import add_arguments as add_arguments
from savg.cli.observing import audio_rules, load_detectors
from savg.errors import SavgError, whole_number
from savg.evaluation.files import (
    EVENTS,
    lacking_truth,
    read_tables,
    read_truth,
    result_names,
    tables_in,
)
from savg.evaluation.leaderboard import append_run, read_leaderboard
from savg.evaluation.observe import Failure
from savg.evaluation.official_tables import OfficialTables
from savg.evaluation.outcome import OFFICIAL
from savg.evaluation.processes import MeetingError, Processes, is_first
from savg.evaluation.report import as_text, beside, notes_text
from savg.evaluation.results_file import GENERATED, REFERENCE, Run
from savg.evaluation.selection import ALL, SETS, Selection, select_metrics
from savg.features.networks import check_source
from savg.folders import videos_in
from savg.metrics.base import Item, Need
from savg.paths import existing, writable_file, writable_folder

if TYPE_CHECKING:
    from savg.clip import Clip
    from savg.evaluation.cache import Cache
    from savg.evaluation.clip_set import ClipSet
    from savg.evaluation.nearest import ReadClip
    from savg.evaluation.observe import Detectors
    from savg.evaluation.observers import Source
    from savg.evaluation.outcome import Outcome
    from savg.evaluation.reading import Reading
    from savg.metrics.base import Truth

HELP = "Score a folder of clips, or of tables, by the metrics of the papers and others."


def run(args: argparse.Namespace) -> int:
    """Score the folder; a bad file becomes one sentence and exit code 1, the others are scored."""
    if args.networks:
        check_source(args.networks)
    if args.selftest is not None:
        return int(importlib.import_module("savg.cli.selftest").run(args))
    try:
        processes = Processes.of_environment()
    except MeetingError:
        if is_first():
            raise
        return 1  # the first process says why
    try:
        with processes:
            return _Command(args, processes).run()
    except (SavgError, MemoryError):
        if processes.main:
            raise
        return 0  # the first process says it


class _Command:
    """One call of the command: its arguments and what they name."""

    def __init__(self, args: argparse.Namespace, processes: Processes) -> None:
        self.args, self.processes = args, processes
        self.warnings: list[str] = []

    def run(self) -> int:
        args = self.args
        whole_number("--seed", args.seed, 0)
        if args.out:
            writable_folder(args.out, "--out")
        if args.leaderboard:
            writable_file(args.leaderboard, "--leaderboard")
            read_leaderboard(args.leaderboard)
        for folder in filter(None, (args.truth, args.reference)):
            existing(folder, "folder")
        self.tables = OfficialTables.of(args.seld_csv, args.detection_csv)
        self.folder = self._folder()
        if self.folder is None:
            self._check_truth(self.tables.names())
            items = self.tables.items(truth=self._truth())
            return self._tables_alone(items, str(args.seld_csv))
        tables, videos = tables_in(self.folder), videos_in(self.folder)
        if not tables and not videos:
            raise SavgError(f"{self.folder} must hold videos or tables named NAME{EVENTS}.")
        self._check_truth([*tables] or result_names(videos))
        if tables:
            return self._tables_alone(self._read_all(tables), str(self.folder))
        return self._clips()

    def _folder(self) -> Path | None:
        """The folder that is scored; None where official tables alone are."""
        args = self.args
        if args.folder and args.generated:
            raise SavgError("The clips must be given once: as DIR or as --generated DIR.")
        if not (args.folder or args.generated):
            if self.tables.complete:
                return None
            raise SavgError("--generated must name the folder of clips to score.")
        folder = existing(args.folder or args.generated, "folder")
        if not folder.is_dir():
            raise SavgError(f"{folder} must be a folder of clips or tables, got a file.")
        return folder

    # Tables instead of clips.

    def _tables_alone(self, items: Iterable[Item | Failure], what: str) -> int:
        from savg.evaluation.outcome import evaluate_items
        from savg.evaluation.run_files import about

        args = self.args
        if args.reference:
            raise SavgError("--reference goes with videos: tables are compared with nothing.")
        if self.folder is None:
            self.tables.check(self.tables.names())
            self._warn(*self.tables.check_positions())
        elif self.tables:
            raise SavgError("--seld-csv and --detection-csv go with videos or stand alone.")
        truth = {Need.TRUTH} if args.truth else set()
        selection = self._select({Need.PERSONS, Need.SOUNDS} | truth)
        if not self.processes.main:
            return 0
        with evaluate_items(items, selection.metrics, args.seed) as outcome:
            facts = about(args.name or Path(what).name, what, seed=args.seed)
            return self._end(outcome, facts)

    def _read_all(self, tables: dict[str, Path]) -> Iterator[Item | Failure]:
        truth = self._truth()
        for name, path in tables.items():
            try:
                yield Item(name, read_tables(path), truth=truth(name) if truth else None)
            except SavgError as error:
                yield Failure(name, str(error))

    # Clips.

    def _clips(self) -> int:
        from savg.evaluation.clip_set import (
            ClipSet,
            problems_of,
            refuse_silent_set,
            warnings_about,
            warnings_about_rates,
        )
        from savg.evaluation.run_files import about
        from savg.evaluation.runs import Request, evaluate_sets

        args, reading = self.args, self._reading()
        assert self.folder is not None
        selection = self._select(self._inputs())
        generated = ClipSet.of(self.folder, reading.audio)
        reference = ClipSet.of(args.reference, reading.audio) if args.reference else None
        problems = problems_of(selection.metrics.values(), generated, reference)
        selection = self._left(selection.without(problems))
        if self.tables:
            self.tables.check(generated.names)
            self._warn(*self.tables.check_positions())
        if not reading.audio.silent:
            refuse_silent_set(generated)
        self._warn(*warnings_about(generated, reference))
        if any(name.startswith("temporal_av_align") for name in selection.metrics):
            self._warn(*warnings_about_rates(generated, reading.format.fps))
        with ExitStack() as stack:
            request = Request(
                generated,
                selection.metrics,
                self._detectors,
                self._cache(stack),
                reading,
                reference,
                self._truth(),
                self.tables,
                args.mode,
                args.networks,
                self.processes.device(args.device),
                args.seed,
                args.baselines,
            )
            outcome = evaluate_sets(request, self.processes, self._bar)
            if outcome is None:
                return 0
            stack.enter_context(outcome)
            if outcome.silent:
                from savg.evaluation.clip_set import listed

                verb = "has" if len(outcome.silent) == 1 else "have"
                self._warn(f"{listed(outcome.silent)} {verb} an audio track of silence alone.")
            facts = about(
                args.name or generated.folder.resolve().name,
                generated.folder.resolve(),
                reference=None if reference is None else str(reference.folder.resolve()),
                reference_sha256=None if reference is None else reference.sha256,
                mode=args.mode,
                seed=args.seed,
                left_out=dict(selection.left_out),
                reading=reading.facts,
            )
            return self._end(outcome, facts, (generated, reference, reading))

    def _reading(self) -> Reading:
        from savg.evaluation.reading import Reading

        args = self.args
        rules = audio_rules(args)
        return Reading.of(args.fps, args.sample_rate, args.seconds, args.max_seconds, rules)

    def _detectors(self) -> Detectors:
        device = self.processes.device(self.args.device)
        return load_detectors(self.args, self.args.truth is not None, device, self.args.objects)

    def _cache(self, stack: ExitStack) -> Cache:
        """The cache; without one, a folder that is removed at the end."""
        import tempfile

        from savg.evaluation.cache import Cache, default_cache

        if self.args.cache is not None:
            return Cache(writable_folder(self.args.cache, "--cache"))
        if not self.args.no_cache:
            return Cache(writable_folder(default_cache(), "--cache"))
        folder = ""
        if self.processes.main:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="savg-"))
        return Cache(Path(self.processes.tell("cache", folder)))

    def _bar(self, sources: Iterable[Source], name: str) -> Iterable[Source]:
        from tqdm import tqdm

        bar: Iterable[Source] = tqdm(sources, desc=name, unit="clip", file=sys.stderr)
        return bar

    # What both share.

    def _select(self, inputs: set[Need]) -> Selection:
        args = self.args
        selection = select_metrics(args.metrics, inputs, args.networks)
        if args.mode == OFFICIAL:
            from savg.evaluation.official import official_problems

            selection = selection.without(official_problems(selection.metrics.values()))
            if args.metrics is None:
                selection = selection.only(SETS["savgbench"])
        if not selection.metrics:
            reasons = " ".join(selection.left_out.values())
            raise SavgError(f"No metric can be computed of what is here. {reasons}")
        return selection

    def _left(self, selection: Selection) -> Selection:
        """The selection; with `all`, and in official mode, why others are not computed is said."""
        args = self.args
        told = args.mode == OFFICIAL if args.metrics is None else ALL in args.metrics
        if told and self.processes.main:
            for sentence in selection.left_out.values():
                print(f"left out: {sentence}", file=sys.stderr)
        return selection

    def _inputs(self) -> set[Need]:
        inputs = {Need.PERSONS, Need.SOUNDS, Need.FEATURES, Need.CLIP}
        inputs |= {Need.TRUTH} if self.args.truth else set()
        return inputs | ({Need.REFERENCE, Need.PAIRS} if self.args.reference else set())

    def _truth(self) -> Callable[[str], Truth] | None:
        folder = self.args.truth
        return partial(read_truth, existing(folder, "folder")) if folder else None

    def _check_truth(self, names: list[str]) -> None:
        """Say which true tables are missing, before clips are observed."""
        if self.args.truth:
            self._warn(*filter(None, [lacking_truth(self.args.truth, names)]))

    def _warn(self, *sentences: str) -> None:
        self.warnings += sentences
        if self.processes.main:
            for sentence in sentences:
                print(f"warning: {sentence}", file=sys.stderr)

    def _end(
        self,
        outcome: Outcome,
        facts: dict[str, object],
        sets: tuple[ClipSet, ClipSet | None, Reading] | None = None,
    ) -> int:
        """Write and print the run; returns the exit code."""
        from savg.evaluation.run_files import run_of, write_run

        args, run = self.args, run_of(outcome, facts, self.warnings)
        for row in run.failed:
            print(f"error: {row['reason']}", file=sys.stderr)
        scored = run.generated.clips > 0
        if scored and args.out:
            run, _ = write_run(args.out, run, outcome, _reader(*sets) if sets else None)
        if scored and args.leaderboard:
            append_run(args.leaderboard, run)
        if args.json:
            print(json.dumps(run.to_json(), allow_nan=False))
        elif scored:
            _print(run, outcome)
        if run.failed and scored:
            own = (run.sets[key].clips for key in (GENERATED, REFERENCE) if key in run.sets)
            count = f"{len(run.failed)} of {sum(own) + len(run.failed)}"
            print(f"{count} clips could not be evaluated.", file=sys.stderr)
        return 1 if run.failed else 0


def _reader(generated: ClipSet, reference: ClipSet | None, reading: Reading) -> ReadClip:
    """Reads a clip by set and name."""

    def read(key: str, name: str) -> Clip:
        clips = generated if key == GENERATED else reference
        assert clips is not None
        return reading.read(clips.path(name))

    return read


def _print(run: Run, outcome: Outcome) -> None:
    """The results of the generated set in lines, below them those of the other sets, and notes."""
    generated = outcome.sets[GENERATED]
    parts = as_text(generated), beside(run.sets), notes_text(generated), _judges(outcome)
    print("\n\n".join(filter(None, parts)))


def _judges(outcome: Outcome) -> str:
    """Who found people and sounds; empty where tables say so."""
    names = [outcome.networks.get(kind, {}).get("detector") for kind in ("persons", "sounds")]
    return "Boxes by {}, sound events by {}.".format(*names) if all(names) else ""
