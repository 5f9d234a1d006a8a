"""Screening of headphones and ears before a listening test: sounds, answers and rules.

The signals come from `savg.audio.headphone_check`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import numpy as np

from savg.audio.headphone_check import (
    Audio,
    antiphase_trial,
    channel_bursts,
    huggins_trial,
    speech_noise_at,
)
from savg.mos.study.design import Level

Stage = Literal["channels", "volume", "huggins", "antiphase"]


@dataclass(frozen=True)
class Rule:
    """A stage: trials an attempt, right answers needed, attempts allowed, possible answers."""

    stage: Stage
    trials: int
    needed: int
    attempts: int
    choices: tuple[str, ...]


RULES: dict[Stage, Rule] = {
    "channels": Rule("channels", 4, 4, 2, ("left", "centre", "right")),
    "volume": Rule("volume", 1, 0, 1, ("done",)),
    "huggins": Rule("huggins", 6, 6, 2, ("1", "2", "3")),
    "antiphase": Rule("antiphase", 6, 5, 1, ("1", "2", "3")),
}
"""Right answers by chance alone: 1/81, –, 1/729 (twice), 13/729."""


def stages(level: Level) -> tuple[Rule, ...]:
    """The stages of a screening in order; remote listeners are also screened for loudspeakers."""
    names: tuple[Stage, ...] = ("channels", "volume", "huggins")
    return tuple(RULES[name] for name in (names if level == "in_person" else (*names, "antiphase")))


@dataclass(frozen=True)
class ScreeningSound:
    """A stored screening sound: `id` is opaque, `answer` never leaves the server."""

    id: str
    stage: Stage
    answer: str

    @property
    def media(self) -> str:
        """The file's name in the study's media folder."""
        return f"{self.id}.flac"


def make_set(
    seed: int, loudness: float, name: Callable[[], str]
) -> list[tuple[ScreeningSound, Audio]]:
    """All screening sounds of a study with their audio [2, T]; `name()` returns a new opaque id;
    the volume noise is at `loudness` LUFS."""
    rng = np.random.default_rng(seed)
    signals: list[tuple[Stage, str, Audio]] = [("volume", "done", speech_noise_at(rng, loudness))]
    for side in RULES["channels"].choices * 2:
        signals.append(("channels", side, channel_bursts(side, rng)))
    for target in (1, 2, 3) * 4:
        signals.append(("huggins", str(target), huggins_trial(target, rng)))
    for order in permutations(("plain", "softer", "opposite")):
        signals.append(("antiphase", str(order.index("softer") + 1), antiphase_trial(order)))
    return [(ScreeningSound(name(), stage, answer), audio) for stage, answer, audio in signals]


def draw(
    sounds: Iterable[ScreeningSound], stage: Stage, seed: int, attempt: int
) -> tuple[ScreeningSound, ...]:
    """The sounds of one attempt (from 0) at a stage, in random order, the same for the same seed.

    Every answer occurs: each side, and each of the three intervals equally often. A second attempt
    at the Huggins stage has other sounds than the first.
    """
    rule = RULES[stage]
    of_stage = sorted((s for s in sounds if s.stage == stage), key=lambda s: (s.answer, s.id))
    rng = np.random.default_rng([seed, list(RULES).index(stage)])
    by_answer = {
        choice: [sound for sound in of_stage if sound.answer == choice] for choice in rule.choices
    }
    for sounds_of_answer in by_answer.values():
        sounds_of_answer[:] = [sounds_of_answer[i] for i in rng.permutation(len(sounds_of_answer))]
    rng = np.random.default_rng([seed, list(RULES).index(stage), attempt])
    each, rest = divmod(rule.trials, len(rule.choices))
    drawn = []
    for sounds_of_answer in by_answer.values():
        drawn += [
            sounds_of_answer[(attempt * each + i) % len(sounds_of_answer)] for i in range(each)
        ]
    if rest:
        outer = [
            sounds_of_answer for choice, sounds_of_answer in by_answer.items() if choice != "centre"
        ]
        for i in rng.permutation(len(outer))[:rest]:
            drawn.append(outer[i][(attempt * each + each) % len(outer[i])])
    return tuple(drawn[i] for i in rng.permutation(len(drawn)))


@dataclass(frozen=True)
class ScreeningAnswer:
    """One answer as stored."""

    stage: Stage
    attempt: int
    trial: int
    correct: bool


@dataclass(frozen=True)
class Progress:
    """Where a listener stands: the next stage, attempt and trial while `state` is "open"."""

    state: Literal["open", "passed", "failed"]
    stage: Stage | None = None
    attempt: int = 0
    trial: int = 0


def progress(level: Level, answers: Iterable[ScreeningAnswer]) -> Progress:
    """The state after these answers by the rules of `stages`; no attempt left: failed."""
    by_attempt: dict[tuple[Stage, int], list[bool]] = {}
    for answer in answers:
        by_attempt.setdefault((answer.stage, answer.attempt), []).append(answer.correct)
    for rule in stages(level):
        for attempt in range(rule.attempts):
            right = by_attempt.get((rule.stage, attempt), [])
            if len(right) < rule.trials:
                return Progress("open", rule.stage, attempt, len(right))
            if sum(right) >= rule.needed:
                break
        else:
            return Progress("failed", rule.stage)
    return Progress("passed")
