"""Rows to hold the generated set against: which there are, with which metrics, and their clips.

The reference set itself, and two trivial baselines of the generated videos: "centre", whose audio comes
from the centre always, and "boxes", whose mono audio is panned by the boxes of the person detector.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from savg.annotation import Boxes
from savg.clip import Clip
from savg.errors import SavgError
from savg.evaluation.cache import derived_key
from savg.evaluation.code_version import version_of
from savg.evaluation.observers import Source
from savg.evaluation.outcome import BOXES, CENTRE
from savg.evaluation.results_file import REFERENCE
from savg.features.registry import backbone_class
from savg.metrics.base import Metric, Need

Metrics = Mapping[str, type[Metric]]


def baseline_rows(
    metrics: Metrics, reference: bool, official: Collection[str] = ()
) -> dict[str, Metrics]:
    """The rows with their metrics by set.

    Args:
        metrics: of the generated set.
        reference: whether there is a reference set, which is compared with nothing.
        official: backbones whose features are those of the generated files, not of a row's clips:
            of them trivial baselines have only those of the video, which is the same.
    """
    rows: dict[str, Metrics] = {}
    own = {
        name: metric
        for name, metric in metrics.items()
        if not metric.needs & {Need.REFERENCE, Need.PAIRS, Need.TRUTH}
    }
    if reference and own:
        rows[REFERENCE] = own
    altered = {
        name: metric
        for name, metric in metrics.items()
        if all(backbone_class(b).modality == "video" for b in metric.backbones if b in official)
    }
    needs = {need for metric in metrics.values() for need in metric.needs}
    if Need.SOUNDS in needs:
        rows[CENTRE] = altered
    if {Need.SOUNDS, Need.PERSONS} <= needs:
        rows[BOXES] = altered
    return rows


def altered_sources(
    key: str, sources: Iterable[Source], boxes: Mapping[str, Boxes], detector: str = ""
) -> list[Source]:
    """The same videos with the audio of a trivial baseline.

    Args:
        key: `CENTRE` or `BOXES`.
        sources: of the generated clips.
        boxes: of the clips that could be observed, by their names; others are a SavgError when read.
        detector: what found the boxes, for the keys of the cache.
    """
    from savg.evaluation.trivial import centred, panned_by_boxes

    def centre(clip: Clip, _: Boxes) -> Clip:
        return centred(clip)

    alter: Callable[[Clip, Boxes], Clip] = centre if key == CENTRE else panned_by_boxes
    facts = {"audio": key, **version_of(centred if key == CENTRE else panned_by_boxes)}
    if key == BOXES:
        facts["boxes"] = detector

    def altered(source: Source) -> Source:
        def read() -> Clip:
            if source.name not in boxes:
                raise SavgError(f"{source.name} could not be observed.")
            return alter(source.read(), boxes[source.name])

        own = source.key and derived_key(source.key, **facts)
        return Source(source.name, read, own, source.key)

    return [altered(source) for source in sources]
