"""Annotations of stored clips, made once and kept while they are likely to be asked for again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from savg.annotation import SoundEvents
from savg.clip import Clip
from savg.evaluation.annotate import Annotation
from savg.metrics.spatial import spatial_av_align
from savg.studio.shared.library import MAX_UPLOAD_SECONDS, RESULTS, VIDEO, StoredClip
from savg.studio.shared.services import Services

KEPT = 24
"""Annotations in memory; a five-second clip takes about five megabytes."""


OTHERS = "shuffled"
"""Name of the null score that needs more than one clip."""


class Analyst:
    """Annotates one clip at a time, as read back from its file, so that it is about that file."""

    def __init__(self, services: Services, kept: int = KEPT) -> None:
        self.services = services
        self.kept = kept
        self._done: OrderedDict[tuple[str, str], Annotation] = OrderedDict()
        self._lock = threading.Lock()

    def annotation(self, stored: StoredClip, detector: str) -> Annotation:
        """The annotation by a person detector; its CSV and JSON files lie in `results(detector)`."""
        key = stored.key, detector
        with self._lock:
            if key not in self._done:
                clip = Clip.read(stored.path(VIDEO), max_seconds=MAX_UPLOAD_SECONDS)
                annotation = self.services.annotate(clip, detector)
                annotation.write(stored.results(detector), RESULTS, overlay=False)
                self._done[key] = annotation
            self._done.move_to_end(key)
            while len(self._done) > self.kept:
                self._done.popitem(last=False)
            return self._done[key]

    def compared(
        self, stored: StoredClip, detector: str, others: Iterable[StoredClip]
    ) -> Annotation:
        """The annotation with the null score of other clips' sounds, in its JSON file too."""
        own = self.annotation(stored, detector)
        if own.nulls.get(OTHERS) is not None:
            return own
        sounds = [self.annotation(o, detector).events for o in others if o.key != stored.key]
        score = score_of_sounds(own, sounds)
        if score is not None:
            own = replace(own, nulls={**own.nulls, OTHERS: round(score, 4)})
            own.write(stored.results(detector), RESULTS, overlay=False)
            with self._lock:
                self._done[stored.key, detector] = own
        return own

    def write_overlay(self, stored: StoredClip, detector: str) -> None:
        """Write the overlay video of a clip, unless it is there."""
        from savg.viz.overlay import write_overlay

        path = stored.results(detector) / f"{RESULTS}.overlay.mp4"
        if not path.is_file():
            a = self.annotation(stored, detector)
            write_overlay(path, a.clip, a.boxes, a.events, a.alignment)


def score_of_sounds(annotation: Annotation, sounds: Iterable[SoundEvents]) -> float | None:
    """Spatial AV-Align of an annotation's boxes with the sounds of other clips, pooled."""
    form = annotation.format
    tp = total = 0
    for events in sounds:
        within = events.frames < form.label_frames
        heard = SoundEvents(events.frames[within], events.categories[within], events.x[within])
        alignment = spatial_av_align(heard, annotation.boxes, form)
        tp, total = tp + alignment.tp, total + len(alignment.matched)
    return tp / total if total else None
