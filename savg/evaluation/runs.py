"""A whole evaluation: the generated set, the reference set, and rows to hold the numbers against.

Rows beside the generated clips are those of `savg.evaluation.baseline_rows`. Features and boxes of the
trivial baselines' videos are those of the generated clips; what listens is computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from savg.annotation import Boxes
from savg.errors import SavgError
from savg.evaluation.baseline_rows import Metrics, altered_sources, baseline_rows
from savg.evaluation.cache import Cache
from savg.evaluation.clip_set import ClipSet
from savg.evaluation.frame_table import FrameTable
from savg.evaluation.observe import Detectors, Failure
from savg.evaluation.observers import Observers, Source, cached_value, observe_all
from savg.evaluation.official_tables import OfficialTables
from savg.evaluation.outcome import BOXES, CENTRE, LABELS, OFFICIAL, STANDARD, Outcome, with_facts
from savg.evaluation.parts import Facts, Persons
from savg.evaluation.processes import Processes
from savg.evaluation.reading import Reading
from savg.evaluation.results_file import GENERATED, REFERENCE
from savg.evaluation.score import Scorer
from savg.metrics.base import Item, Metric, Need, Observation, Reference, Truth
from savg.metrics.nearest_clip import FEATURE as THUMBNAILS

if TYPE_CHECKING:
    from savg.evaluation.official import OfficialSet

Progress = Callable[[Iterable[Source], str], Iterable[Source]]
"""(sources, name of their set) → the same sources, while a bar is shown."""


@dataclass(frozen=True)
class Request:
    """What is evaluated, and how.

    Attributes:
        generated: the clips.
        metrics: classes by name.
        detectors: or a function that loads them.
        cache: folder of observations.
        reading: how clips are read.
        reference: the set to compare with.
        truth: ground truth of a generated clip by name.
        tables: official tables of the generated clips in place of detections.
        mode: one of `MODES`.
        networks, device: of backbones, as of `Observers`.
        seed: of resampling.
        baselines: whether there are rows beside the generated set.
    """

    generated: ClipSet
    metrics: Mapping[str, type[Metric]]
    detectors: Detectors | Callable[[], Detectors]
    cache: Cache
    reading: Reading = field(default_factory=Reading)
    reference: ClipSet | None = None
    truth: Callable[[str], Truth] | None = None
    tables: OfficialTables = field(default_factory=OfficialTables)
    mode: str = STANDARD
    networks: str | None = None
    device: str | None = None
    seed: int = 0
    baselines: bool = True


def evaluate_sets(
    request: Request,
    processes: Processes | None = None,
    progress: Progress = lambda sources, name: sources,
) -> Outcome | None:
    """Evaluate all sets; None in a process that only helped to observe.

    Raises:
        SavgError: weights are missing or do not fit, a metric has no official form, the cache cannot be
            written, a process failed.

    Example:
        >>> clips = ClipSet.of(Path("clips"))
        >>> metrics = select_metrics(None, {Need.PERSONS, Need.SOUNDS, Need.FEATURES}).metrics
        >>> request = Request(clips, metrics, Detectors.load, Cache(default_cache()))
        >>> with evaluate_sets(request) as outcome:
        ...     print(as_text(outcome.sets["generated"]))
    """
    run = _Evaluating(request, processes or Processes(), progress)
    run.load()
    if run.processes.count > 1:
        run.fill()
        run.processes.finish()
    return run.score() if run.processes.main else None


class _Evaluating:
    """One evaluation: observers of each set, and the order of work."""

    def __init__(self, request: Request, processes: Processes, progress: Progress) -> None:
        self.request, self.processes, self.progress = request, processes, progress
        metrics = request.metrics.values()
        self.official = _official_names(metrics) if request.mode == OFFICIAL else []
        observers = Observers.for_metrics(
            metrics, request.detectors, request.networks, request.device
        )
        tables = request.tables
        self.observers = replace(
            observers,
            backbones=tuple(n for n in observers.backbones if n not in self.official),
            persons=observers.persons and tables.persons is None,
            sounds=observers.sounds and tables.sounds is None,
        )
        self.rows = self._rows()
        self._official_provenance: dict[str, Mapping[str, Any]] = {}

    def _rows(self) -> dict[str, Metrics]:
        """The sets of this evaluation with their metrics."""
        request = self.request
        rows: dict[str, Metrics] = {GENERATED: request.metrics}
        if request.baselines and not request.tables:
            rows |= baseline_rows(request.metrics, request.reference is not None, self.official)
        return rows

    def _officially(self, metric: type[Metric]) -> list[str]:
        """The backbones of a metric whose features are those of files' pieces, not of clips."""
        return [name for name in metric.backbones if name in self.official]

    @property
    def reference_observers(self) -> Observers:
        """Observers of the reference set: features that metrics compare, and what its row needs."""
        comparing = [
            metric
            for metric in self.request.metrics.values()
            if metric.needs & {Need.REFERENCE, Need.PAIRS}
        ]
        row = self.rows.get(REFERENCE, {}).values()
        wanted = Observers.for_metrics([*comparing, *row])
        needs = {need for metric in row for need in metric.needs}
        return replace(
            self.observers,
            features=wanted.features,
            backbones=tuple(n for n in wanted.backbones if n not in self.official),
            clips=Need.CLIP in needs,
            persons=Need.PERSONS in needs,
            sounds=Need.SOUNDS in needs,
        )

    @property
    def has_reference(self) -> bool:
        """Whether the reference set is read."""
        needs = {need for metric in self.request.metrics.values() for need in metric.needs}
        return self.request.reference is not None and bool(
            REFERENCE in self.rows or needs & {Need.REFERENCE, Need.PAIRS}
        )

    def load(self) -> None:
        """Load the networks, so that what is wrong with them is told first."""
        _ = self.observers.parts
        if self.official:
            from savg.evaluation.official import official_provenance

            for name in self.official:
                self._official_provenance[name] = official_provenance(name, self.request.networks)

    def fill(self) -> None:
        """Observe this process's share of all sets into the cache."""
        request, group = self.request, self.request.reading.group
        boxes: dict[str, Boxes] = {}
        mine = self.processes.share(request.generated.sources(request.reading), group)
        for item in self._observe(mine, self.observers, GENERATED):
            if isinstance(item, Item):
                boxes[item.name] = item.observation.boxes
        for key in self.rows.keys() & {CENTRE, BOXES}:
            for _ in self._observe(self._altered(key, mine, boxes), self.observers, key):
                pass
        if self.has_reference and request.reference is not None:
            sources = request.reference.sources(request.reading)
            share = self.processes.share(sources, group)
            for _ in self._observe(share, self.reference_observers, REFERENCE):
                pass

    def _observe(
        self, sources: Iterable[Source], observers: Observers, name: str
    ) -> Iterator[Item | Failure]:
        """The items of a set, with a bar in the first process."""
        if self.processes.main:
            sources = self.progress(sources, LABELS[name])
        truth = self.request.truth if name != REFERENCE and self.processes.main else None
        items = observe_all(
            sources, observers, self.request.cache, truth, self.request.reading.group
        )
        return self.processes.watch(items)

    def _altered(
        self, key: str, sources: Iterable[Source], boxes: Mapping[str, Boxes]
    ) -> list[Source]:
        """The clips of a trivial baseline."""
        part = next((p.file for p in self.observers.parts if isinstance(p, Persons)), "")
        return altered_sources(key, sources, boxes, part)

    def score(self) -> Outcome:
        """The results of all sets."""
        outcome = Outcome()
        with outcome.closed_on_error():
            self._score(outcome)
        return outcome

    def _score(self, outcome: Outcome) -> None:
        request = self.request
        ours, theirs = self._official_features()
        outcome.reference = self._reference(outcome, theirs)
        scorer = Scorer(self.rows[GENERATED], outcome.reference, request.seed)
        outcome.frames = FrameTable(request.metrics.values())
        sources = request.generated.sources(request.reading)
        notes = {
            file.name: {"audio_note": file.note} for file in request.generated.files if file.note
        }
        boxes: dict[str, Boxes] = {}
        for item in self._observe(sources, self.observers, GENERATED):
            item = request.tables.put_into(item) if isinstance(item, Item) else item
            item = _with_official(item, ours)
            scorer.add(item, **notes.get(item.name, {}))
            if isinstance(item, Item):
                boxes[item.name] = item.observation.boxes
                outcome.frames.add(item)
                if THUMBNAILS in item.observation.features:
                    outcome.thumbnails.append(_thumbnails(item))
        self._finish(outcome, GENERATED, scorer)
        outcome.silent = self._silent(sources)
        for key in (CENTRE, BOXES):
            if key in self.rows:
                scorer = Scorer(self.rows[key], outcome.reference, request.seed)
                altered = self._altered(key, sources, boxes)
                for item in self._observe(altered, self.observers, key):
                    scorer.add(_with_official(item, ours))
                self._finish(outcome, key, scorer)

    def _reference(self, outcome: Outcome, official: OfficialSet | None) -> Reference | None:
        """The features of the reference set; its own row is added to the outcome."""
        request = self.request
        if request.reference is None or not self.has_reference:
            return None
        scorer = Scorer(self.rows.get(REFERENCE, {}), None, request.seed)
        features: dict[str, Mapping[str, Any]] = {}
        sources = request.reference.sources(request.reading)
        for item in self._observe(sources, self.reference_observers, REFERENCE):
            item = _with_official(item, official)
            scorer.add(item)
            if isinstance(item, Item):
                features[item.name] = item.observation.features
        if not features:
            reason = scorer.rows[0]["error"]
            raise SavgError(f"{request.reference.folder} has no clip to compare with: {reason}")
        self._finish(outcome, REFERENCE, scorer)
        return Reference(features)

    def _finish(self, outcome: Outcome, key: str, scorer: Scorer) -> None:
        """Add a set's results, with mode and networks in their notes."""

        def facts(name: str) -> dict[str, Any]:
            metric = self.request.metrics[name]
            networks = self._networks(metric)
            outcome.networks |= networks
            standard = metric.backbones and not self._officially(metric)
            return {"mode": STANDARD if standard else self.request.mode, "networks": networks}

        outcome.sets[key] = with_facts(scorer.evaluation(), facts)

    def _networks(self, metric: type[Metric]) -> dict[str, dict[str, Any]]:
        networks = self.observers.provenance(metric)
        for name in self.official:
            if name in metric.backbones:
                networks[name] = dict(self._official_provenance[name])
        for need, name, folder in (
            (Need.SOUNDS, "sounds", self.request.tables.sounds),
            (Need.PERSONS, "persons", self.request.tables.persons),
        ):
            if folder is not None and need in metric.needs:
                networks[name] = {"tables": str(folder)}
        return networks

    def _official_features(self) -> tuple[OfficialSet | None, OfficialSet | None]:
        """Features of the published evaluator's pieces of both sets."""
        request = self.request
        if not self.official or request.reference is None:
            return None, None
        from savg.evaluation.official import official_features

        generated = [file.path for file in request.generated.files]
        reference = [file.path for file in request.reference.files]
        return official_features(
            generated,
            reference,
            self.official,
            request.networks,
            request.device,
            cache=request.cache,
        )

    def _silent(self, sources: Iterable[Source]) -> list[str]:
        """Names of generated clips without any sound, as far as the cache knows them."""
        known = ((s.name, cached_value(Facts(), s.key, self.request.cache)) for s in sources)
        return [name for name, facts in known if facts is not None and facts[1]]


def _official_names(metrics: Collection[type[Metric]]) -> list[str]:
    """The backbones of metrics whose features are those of files' pieces; SavgError for a metric that
    would join them with others."""
    from savg.evaluation.official import OFFICIAL_BACKBONES, official_problems

    for sentence in official_problems(metrics).values():
        raise SavgError(sentence)
    names = {name for metric in metrics for name in metric.backbones}
    return sorted(names & set(OFFICIAL_BACKBONES))


def _with_official(item: Item | Failure, official: OfficialSet | None) -> Item | Failure:
    """The item with the official features of the clip of its name; a Failure where the published
    evaluator's reader could not read it."""
    if official is None or isinstance(item, Failure):
        return item
    if item.name in official.failures:
        return Failure(item.name, official.failures[item.name])
    observation = item.observation
    together = {**observation.features, **official.features.get(item.name, {})}
    return replace(item, observation=replace(observation, features=together))


def _thumbnails(item: Item) -> Item:
    """An item with its thumbnails alone."""
    thumbs = {THUMBNAILS: item.observation.features[THUMBNAILS]}
    empty = Observation(item.observation.events, item.observation.boxes, features=thumbs)
    return Item(item.name, empty)
