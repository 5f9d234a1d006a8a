"""Temporal AV-Align: do sounds begin when the video moves most? [S1, S2, code]

Onsets of the audio and peaks of the optical flow, in seconds; one of each agree if less than one
video frame lies between them. The score of a clip is the intersection over the union of the two, that
of a set the mean over its clips.

- `temporal_av_align` counts as published: every onset near a peak, so that several onsets share one
  peak and a clip with dense onsets scores above 1.
- `temporal_av_align_matched` counts each onset and each peak once, by the largest matching of them.

A clip with neither onsets nor peaks counts as 0 in both, so that silent stills gain nothing (the
published code stops with an error). Beside the score stand those of other clips' onsets (shuffled), of
as many onsets at random times (uniform) and of a click every tenth of a second (metronome). At 4 frames
a second five peaks reach half of all times, so a random onset agrees every other time, and the
published score grows with the number of onsets: with a share p of the time near a peak, more and more
clicks approach p / (1 − p).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from savg.audio.onsets import onset_times
from savg.clip import Clip
from savg.metrics.base import Cells, Extractor, Item, Metric, MetricResult, Need
from savg.metrics.chance import uninformative
from savg.metrics.optical_flow import flow_magnitudes, flow_peaks, grey_frames
from savg.metrics.statistics import mean_interval, other_pairs

Times = NDArray[np.float64]

UNIFORM_DRAWS = 32
"""Random sets of onsets for each clip."""

METRONOME = 10
"""Clicks a second of a metronome."""

NULLS = {
    "shuffled": "onsets of other clips",
    "uniform": "as many onsets at random times",
    "metronome": f"{METRONOME} clicks a second whatever is seen",
}
"""The chance baselines by name, in words."""

STILL = 0.005
"""Mean flow in pixels below which a frame repeats the one before or hardly differs."""


def agreeing(onsets: Times, peaks: Times, fps: float) -> NDArray[np.bool_]:
    """Which onsets [N] and peaks [M], in seconds, are less than one frame apart: [N, M]."""
    frame = 1.0 / fps
    return (onsets[:, None] > peaks - frame) & (onsets[:, None] < peaks + frame)


def iou_official(onsets: Times, peaks: Times, fps: float) -> float:
    """Onsets near any peak over onsets and peaks less those; several may share a peak, so it may exceed
    1. 0 where there are neither."""
    near = int(agreeing(onsets, peaks, fps).any(axis=1).sum())
    return _ratio(near, len(onsets), len(peaks))


def iou_matched(onsets: Times, peaks: Times, fps: float) -> float:
    """Pairs of an onset and a peak, each used once, over all onsets and peaks: 0…1. 0 where there are
    neither."""
    return _ratio(matched_pairs(onsets, peaks, fps), len(onsets), len(peaks))


def _ratio(common: int, onsets: int, peaks: int) -> float:
    union = onsets + peaks - common
    return common / union if union else 0.0


def matched_pairs(onsets: Times, peaks: Times, fps: float) -> int:
    """The most pairs of an onset and a peak less than a frame apart, each used once.

    Both in order, the earliest two that agree are a pair of some largest matching, since all windows
    have one width.
    """
    early, late = np.sort(onsets), np.sort(peaks)
    near = agreeing(early, late, fps)
    pairs = onset = peak = 0
    while onset < len(early) and peak < len(late):
        if near[onset, peak]:
            pairs, onset, peak = pairs + 1, onset + 1, peak + 1
        elif early[onset] < late[peak]:
            onset += 1
        else:
            peak += 1
    return pairs


def clip_onsets(clip: Clip) -> Times:
    """Seconds of the onsets [N] of a clip."""
    return onset_times(clip.audio, clip.format.sample_rate)


def clip_flow(clip: Clip) -> Times:
    """Mean optical flow in pixels [frames] of a clip's frames with their padding, as published."""
    return flow_magnitudes(grey_frames(clip.video))


