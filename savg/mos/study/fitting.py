"""How large a study the clips allow: defaults become smaller where there are few, and what does not fit
is told at once, with the smallest change that does.

A listener rates the same number of clips of each condition. Practice and catch trials use clips that
nobody rates, all from one condition; anchors use further clips of the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from savg.mos.study.design import ANCHORS, OFF_CENTRE_DB, DesignError

SIZES = ("trials", "anchor_trials", "practice", "repeats", "catch")
"""The settings that become smaller, by the names of options."""

GAP = 10
"""Trials between the first time and the repeat of a clip; repeats need so many more trials."""


@dataclass(frozen=True)
class ClipCounts:
    """How many clips there are of each condition.

    reference: the condition that anchors are made of, if any; off_centre: its clips with a sound off
    centre, which alone become anchors (None: as many as are asked for).
    """

    clips: Mapping[str, int]
    reference: str | None = None
    off_centre: int | None = None

    def __str__(self) -> str:
        words = [f"{name} {count}" for name, count in self.clips.items()]
        if self.off_centre is not None:
            words.append(f"{self.reference} off centre {self.off_centre}")
        return ", ".join(words)


@dataclass(frozen=True)
class Sizes:
    """How many clips a listener rates of each condition and of each anchor, and the other trials."""

    each: int
    anchor_trials: int
    practice: int
    repeats: int
    catch: int

    @property
    def aside(self) -> int:
        """Clips that nobody rates."""
        return max(self.practice, 1 if self.catch else 0)

    def lacking(self, counts: ClipCounts) -> dict[str, int]:
        """By condition, how many clips are too few."""
        spare, _ = self._spare(counts)
        return {name: -count for name, count in spare.items() if count < 0}

    def lacking_off_centre(self, counts: ClipCounts) -> int:
        """How many clips off centre are too few for anchors; others are set aside first."""
        if counts.reference is None or counts.off_centre is None:
            return 0
        _, giver = self._spare(counts)
        central = counts.clips[counts.reference] - counts.off_centre
        used = max(0, self.aside - central) if giver == counts.reference else 0
        return max(0, len(ANCHORS) * self.anchor_trials + used - counts.off_centre)

    def fit(self, counts: ClipCounts) -> bool:
        """Whether the study can be made."""
        return not self.lacking(counts) and not (
            self.anchor_trials and self.lacking_off_centre(counts)
        )

    def _spare(self, counts: ClipCounts) -> tuple[dict[str, int], str | None]:
        """Clips beyond those needed, by condition, and the condition whose clips are set aside."""
        spare = {name: count - self.each for name, count in counts.clips.items()}
        if counts.reference is not None:
            spare[counts.reference] -= len(ANCHORS) * self.anchor_trials
        if not self.aside:
            return spare, None
        giver = max(spare, key=lambda n: (min(spare[n], self.aside), n == counts.reference))
        spare[giver] -= self.aside
        return spare, giver


def fitted(
    wanted: Mapping[str, int],
    given: frozenset[str],
    counts: ClipCounts,
    in_words: Callable[[Mapping[str, int]], str],
) -> tuple[dict[str, Any], str]:
    """Settings of the largest study up to the wanted one that the clips allow, and a sentence on what
    became smaller, empty if nothing did.

    Args:
        wanted: values of SIZES; trials are of all conditions together.
        given: names of settings that somebody chose, which stay as they are.
        in_words: settings as whoever reads the sentence gives them.

    Raises:
        DesignError: the chosen settings need more clips; one sentence with everything that is too few
            and the smallest change that works.
    """
    count = len(counts.clips)
    most = Sizes(
        wanted["trials"] // count,
        wanted["anchor_trials"] if counts.reference else 0,
        *(wanted[name] for name in SIZES[2:]),
    )
    found = _largest(most, given, counts)
    if found is None:
        raise DesignError(_what_works(most, counts, in_words))
    settings = _settings(found, count) if found != most else {}
    return settings, _note(most, found, counts) if settings else ""


def _largest(most: Sizes, given: frozenset[str], counts: ClipCounts) -> Sizes | None:
    """The largest sizes that fit: trials are kept before practice, practice before anchors."""

    def down(name: str, value: int, least: int) -> range:
        return range(value, (value if name in given else min(least, value)) - 1, -1)

    best = None
    for practice in down("practice", most.practice, 0):
        for catch in {most.catch, 0 if "catch" not in given else most.catch}:
            for anchors in down("anchor_trials", most.anchor_trials, 0):
                for each in down("trials", most.each, 1):
                    sizes = Sizes(each, anchors, practice, most.repeats, catch)
                    if sizes.fit(counts):
                        rank = (min(each, 5), catch > 0, practice, anchors > 0, each, anchors)
                        best = max(best or (rank, sizes), (rank, sizes), key=lambda pair: pair[0])
                        break
    if best is None:
        return None
    sizes = best[1]
    rated = sizes.each * len(counts.clips) + sizes.anchor_trials * len(ANCHORS)
    if sizes.repeats and rated < GAP + sizes.repeats:
        return None if "repeats" in given else replace(sizes, repeats=0)
    return sizes


def _settings(sizes: Sizes, conditions: int) -> dict[str, Any]:
    settings = {name: getattr(sizes, name) for name in SIZES[1:]}
    return settings | {"trials": sizes.each * conditions}


def _note(most: Sizes, found: Sizes, counts: ClipCounts) -> str:
    words = {
        "each": "{} trials of each condition",
        "anchor_trials": "{} of each anchor",
        "practice": "{} practice clips",
        "repeats": "{} repeats",
        "catch": "{} catch trials",
    }
    changed = [
        f"{text.format(getattr(found, name))} (usually {getattr(most, name)})"
        for name, text in words.items()
        if getattr(found, name) != getattr(most, name)
    ]
    return f"Scaled to the clips that there are ({counts}): {', '.join(changed)}."


def _what_works(
    most: Sizes, counts: ClipCounts, in_words: Callable[[Mapping[str, int]], str]
) -> str:
    lacks = [
        f"{name} has {counts.clips[name]}, {n} too few" for name, n in most.lacking(counts).items()
    ]
    if most.anchor_trials and (missing := most.lacking_off_centre(counts)):
        lacks.append(
            f"{counts.reference} has {counts.off_centre} with a sound at least {OFF_CENTRE_DB:g} dB "
            f"off centre, {missing} too few for anchors"
        )
    reason = "; ".join(lacks) or f"{most.repeats} repeats need {GAP + most.repeats} trials"
    free = _largest(most, frozenset(), counts)
    if free is None:
        return (
            f"These folders hold too few clips for any study ({counts}): the smallest one needs one "
            "clip of each condition."
        )
    settings = _settings(free, len(counts.clips))
    if not counts.reference:
        del settings["anchor_trials"]
    works = in_words(settings)
    return f"The study needs more clips than there are ({reason}). This works: {works}."
