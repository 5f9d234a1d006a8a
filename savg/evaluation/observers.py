"""Sets of clips, observed in a stream: detectors and networks see batches, memory holds few clips.

A thread reads ahead, up to a batch, while the one before is computed. Batches are consecutive sources,
whatever is cached and whoever else works on the set, so that results do not depend on either (up to
rounding, where only some of a batch are computed).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from savg.annotation import Boxes, SoundEvents
from savg.clip import Clip
from savg.errors import SavgError
from savg.evaluation.cache import Cache
from savg.evaluation.observe import Detectors, Failure, features_of, observation
from savg.evaluation.parts import Facts, Network, Part, Persons, Plain, Sounds
from savg.evaluation.read_ahead import batched, read_ahead
from savg.features.registry import backbone_class
from savg.format import ClipFormat
from savg.metrics.base import Extractor, Item, Metric, Need, Observation, Reference, Truth

GROUP = 8
"""Clips that are computed together."""


@dataclass(frozen=True)
class Source:
    """A clip that can be read.

    Attributes:
        name: of the clip.
        read: reads or makes it.
        key: of its content in the cache (`savg.evaluation.cache.content_key`); None: not cached.
        video_key: of its video, where only the audio differs from another clip.
    """

    name: str
    read: Callable[[], Clip]
    key: str | None = None
    video_key: str | None = None

    def key_of(self, part: Part) -> str | None:
        """The key of a part's value."""
        return self.video_key if part.visual and self.video_key else self.key


@dataclass(frozen=True, eq=False)
class Observers:
    """What a set of metrics needs to know of clips; networks are loaded once, when they are first used.

    Attributes:
        detectors: or a function that loads them; None: no detection.
        features: plain functions of a clip by name.
        backbones: names of registered backbones.
        networks: folder of component folders that backbones load (None: the default one).
        device: of backbones, as in `savg.device.choose`.
        clips: whether items carry their clips, so that every clip is read.
        persons, sounds: which of the detectors are used.
        loaded: networks so far, shared by copies that differ in what they use.

    Example:
        >>> observers = Observers.for_metrics(metrics.values(), Detectors.load)
        >>> for item in observe_all(sources, observers): ...
    """

    detectors: Detectors | Callable[[], Detectors] | None = None
    features: Mapping[str, Extractor] = field(default_factory=dict)
    backbones: Sequence[str] = ()
    networks: str | None = None
    device: str | None = None
    clips: bool = False
    persons: bool = True
    sounds: bool = True
    loaded: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def for_metrics(
        cls,
        metrics: Iterable[type[Metric]],
        detectors: Detectors | Callable[[], Detectors] | None = Detectors.load,
        networks: str | None = None,
        device: str | None = None,
        clips: bool = False,
    ) -> Observers:
        """What these metrics need; arguments as of the class."""
        classes = list(metrics)
        needs = {need for metric in classes for need in metric.needs}
        return cls(
            detectors,
            features_of(classes),
            tuple(dict.fromkeys(name for metric in classes for name in metric.backbones)),
            networks,
            device,
            clips or Need.CLIP in needs,
            Need.PERSONS in needs,
            Need.SOUNDS in needs,
        )

    @cached_property
    def loaded_detectors(self) -> Detectors | None:
        """The detectors, loaded; None where none is used."""
        if self.detectors is None or not (self.persons or self.sounds):
            return None
        if isinstance(self.detectors, Detectors):
            return self.detectors
        detectors: Detectors = self._once("detectors", self.detectors)
        return detectors

    def _once(self, name: str, load: Callable[[], Any]) -> Any:
        if name not in self.loaded:
            self.loaded[name] = load()
        return self.loaded[name]

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """What is computed of each clip, loaded.

        Raises:
            BackboneError: weights of a backbone are missing.
            CheckpointError: weights do not fit.
        """
        parts: list[Part] = [Facts()]
        detectors = self.loaded_detectors
        if detectors is not None and self.persons:
            parts.append(Persons(detectors.persons))
        if detectors is not None and self.sounds:
            parts.append(Sounds(detectors.sounds))
        parts += [Plain(name, extractor) for name, extractor in self.features.items()]
        for name in self.backbones:
            load = partial(backbone_class(name).load, self.networks, self.device)
            parts.append(Network(name, self._once(f"backbone {name}", load)))
        return tuple(parts)

    def provenance(self, metric: type[Metric]) -> dict[str, dict[str, Any]]:
        """What stands beside a metric's number: the networks that it rests on, by name."""
        return {
            name: dict(part.provenance)
            for part in self.parts
            if (name := _network(part, metric)) is not None
        }

    def observation(self, values: Mapping[str, Any]) -> Observation:
        """The observation of the parts' values by their names."""
        format: ClipFormat = values[Facts.name][0]
        boxes, events = (values.get(part.name) for part in (Persons, Sounds))
        detectors = self.loaded_detectors
        features = {
            part.feature: values[part.name]
            for part in self.parts
            if isinstance(part, Plain | Network)
        }
        return observation(
            format,
            Boxes.empty() if boxes is None else boxes,  # an empty table keeps its column of scores
            SoundEvents.empty() if events is None else events,
            features,
            None if detectors is None else detectors.threshold,
        )