class TemporalAvAlign(Metric):
    """Mean over clips of the published intersection over union of onsets and flow peaks."""

    name = "temporal_av_align"
    label = "Temporal AV-Align"
    higher_is_better = True
    needs = frozenset({Need.FEATURES})
    features: ClassVar[Mapping[str, Extractor]] = {"onset_times": clip_onsets, "flow": clip_flow}

    @classmethod
    def score(cls, onsets: Times, peaks: Times, fps: float) -> float:
        """Of one clip."""
        return iou_official(onsets, peaks, fps)

    @classmethod
    def events(cls, item: Item) -> tuple[Times, Times, float]:
        """Onsets, flow peaks, both in seconds, and frames a second of a clip."""
        observed = item.observation
        fps = observed.format.fps
        return observed.features["onset_times"], flow_peaks(observed.features["flow"], fps), fps

    @classmethod
    def cells(cls, item: Item) -> Cells:
        onsets, peaks, fps = cls.events(item)
        counts = {"onsets": len(onsets), "flow_peaks": len(peaks)}
        return {**counts, cls.name: cls.score(onsets, peaks, fps)}

    @classmethod
    def frame_cells(cls, item: Item) -> list[Cells]:
        """Onsets and flow peaks within each label frame, and the flow of its video frame."""
        onsets, peaks, _ = cls.events(item)
        format, flow = item.observation.format, item.observation.features["flow"]
        onset_counts, peak_counts = (
            np.bincount(np.floor(times * format.label_fps + 1e-9).astype(int))
            for times in (onsets, peaks)
        )
        return [
            {
                "frame": frame,
                "onsets": _at(onset_counts, frame),
                "flow_peaks": _at(peak_counts, frame),
                "flow": float(flow[min(frame * format.fps // format.label_fps, len(flow) - 1)]),
            }
            for frame in range(format.label_frames)
        ]

    def compute(self) -> MetricResult:
        events = [self.events(item) for item in self.items]
        if not events:
            return self.undefined("There is no clip to score.")
        scores = [self.score(*event) for event in events]
        low, high = mean_interval(scores, self.seed)
        nulls = self._nulls(events)
        means = {name: float(np.mean(null)) if null else None for name, null in nulls.items()}
        value = float(np.mean(scores))
        notes = {
            "onsets": sum(len(onsets) for onsets, _, _ in events),
            "flow_peaks": sum(len(peaks) for _, peaks, _ in events),
            "empty": sum(not len(onsets) + len(peaks) for onsets, peaks, _ in events),
            "above_one": sum(score > 1 for score in scores),
            "null_intervals": {
                name: list(mean_interval(null, self.seed)) if len(null) > 1 else None
                for name, null in nulls.items()
            },
        }
        return MetricResult(
            self.name,
            value,
            low,
            high,
            len(scores),
            means,
            notes | self._warnings(value, low, high, means),
        )

    def _nulls(self, events: Sequence[tuple[Times, Times, float]]) -> dict[str, list[float]]:
        """Chance scores by name, one a clip; empty where there are too few clips."""
        seconds = [item.observation.format.seconds for item in self.items]
        shuffled: list[list[float]] = [[] for _ in events]
        for i, j in other_pairs(len(events), self.seed):
            _, peaks, fps = events[i]
            borrowed = events[j][0]
            shuffled[i].append(self.score(borrowed[borrowed < seconds[i]], peaks, fps))
        rng = np.random.default_rng(self.seed)
        uniform, metronome = [], []
        for (onsets, peaks, fps), length in zip(events, seconds, strict=True):
            drawn = rng.uniform(0, length, (UNIFORM_DRAWS, len(onsets)))
            uniform.append(float(np.mean([self.score(row, peaks, fps) for row in drawn])))
            clicks = np.arange(math.ceil(length * METRONOME)) / METRONOME
            metronome.append(self.score(clicks, peaks, fps))
        means = [float(np.mean(scores)) for scores in shuffled if scores]
        return {"shuffled": means, "uniform": uniform, "metronome": metronome}

    def _warnings(
        self,
        value: float,
        low: float | None,
        high: float | None,
        nulls: Mapping[str, float | None],
    ) -> dict[str, Any]:
        """The sentences that must stand beside the number, under their name."""
        sentences = uninformative(value, low, high, nulls, words=NULLS)
        flows = [item.observation.features["flow"] for item in self.items]
        still = float(np.mean([np.mean(flow < STILL) for flow in flows]))
        if still > 0.25:
            sentences.append(
                f"{still:.0%} of the frames hardly differ from the one before: where frames repeat, as "
                "in clips read at a higher rate than their own, every change is a flow peak."
            )
        return {"warnings": sentences} if sentences else {}


class TemporalAvAlignMatched(TemporalAvAlign):
    """The same, with each onset and each flow peak counted once."""

    name = "temporal_av_align_matched"
    label = "Temporal AV-Align, each peak once"

    @classmethod
    def score(cls, onsets: Times, peaks: Times, fps: float) -> float:
        return iou_matched(onsets, peaks, fps)

    @classmethod
    def cells(cls, item: Item) -> Cells:
        return {cls.name: cls.score(*cls.events(item))}

    @classmethod
    def frame_cells(cls, item: Item) -> list[Cells]:
        return []


def _at(counts: NDArray[np.int64], index: int) -> int:
    return int(counts[index]) if index < len(counts) else 0
