"""Simulated listeners: a random-effects model of their scores, and their attention.

An attentive listener's score is the condition's mean plus normal effects of the listener, of the
listener's taste for the condition, of the clip and of the single rating, rounded to the scale. Means
and standard deviations are points of a scale of 1 to 5, stretched to the study's. The seed decides
everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from savg.errors import SavgError
from savg.mos.rehearsal.listener import Opinion
from savg.mos.storage.rows import StudyRow

Kind = Literal["attentive", "careless", "failing", "leaving"]

PUBLISHED = {"ground_truth": 4.06, "joint": 2.90, "two_stage": 2.44}
"""Mean opinion scores of [S2], for conditions of these names."""

BY_KIND = {"reference": 4.06, "system": 2.7, "swapped": 1.6, "mono": 2.5}

LISTENING = {"channels": 3.0, "volume": 12.0, "huggins": 6.0, "antiphase": 6.0}
"""Seconds of a screening trial by stage."""


@dataclass(frozen=True)
class ListenerModel:
    """The model of scores: `means` by condition on a scale of 1 to 5, where they differ from the usual
    ones; standard deviations of listeners, of their taste for a condition, of clips and of single
    ratings; slip: share of wrong screening answers by mistake."""

    means: Mapping[str, float] = field(default_factory=dict)
    listener_sd: float = 0.4
    taste_sd: float = 0.3
    clip_sd: float = 0.5
    noise_sd: float = 0.7
    slip: float = 0.02

    def __post_init__(self) -> None:
        for name, value in self.means.items():
            if not 1.0 <= value <= 5.0:
                raise SavgError(f"Mean of {name} must be in 1..5, got {value:g}.")
        for name in ("listener_sd", "taste_sd", "clip_sd", "noise_sd"):
            if not 0.0 <= getattr(self, name) <= 4.0:
                raise SavgError(f"{name} must be in 0..4 points, got {getattr(self, name):g}.")
        if not 0.0 <= self.slip <= 0.5:
            raise SavgError(f"Share of slips must be in 0..0.5, got {self.slip:g}.")

    def means_of(self, row: StudyRow) -> dict[str, float]:
        """The mean of each condition and anchor of a study; SavgError if `means` has another name."""
        kinds = {s.condition: s.kind for s in row.stimuli}
        names = [group.name for group in row.study.groups]
        if unknown := sorted(set(self.means) - set(names)):
            raise SavgError(
                f"Condition of {row.study.name} must be one of {', '.join(names)}, got {unknown[0]}."
            )
        usual = {n: PUBLISHED.get(n, BY_KIND.get(kinds.get(n, "system"), 2.7)) for n in names}
        return usual | dict(self.means)


@dataclass(frozen=True)
class Crowd:
    """Numbers of listeners, and of those among them who straight-line, fail the screening, or leave
    half-way; None: the usual share."""

    listeners: int = 24
    careless: int | None = None
    failing: int | None = None
    leaving: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.listeners <= 500:
            raise SavgError(f"Number of listeners must be in 1..500, got {self.listeners}.")
        for name in ("careless", "failing", "leaving"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= self.listeners:
                raise SavgError(f"{name} must be in 0..{self.listeners} listeners, got {value}.")
        if not 0 <= self.seed < 2**31:
            raise SavgError(f"Seed must be in 0..{2**31 - 1}, got {self.seed}.")
        if self.kinds().count("attentive") < 1:
            raise SavgError(
                f"At least one of {self.listeners} listeners must be attentive: take more listeners, "
                "or fewer who are careless, fail or leave."
            )

    def kinds(self) -> list[Kind]:
        """The kind of each listener, in the order of their sessions."""

        def number(value: int | None, usual: int) -> int:
            return value if value is not None else usual if self.listeners >= 6 else 0

        others: list[Kind] = ["failing"] * number(self.failing, 1)
        others += ["leaving"] * number(self.leaving, 1)
        others += ["careless"] * number(self.careless, max(1, round(self.listeners / 12)))
        kinds: list[Kind] = ["attentive"] * self.listeners
        order = np.random.default_rng([self.seed, 1]).permutation(self.listeners)
        for index, kind in zip(order, others, strict=False):
            kinds[index] = kind
        return kinds if len(others) < self.listeners else others[: self.listeners]


class World:
    """The ground truth of a rehearsal: right answers, and the effects of clips."""

    def __init__(self, row: StudyRow, model: ListenerModel, seed: int) -> None:
        self.study, self.model, self.seed = row.study, model, seed
        self.answers = {sound.media: sound.answer for sound in row.sounds}
        self.stimuli = {stimulus.media: stimulus for stimulus in row.stimuli}
        self.means = model.means_of(row)
        rng = np.random.default_rng([seed, 2])
        ordered = sorted(row.stimuli, key=lambda s: (s.condition, s.clip, s.scene))
        self.clips = {s.media: rng.normal(0, model.clip_sd) for s in ordered}

    def expected(self, condition: str) -> float:
        """Expected score of attentive listeners for a condition, with rounding and the ends of the
        scale, which pull it towards the middle."""
        from scipy.stats import norm

        model, steps = self.model, len(self.study.labels) - 1
        sds = (model.listener_sd, model.taste_sd, model.clip_sd, model.noise_sd)
        sd = max(float(np.linalg.norm(sds)), 1e-9)
        edges = 1 + 4 * (np.arange(1, steps + 1) - 0.5) / steps
        return float(1 + norm.sf((edges - self.means[condition]) / sd).sum())

    def policy(self, number: int, kind: Kind) -> SimulatedPolicy:
        """The policy of listener `number` (from 0)."""
        return SimulatedPolicy(self, number, kind)


class SimulatedPolicy:
    """A simulated listener (see the module), who looks right answers up."""

    def __init__(self, world: World, number: int, kind: Kind) -> None:
        self.world, self.kind = world, kind
        self.rng = np.random.default_rng([world.seed, 3, number])
        self.level = self.rng.normal(0, world.model.listener_sd)
        self.taste = {
            name: self.rng.normal(0, world.model.taste_sd) for name in sorted(world.means)
        }
        scores = world.study.scores
        self.favourite = int(self.rng.choice(scores[len(scores) // 2 :]))
        counted = world.study.positions - world.study.practice
        self.leaves_at = world.study.practice + max(1, int(counted * self.rng.uniform(0.3, 0.7)))

    def device(self) -> Mapping[str, Any]:
        """A description that says it is simulated."""
        return {"simulated": True, "browser": "none: a simulated listener"}

    def screening(self, view: Mapping[str, Any]) -> tuple[str, float]:
        """Right, but for slips at first attempts; a failing listener fails the Huggins stage."""
        right, choices = self.world.answers[view["media"]], list(view["choices"])
        wrong = [choice for choice in choices if choice != right]
        slips = view["attempt"] == 0 and self.rng.random() < self.world.model.slip
        if view["stage"] == "antiphase":
            slips = False
        misses = self.kind == "failing" and view["stage"] == "huggins" and view["trial"] % 2 == 0
        answer = str(self.rng.choice(wrong)) if wrong and (slips or misses) else right
        return answer, LISTENING.get(view["stage"], 6.0) * self.rng.uniform(0.8, 1.4)

    def stays(self, trial: Mapping[str, Any]) -> bool:
        """True, but for a leaving listener after some trials."""
        return self.kind != "leaving" or trial["position"] < self.leaves_at

    def opinion(self, trial: Mapping[str, Any]) -> Opinion:
        """By the model; careless listeners nearly always give the same score at once."""
        rng, world = self.rng, self.world
        stimulus, scores = world.stimuli[trial["media"]], world.study.scores
        if self.kind == "careless":
            random_score = int(rng.choice(scores))
            score = self.favourite if rng.random() < 0.93 else random_score
            return Opinion(score, 1, round(float(rng.uniform(0.1, 0.4)), 3))
        if stimulus.expected is not None:
            score = stimulus.expected
        else:
            mean = world.means.get(stimulus.condition, 3.0)
            impression = mean + self.level + self.taste.get(stimulus.condition, 0.0)
            impression += world.clips[stimulus.media] + rng.normal(0, world.model.noise_sd)
            stretched = 1 + (impression - 1) * (len(scores) - 1) / 4
            score = int(np.clip(np.rint(stretched), scores[0], scores[-1]))
        plays = 1 + int(rng.random() < 0.15)
        return Opinion(score, plays, round(float(rng.lognormal(np.log(1.6), 0.5)), 3))

    def answer(self, key: str) -> str:
        """The first option mostly; free text says that it is simulated."""
        question = next(q for q in self.world.study.questions if q.key == key)
        if not question.options:
            return "Simulated listener."
        return question.options[0] if self.rng.random() < 0.7 else question.options[1]
