"""Flags on listeners' data, by rules fixed beforehand; nothing is removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from savg.mos.storage.rows import RatingRow
from savg.mos.study.design import FlagRules


@dataclass(frozen=True)
class Flag:
    """A rule that a listener's data break, and the finding in words."""

    rule: str
    found: str


def flags_of(
    rules: FlagRules,
    rows: Sequence[RatingRow],
    screening: Mapping[str, Sequence[tuple[int, int]]],
) -> tuple[Flag, ...]:
    """The flags of one listener, from all ratings (practice too) and (right, trials) by stage and
    attempt."""
    flags = []
    second_attempts = [stage for stage, attempts in screening.items() if len(attempts) > 1]
    if second_attempts:
        flags.append(
            Flag("screening", f"needed a second attempt at {', '.join(sorted(second_attempts))}")
        )
    catch = [r for r in rows if r.role == "catch"]
    wrong = sum(r.score != r.expected for r in catch)
    if wrong >= rules.catch_wrong:
        flags.append(Flag("catch", f"{wrong} of {len(catch)} catch trials wrong"))
    apart = [abs(first.score - second.score) for first, second in repeated(rows)]
    if apart and fmean(apart) > rules.repeat_difference:
        flags.append(Flag("repeats", f"repeats differ by {fmean(apart):.2f} points on average"))
    tests = [r for r in rows if r.role == "test"]
    if len(tests) >= 10:
        score, number = Counter(r.score for r in tests).most_common(1)[0]
        if number / len(tests) >= rules.modal_share:
            share = 100 * number / len(tests)
            flags.append(Flag("straight-lining", f"{share:.0f} % of the ratings are {score}"))
    if tests:
        seconds, plays = median(r.response_seconds for r in tests), fmean(r.plays for r in tests)
        if seconds < rules.fast_seconds:
            flags.append(Flag("time", f"half of the ratings within {seconds:.2f} s of the end"))
        if plays > rules.plays:
            flags.append(Flag("plays", f"{plays:.1f} plays of a clip on average"))
    return tuple(flags)


def repeated(rows: Sequence[RatingRow]) -> list[tuple[RatingRow, RatingRow]]:
    """First and second rating of each repeated clip, by the same listener."""
    first = {(r.participant, r.position): r for r in rows}
    return [
        (first[r.participant, r.repeat_of], r)
        for r in rows
        if r.role == "repeat" and r.repeat_of is not None and (r.participant, r.repeat_of) in first
    ]
