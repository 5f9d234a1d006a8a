"""A simulated listener's way through a study over HTTP, from the consent to the completion code.

What a listener hears, thinks and how long it takes is a `Mind`'s; times are in seconds of the study,
which a `Pace` may let pass faster than real ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from savg.mos.rehearsal.visitor import Visitor

OnRating = Callable[[str, int, int], object]
"""Told the listener's code, the position and the score once the server has acknowledged a rating."""


@dataclass(frozen=True)
class Opinion:
    """A rating: the score, how often the clip was played, and seconds from its end to the click."""

    score: int
    plays: int = 1
    response_seconds: float = 1.5


class ListenerPolicy(Protocol):
    """How a listener behaves. `view` and `trial` are those of the state that the server tells."""

    def device(self) -> Mapping[str, Any]:
        """The description that a page would send."""

    def screening(self, view: Mapping[str, Any]) -> tuple[str, float]:
        """The answer to a screening trial, and the seconds that listening and answering take."""

    def stays(self, trial: Mapping[str, Any]) -> bool:
        """Whether the listener goes on with this clip, or leaves for good."""

    def opinion(self, trial: Mapping[str, Any]) -> Opinion:
        """What the listener thinks of a clip."""

    def answer(self, key: str) -> str:
        """The answer to a question after the trials."""


@dataclass(frozen=True)
class Pace:
    """How fast the time of the study passes: `speed` of its seconds in a real one."""

    speed: float = 1.0

    async def wait(self, seconds: float) -> None:
        """Let seconds of the study pass."""
        await asyncio.sleep(seconds / self.speed)


@dataclass
class Attended:
    """What a listener remembers: acknowledged scores by position, the last step, bytes of media."""

    code: str = ""
    step: str = "invited"
    scores: dict[int, int] = field(default_factory=dict)
    media_bytes: int = 0
    completion: str | None = None


async def attend(
    visitor: Visitor, policy: ListenerPolicy, pace: Pace, on_rating: OnRating | None = None
) -> Attended:
    """Walk through the study from wherever the listener is; NoAnswer if the server does not let."""
    attended = Attended()
    loaded: set[str] = set()

    async def load(name: str | None) -> None:
        if name is not None and name not in loaded:
            attended.media_bytes += len(await visitor.media(name))
            loaded.add(name)

    state = await visitor.state()
    attended.code = state["code"]
    if state["step"] == "invited":
        state = await visitor.act("consent", device=dict(policy.device()))
    while state["step"] == "screening":
        view = state["screening"]
        await load(view["media"])
        answer, seconds = policy.screening(view)
        await pace.wait(seconds)
        where = {key: view[key] for key in ("stage", "attempt", "trial")}
        state = await visitor.act("screening", **where, answer=answer)
    while state["step"] == "trials" and policy.stays(state["trial"]):
        trial = state["trial"]
        await load(trial["media"])
        await visitor.act("serve", position=trial["position"])
        await load(state["upcoming"])
        opinion = policy.opinion(trial)
        played = opinion.plays * trial["seconds"]
        await pace.wait(played + opinion.response_seconds)
        state = await visitor.act(
            "rating",
            position=trial["position"],
            score=opinion.score,
            plays=opinion.plays,
            seconds_played=played,
            response_seconds=opinion.response_seconds,
        )
        attended.scores[trial["position"]] = opinion.score
        if on_rating is not None:
            on_rating(attended.code, trial["position"], opinion.score)
    while state["step"] == "questions":
        for key in state["unanswered"]:
            state = await visitor.act("answer", key=key, text=policy.answer(key))
    attended.step, attended.completion = state["step"], state["completion"]
    return attended
