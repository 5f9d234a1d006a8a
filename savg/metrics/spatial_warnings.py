"""Sentences that must stand beside a Spatial AV-Align that says less than it seems to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from savg.annotation import Boxes, SoundEvents
from savg.format import SAVGBENCH
from savg.metrics.chance import uninformative

FEW_CLIPS = 10
"""Clips with sounds below which an interval over clips says little."""

MOST = 0.8
"""Share from which "most" is said."""


def spatial_warnings(
    score: float | None,
    low: float | None,
    high: float | None,
    nulls: Mapping[str, float | None],
    anywhere: float | None,
    pairs: Sequence[tuple[SoundEvents, Boxes]],
    margin: float,
) -> list[str]:
    """What a reader must know before believing the score.

    Args:
        score: share of matched events, with its interval.
        low: end of the interval.
        high: end of the interval, above which the swapped score must lie to be told.
        nulls: chance baselines by name.
        anywhere: score of sounds spread evenly over the frame.
        pairs: sound events and boxes of each clip.
        margin: pixels to either side of an event within which a box counts.
    """
    if score is None:
        return []
    sentences = uninformative(score, low, high, nulls)
    if anywhere is not None and anywhere >= MOST:
        sentences.append(
            f"This result is uninformative: the boxes fill the frame, so that a sound anywhere would "
            f"match in {anywhere:.0%} of the cases."
        )
    swapped = nulls.get("swapped")
    if swapped is not None and swapped > (score if high is None else high):
        own = "" if high is None else f", above the interval's {high:.2f}"
        sentences.append(
            f"With left and right swapped the score is higher, {swapped:.2f}{own}: the channels of "
            "these clips, or their frames, may be the wrong way round."
        )
    return sentences + _about_clips([pair for pair in pairs if len(pair[0])], margin)


def _about_clips(pairs: Sequence[tuple[SoundEvents, Boxes]], margin: float) -> list[str]:
    """Sentences about clips that have sounds."""
    sentences = []
    if len(pairs) < FEW_CLIPS:
        clips = "clip" if len(pairs) == 1 else "clips"
        sentences.append(f"The score rests on only {len(pairs)} {clips} with sounds.")
    empty = sum(len(boxes) == 0 for _, boxes in pairs)
    if empty:
        sentences.append(
            f"No box was found in {empty} of {len(pairs)} clips with sounds: their sounds count as "
            "not matched."
        )
    x = np.concatenate([events.x for events, _ in pairs])
    central = float(np.mean(np.abs(x - SAVGBENCH.size / 2) <= margin))
    if central >= MOST:
        sentences.append(
            f"{central:.0%} of the sounds lie within {margin:g} px of the centre, where sounds without "
            "any direction lie too."
        )
    return sentences