def _network(part: Part, metric: type[Metric]) -> str | None:
    """The name of a part that a metric rests on, None for another part."""
    if isinstance(part, Network):
        return part.feature if part.feature in metric.backbones else None
    need = {Persons.name: Need.PERSONS, Sounds.name: Need.SOUNDS}.get(part.name)
    return part.name if need in metric.needs else None


@dataclass(eq=False)
class Work:
    """A source on its way: values so far by the names of their parts, the clip while it is needed."""

    source: Source
    values: dict[str, Any] = field(default_factory=dict)
    missing: list[Part] = field(default_factory=list)
    clip: Clip | None = None
    failure: str = ""

    @property
    def size(self) -> int:
        """Bytes that it occupies, roughly."""
        return 0 if self.clip is None else self.clip.video.nbytes + self.clip.audio.nbytes


def observe_all(
    sources: Iterable[Source],
    observers: Observers,
    cache: Cache | None = None,
    truth: Callable[[str], Truth] | None = None,
    group: int = GROUP,
    ahead: bool = True,
) -> Iterator[Item | Failure]:
    """Observe clips in their order.

    Args:
        sources: the clips; one whose parts are all cached is not read.
        observers: detectors, features and backbones.
        cache: parts of earlier runs, also of interrupted ones; what is new is added.
        truth: ground truth of a clip by name.
        group: clips computed together.
        ahead: read in a thread while others are computed.

    Yields:
        An Item for each clip; a Failure where one raises SavgError.

    Raises:
        SavgError: weights cannot be loaded, or the cache cannot be written.

    Example:
        >>> sources = [Source("a", partial(Clip.read, "a.mp4"))]
        >>> items = observe_all(sources, Observers.for_metrics([EventsPerClip]))
    """
    parts = observers.parts

    def start(source: Source) -> Work:
        return _start(source, parts, observers.clips, cache)

    with closing(read_ahead(start, sources, group if ahead else 0)) as works:
        for batch in batched(works, group):
            _compute(batch, cache)
            for work in batch:
                yield _result(work, observers, truth)
                work.clip = None


def _start(source: Source, parts: Sequence[Part], clips: bool, cache: Cache | None) -> Work:
    """What the cache has of a source, and its clip if more is needed."""
    work = Work(source)
    for part in parts:
        value = cached_value(part, source.key_of(part), cache)
        if value is None:
            work.missing.append(part)
        else:
            work.values[part.name] = value
    if work.missing or clips:
        try:
            work.clip = source.read()
        except SavgError as error:
            work.failure = str(error)
    return work


def cached_value(part: Part, key: str | None, cache: Cache | None) -> Any:
    """The value of a part in the cache, None where there is none or a damaged file."""
    arrays = cache.read(key, part.file) if cache and key else None
    if cache is None or key is None or arrays is None:
        return None
    try:
        return part.unpack(arrays)
    except (SavgError, ValueError, LookupError, TypeError, AttributeError) as error:
        cache.damaged(key, part.file, error)
        return None


def _compute(works: Sequence[Work], cache: Cache | None) -> None:
    """Compute what is missing, part by part, and cache it."""
    parts = {part.name: part for work in works for part in work.missing}
    for part in parts.values():
        needy = [work for work in works if part in work.missing]
        for batch in batched(needy, part.batch):
            _compute_part(part, [work for work in batch if not work.failure], cache)


def _compute_part(part: Part, works: Sequence[Work], cache: Cache | None) -> None:
    clips = [work.clip for work in works if work.clip is not None]
    if not clips:
        return
    try:
        values = part.compute(clips)
    except SavgError as error:
        if len(works) == 1:
            works[0].failure = str(error)
        else:
            for work in works:
                _compute_part(part, [work], cache)
        return
    for work, value in zip(works, values, strict=True):
        work.values[part.name] = value
        key = work.source.key_of(part)
        if cache and key:
            cache.write(key, part.file, part.pack(value))


def _result(
    work: Work, observers: Observers, truth: Callable[[str], Truth] | None
) -> Item | Failure:
    name = work.source.name
    if work.failure:
        return Failure(name, work.failure)
    try:
        labels = truth(name) if truth else None
    except SavgError as error:
        return Failure(name, str(error))
    clip = work.clip if observers.clips else None
    return Item(name, observers.observation(work.values), clip, labels)


def reference_of(items: Iterable[Item | Failure]) -> Reference:
    """The features of observed clips as a reference set; failures are left out."""
    return Reference(
        {item.name: item.observation.features for item in items if isinstance(item, Item)}
    )
