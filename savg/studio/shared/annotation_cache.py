"""Cache of the annotations of stored clips."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace

from cachetools import LRUCache

from savg.annotation import SoundEvents
from savg.clip import Clip
from savg.evaluation.annotate import Annotation
from savg.metrics.spatial import spatial_av_align, within
from savg.studio.shared.library import MAX_UPLOAD_SECONDS, RESULTS, VIDEO, StoredClip
from savg.studio.shared.services import Services

MAX_BYTES = 200_000_000
"""Clips in memory with their annotations; one of five seconds takes about five megabytes."""

OTHER_CLIPS = "shuffled"
"""Name of the chance baseline that needs more than one clip."""


class AnnotationCache:
    """Annotates one clip at a time, as read back from its file, so that it is about that file."""

    def __init__(self, services: Services, max_bytes: int = MAX_BYTES) -> None:
        self.services = services
        self._annotations: LRUCache[tuple[str, str], Annotation] = LRUCache(max_bytes, _bytes)
        self._lock = threading.Lock()

    def annotation(self, stored: StoredClip, detector: str) -> Annotation:
        """The annotation by a person detector; its CSV and JSON files lie in `results(detector)`."""
        key = stored.key, detector
        with self._lock:
            annotation = self._annotations.get(key)
            if annotation is None:
                clip = Clip.read(stored.path(VIDEO), max_seconds=MAX_UPLOAD_SECONDS)
                annotation = self.services.annotate(clip, detector)
                annotation.write(stored.results(detector), RESULTS, overlay=False)
                self._annotations[key] = annotation
            return annotation

    def known(self, stored: StoredClip, detector: str) -> Annotation | None:
        """The annotation, if it has been made and is in memory."""
        return self._annotations.get((stored.key, detector))

    def with_other_clips(
        self, stored: StoredClip, detector: str, others: Iterable[StoredClip]
    ) -> Annotation:
        """The annotation with the chance baseline of other clips' events, in its JSON file too."""
        own = self.annotation(stored, detector)
        if own.nulls.get(OTHER_CLIPS) is not None:
            return own
        events = [self.annotation(o, detector).events for o in others if o.key != stored.key]
        score = pooled_score(own, events)
        if score is not None:
            own = replace(own, nulls={**own.nulls, OTHER_CLIPS: round(score, 4)})
            own.write(stored.results(detector), RESULTS, overlay=False)
            with self._lock:
                self._annotations[stored.key, detector] = own
        return own

    def write_overlay(self, stored: StoredClip, detector: str) -> None:
        """Write the overlay video of a clip, unless it is there."""
        path = stored.results(detector) / f"{RESULTS}.overlay.mp4"
        if not path.is_file():
            self.annotation(stored, detector).write_overlay(path)


def pooled_score(annotation: Annotation, others: Iterable[SoundEvents]) -> float | None:
    """Spatial AV-Align of an annotation's boxes with the sound events of other clips, pooled."""
    format, margin = annotation.format, annotation.alignment.margin
    tp = total = 0
    for events in others:
        events = within(events, format)
        alignment = spatial_av_align(events, annotation.boxes, format, margin)
        tp, total = tp + alignment.tp, total + len(alignment.matched)
    return tp / total if total else None


def _bytes(annotation: Annotation) -> int:
    return annotation.clip.video.nbytes + annotation.clip.audio.nbytes
