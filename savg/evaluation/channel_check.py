"""Are the channels of clips the right way round, and sound?

The sound detector hears a clip as it is and with its channels swapped, so that a detector's own liking
for a side cancels out. The clip speaks for the way in which Spatial AV-Align matches more, by at least
`LEAST_EVENTS` sound events. Where that is even, as persons often are wide and sounds found near the
centre, it speaks by its level: is it louder on the side where all persons are, or on the other one?
One clip's events hang together, so that a set is judged by how many clips speak for which way
(two-sided sign test).

Swapped channels and mirrored frames look the same from here: the published joint baseline was trained
on mirrored frames, and its clips are found to be swapped. All this is about levels, as coincident
stereo has them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from savg.annotation import PERSON, Boxes, SoundEvents
from savg.audio.channel_faults import Fault, channel_faults
from savg.audio.stereo_measures import band_ild, cross_spectra
from savg.clip import Clip
from savg.evaluation.observe import observation
from savg.format import ClipFormat
from savg.metrics.base import Observation, format_number
from savg.metrics.spatial import spatial_av_align
from savg.metrics.statistics import percentiles, pooled_share, resampled_clips

VERSION = 1
"""Of the JSON form."""

LEAST_EVENTS = 3
"""Sound events, of a tenth of a second each, whose judgement must change for a clip to speak."""

ASIDE = 20.0
"""Pixels off the centre from which a person is at a side."""

ONE_SIDE = 0.8
"""Share of the video frames with persons in which all of them are at one side."""

LEAST_DB = 0.5
"""Level difference from which a clip is louder at a side; listeners hear about as much."""

SIGNIFICANT = 0.05
"""p of the sign test below which a set is decided."""

FEW_CLIPS = 6
"""Clips that speak from which all of them on one side decide a set."""

Verdict = Literal["swapped", "right", "undecided"]


@dataclass(frozen=True)
class ClipChannels:
    """What was found of one clip.

    tp, fn: matched and unmatched sound events as they are; swapped_tp, swapped_fn: with channels
    swapped; side: where all persons are, "" where they are at the centre or on both sides; ild_db: mean
    over octaves, left louder where positive, None for silence; persons: boxes.
    """

    name: str
    tp: int
    fn: int
    swapped_tp: int
    swapped_fn: int
    side: Literal["left", "right", ""]
    ild_db: float | None
    persons: int
    faults: tuple[Fault, ...] = ()
    note: str = ""

    @property
    def events(self) -> int:
        """Sound events of the clip as it is."""
        return self.tp + self.fn

    @property
    def score(self) -> float | None:
        """Spatial AV-Align of the clip as it is."""
        return pooled_share(np.array([[self.tp, self.fn]]))

    @property
    def swapped_score(self) -> float | None:
        """Spatial AV-Align with channels swapped."""
        return pooled_share(np.array([[self.swapped_tp, self.swapped_fn]]))

    @property
    def verdict(self) -> Verdict:
        """What the clip speaks for."""
        if self.by_alignment:
            return "swapped" if self._gain > 0 else "right"
        if not self.events or not self.side or abs(self.ild_db or 0.0) < LEAST_DB:
            return "undecided"
        return "right" if self.louder == self.side else "swapped"

    @property
    def louder(self) -> Literal["left", "right"]:
        """The louder channel."""
        return "left" if (self.ild_db or 0.0) > 0 else "right"

    @property
    def by_alignment(self) -> bool:
        """Whether Spatial AV-Align tells the sides apart."""
        return abs(self._gain) >= LEAST_EVENTS

    @property
    def _gain(self) -> float:
        """Events that match more with channels swapped, of those that both ways have."""
        both = min(self.events, self.swapped_tp + self.swapped_fn)
        return ((self.swapped_score or 0.0) - (self.score or 0.0)) * both

    @property
    def sentence(self) -> str:
        """The verdict with its reason."""
        if self.verdict == "undecided":
            return f"Undecided: {self._why()}."
        look = "Channels look swapped" if self.verdict == "swapped" else "Channels look right"
        facts = (
            f"Spatial AV-Align {_two(self.score)} as they are, {_two(self.swapped_score)} swapped, "
            f"{_count(self.events, 'sound event')}"
        )
        if self.by_alignment:
            return f"{look}: {facts}."
        level = f"the {self.louder} channel is {abs(self.ild_db or 0.0):.1f} dB louder"
        return f"{look}: persons are at the {self.side}, {level} ({facts})."

    def _why(self) -> str:
        if not self.events:
            return "no sound event is detected"
        if not self.persons:
            return "no person is detected"
        if not self.side:
            return "persons are at the centre or on both sides"
        scores = f"{_two(self.score)} as they are, {_two(self.swapped_score)} swapped"
        return f"Spatial AV-Align {scores}, and no channel is louder"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "clip": self.name,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "events": self.events,
            "side": self.side or None,
            "tp": self.tp,
            "fn": self.fn,
            "score": self.score,
            "swapped_tp": self.swapped_tp,
            "swapped_fn": self.swapped_fn,
            "swapped_score": self.swapped_score,
            "ild_db": self.ild_db,
            "faults": [{"kind": fault.kind, "sentence": fault.sentence} for fault in self.faults],
            "audio_note": self.note,
        }


def check_clip(
    name: str,
    clip: Clip,
    observed: Observation,
    sounds: Callable[[Clip], SoundEvents],
    note: str = "",
) -> ClipChannels:
    """Check one clip.

    Args:
        clip: its audio is looked at.
        observed: its sound events and persons.
        sounds: the detector of `observed`, for the clip with channels swapped.
        note: what reading did to its audio.

    Example:
        >>> check_clip("a", clip, observe(clip, detectors), detectors.sounds).sentence
    """
    swapped = Clip(clip.video, np.ascontiguousarray(clip.audio[::-1]), clip.format)
    turned = observation(clip.format, observed.boxes, sounds(swapped), {})
    ways = [
        spatial_av_align(way.events, observed.boxes, observed.format) for way in (observed, turned)
    ]
    plain, other = ways
    levels = band_ild(cross_spectra(clip.audio, clip.format.sample_rate))
    levels = levels[np.isfinite(levels)]
    return ClipChannels(
        name,
        plain.tp,
        plain.fn,
        other.tp,
        other.fn,
        persons_side(observed.boxes, observed.format),
        float(levels.mean()) if len(levels) else None,
        len(observed.boxes),
        tuple(channel_faults(clip.audio, clip.format.sample_rate)),
        note,
    )


def persons_side(boxes: Boxes, format: ClipFormat) -> Literal["left", "right", ""]:
    """The side of the frame at which persons are, all of them and nearly all the time; "" for none.

    boxes: in pixels of the format's frame.
    """
    boxes = boxes.select(boxes.categories == PERSON)
    centres = boxes.xyxy[:, [0, 2]].mean(axis=1) - format.size / 2
    frames = [centres[boxes.frames == frame] for frame in np.unique(boxes.frames)]
    if not frames:
        return ""
    if np.mean([here.max() <= -ASIDE for here in frames]) >= ONE_SIDE:
        return "left"
    return "right" if np.mean([here.min() >= ASIDE for here in frames]) >= ONE_SIDE else ""


@dataclass(frozen=True)
class SetChannels:
    """What was found of a set; see `check_set`.

    score, swapped: pooled over all sound events, None without one; low, high: 95 % interval over clips
    of swapped − score; p: of the sign test, None where no clip speaks.
    """

    clips: tuple[ClipChannels, ...]
    score: float | None
    swapped: float | None
    low: float | None
    high: float | None
    p: float | None

    @property
    def votes(self) -> dict[str, int]:
        """Clips by verdict."""
        return {
            verdict: sum(clip.verdict == verdict for clip in self.clips)
            for verdict in ("swapped", "right", "undecided")
        }

    @property
    def verdict(self) -> Verdict:
        """Of the whole set."""
        if self.p is None or self.p >= SIGNIFICANT:
            return "undecided"
        return "swapped" if self.votes["swapped"] > self.votes["right"] else "right"

    @property
    def faults(self) -> dict[str, int]:
        """Clips with each kind of fault."""
        return dict(Counter(kind for clip in self.clips for kind in {f.kind for f in clip.faults}))

    @property
    def findings(self) -> bool:
        """Whether anything is wrong: a clip has a fault, the set looks swapped, or is undecided while
        more clips speak for swapped than for right."""
        leans = self.verdict == "undecided" and self.votes["swapped"] > self.votes["right"]
        return bool(self.faults) or self.verdict == "swapped" or leans

    @property
    def sentence(self) -> str:
        """The verdict with its reason."""
        votes, events = self.votes, sum(clip.events for clip in self.clips)
        if self.score is None or self.swapped is None or not events:
            return "Undecided: no clip has a sound event to judge."
        speak = votes["swapped"] + votes["right"]
        facts = (
            f"Spatial AV-Align {self.score:.2f} as they are, {self.swapped:.2f} swapped, "
            f"{_count(events, 'sound event')} in {_count(len(self.clips), 'clip')}"
        )
        sides = f"{votes['swapped']} for swapped, {votes['right']} for right"
        if self.p is None:
            aside = sum(bool(clip.side) for clip in self.clips)
            return f"Undecided: no clip can tell ({facts}, {aside} with persons at one side)."
        test = f"of {_count(speak, 'clip')} that can tell, {sides}, sign test p = {self.p:.2g}"
        if self.verdict != "undecided":
            look = "swapped" if self.verdict == "swapped" else "right"
            return f"Channels look {look}: {facts}; {test}."
        if speak < FEW_CLIPS:
            test += f"; it takes {FEW_CLIPS} that agree"
        return f"Undecided for the whole set: {facts}; {test}."

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "version": VERSION,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "score": self.score,
            "swapped_score": self.swapped,
            "difference": {"low": self.low, "high": self.high},
            "votes": self.votes,
            "p": self.p,
            "faults": self.faults,
            "each": [clip.to_json() for clip in self.clips],
        }


def check_set(clips: Sequence[ClipChannels], seed: int = 0) -> SetChannels:
    """The verdict on a set from those on its clips.

    seed: of the bootstrap over clips.
    """
    from scipy.stats import binomtest

    rows = [(c.tp, c.fn, c.swapped_tp, c.swapped_fn) for c in clips]
    counts = np.array(rows, np.int64).reshape(-1, 2, 2)
    low = high = p = None
    if len(clips) > 1:
        drawn = counts[resampled_clips(len(clips), seed)].sum(axis=1)
        drawn = drawn[(drawn.sum(axis=2) > 0).all(axis=1)]
        share = drawn[:, :, 0] / drawn.sum(axis=2)
        low, high = percentiles(share[:, 1] - share[:, 0])
    verdicts = Counter(clip.verdict for clip in clips)
    speak = verdicts["swapped"] + verdicts["right"]
    if speak:
        p = float(binomtest(verdicts["swapped"], speak).pvalue)
    score, swapped = (pooled_share(counts[:, way]) for way in (0, 1))
    return SetChannels(tuple(clips), score, swapped, low, high, p)


def _two(score: float | None) -> str:
    return format_number(score, 2)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
