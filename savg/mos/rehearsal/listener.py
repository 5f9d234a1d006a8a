"""A simulated listener's session over HTTP, from the consent to the completion code.

Answers and durations come from a `ListenerPolicy`; times are in seconds of the study, which by a `Pace`
may pass faster than real ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from savg.mos.rehearsal.visitor import Visitor

OnRating = Callable[[str, int, int], object]
"""Called with the listener's code, position and score after the server acknowledged a rating."""


@dataclass(frozen=True)
class Opinion:
    """A rating: the score, how often the clip was played, and seconds from its end to the click."""

    score: int
    plays: int = 1
    response_seconds: float = 1.5


class ListenerPolicy(Protocol):
    """The behaviour of a listener; `view` and `trial` are parts of the session's state as JSON."""

    def device(self) -> Mapping[str, Any]:
        """The device's description, as a page sends it."""

    def screening(self, view: Mapping[str, Any]) -> tuple[str, float]:
        """The answer to a screening trial, and the seconds of listening and answering."""

    def stays(self, trial: Mapping[str, Any]) -> bool:
        """Whether the listener rates this clip, or leaves for good."""

    def opinion(self, trial: Mapping[str, Any]) -> Opinion:
        """The rating of a clip."""

    def answer(self, key: str) -> str:
        """The answer to a question after the trials."""


@dataclass(frozen=True)
class Pace:
    """The speed of the study's time: `speed` of its seconds pass in a real one."""

    speed: float = 1.0

    async def wait(self, seconds: float) -> None:
        """Wait for some seconds of the study."""
        await asyncio.sleep(seconds / self.speed)


@dataclass
class Attendance:
    """A listener's session: code, acknowledged scores by position, the last step, bytes of media."""

    code: str = ""
    step: str = "invited"
    scores: dict[int, int] = field(default_factory=dict)
    media_bytes: int = 0
    completion: str | None = None


async def attend(
    visitor: Visitor, policy: ListenerPolicy, pace: Pace, on_rating: OnRating | None = None
) -> Attendance:
    """Go through the study from the listener's present state; NoAnswer if the server refuses."""
    attendance = Attendance()
    loaded: set[str] = set()

    async def load(name: str | None) -> None:
        if name is not None and name not in loaded:
            attendance.media_bytes += len(await visitor.media(name))
            loaded.add(name)

    state = await visitor.state()
    attendance.code = state["code"]
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
        attendance.scores[trial["position"]] = opinion.score
        if on_rating is not None:
            on_rating(attendance.code, trial["position"], opinion.score)
    while state["step"] == "questions":
        for key in state["unanswered"]:
            state = await visitor.act("answer", key=key, text=policy.answer(key))
    attendance.step, attendance.completion = state["step"], state["completion"]
    return attendance
