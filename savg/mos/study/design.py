"""The design of a listening test: question, scale, conditions and trials of a session [S2].

Counts are of trials a listener; a score is 1 for the first label of the scale, 2 for the next, ….
Position 0 is the first practice trial; trials that count follow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from savg.errors import SavgError, whole_number

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?")
"""Names of studies and conditions: they become folders, addresses and column names."""

QUESTION = (
    "How would you rate the spatial alignment between the audio and video? "
    "(Focus on the direction of sounding sources and objects.)"
)
"""The published question [S2]."""

LABELS = ("Bad", "Poor", "Fair", "Good", "Excellent")

CONSENT = (
    "You will watch short clips with headphones and rate how well the direction of the sound fits "
    "the picture. Your answers are stored without your name. You may stop at any time by closing "
    "the page."
)

ANCHORS = ("swapped", "mono")
"""Anchors made from off-centre ground truth: channels swapped (low), both channels equal (middle)."""

OFF_CENTRE_DB = 3.0
"""Least level difference of ground truth that becomes an anchor: about 10° to one side."""

LONG = 30
"""Ratings of a listener from which a break half-way is offered."""

Kind = Literal["system", "reference", "swapped", "mono", "practice", "catch"]
Level = Literal["in_person", "remote"]


class DesignError(SavgError, ValueError):
    """A study that cannot be run as described."""


def check_slug(what: str, name: object) -> None:
    """DesignError for a name that cannot stand in addresses and file names."""
    if not isinstance(name, str) or not SLUG.fullmatch(name):
        raise DesignError(
            f"Name of a {what} must have 1 to 40 of a-z, 0-9, - and _, got {str(name)[:60]!r}."
        )


def _text(what: str, value: object, most: int) -> None:
    if not isinstance(value, str) or not value.strip() or len(value) > most:
        raise DesignError(f"{what} must be a text of 1 to {most} characters.")


@dataclass(frozen=True)
class Condition:
    """A condition, and how many of its clips each listener rates."""

    name: str
    trials: int = 15

    def __post_init__(self) -> None:
        check_slug("condition", self.name)
        whole_number(f"trials of condition {self.name}", self.trials, 1, 500, DesignError)


@dataclass(frozen=True)
class FlagRules:
    """When a listener's data are flagged; fixed before anyone listens.

    catch_wrong: wrong catch trials that flag; repeat_difference: mean absolute difference between
    repeats, in scale points, above which; modal_share: share of one score among all, from which;
    fast_seconds: median seconds from the end of the clip to the rating, below which; plays: mean
    plays of a clip above which.
    """

    catch_wrong: int = 1
    repeat_difference: float = 1.0
    modal_share: float = 0.8
    fast_seconds: float = 0.4
    plays: float = 6.0

    def __post_init__(self) -> None:
        whole_number("FlagRules.catch_wrong", self.catch_wrong, 1, 100, DesignError)
        for name, low, high in (
            ("repeat_difference", 0.0, 10.0),
            ("modal_share", 0.0, 1.0),
            ("fast_seconds", 0.0, 60.0),
            ("plays", 1.0, 1000.0),
        ):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not low <= value <= high:
                raise DesignError(f"FlagRules.{name} must be in {low:g}..{high:g}, got {value!r}.")


@dataclass(frozen=True)
class Question:
    """A question after the trials: a choice of `options`, or free text if there are none."""

    key: str
    text: str
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_slug("question", self.key)
        _text(f"question {self.key}", self.text, 500)
        if len(set(self.options)) != len(self.options) or len(self.options) == 1:
            raise DesignError(
                f"question {self.key} must have two or more different options, or none."
            )


QUESTIONS = (
    Question("hearing", "Do you know of any hearing impairment?", ("no", "yes", "rather not say")),
    Question("remarks", "Anything you would like to tell us?"),
)


@dataclass(frozen=True)
class Study:
    """A listening test, complete enough to run and to analyse it; DesignError for one that cannot be.

    `reference` names the condition that is the ground truth: it is rated like the others (hidden
    reference), and the anchors are made from it. Repeats come at least `repeat_gap` trials after
    the first time. `matched`: clips of the same name in several conditions show the same scene, and
    nobody rates a scene twice. `played` is the part of a clip that must be played before a rating.
    """

    name: str
    conditions: tuple[Condition, ...]
    reference: str | None = None
    question: str = QUESTION
    labels: tuple[str, ...] = LABELS
    anchors: tuple[Condition, ...] = ()
    practice: int = 3
    repeats: int = 3
    repeat_gap: int = 10
    catch: int = 2
    max_run: int = 2
    matched: bool = False
    level: Level = "in_person"
    played: float = 0.95
    consent: str = CONSENT
    questions: tuple[Question, ...] = QUESTIONS
    flags: FlagRules = field(default_factory=FlagRules)
    seed: int = 0

    def __post_init__(self) -> None:
        check_slug("study", self.name)
        _text("the question", self.question, 500)
        _text("the consent", self.consent, 20_000)
        if not 2 <= len(self.labels) <= 11 or len(set(self.labels)) != len(self.labels):
            raise DesignError(
                f"A scale must have 2 to 11 different labels, got {list(self.labels)!r}."
            )
        for label in self.labels:
            _text("a label of the scale", label, 60)
        for name, low, high in (
            ("practice", 0, 20),
            ("repeats", 0, 50),
            ("repeat_gap", 1, 200),
            ("catch", 0, 20),
            ("max_run", 1, 500),
            ("seed", 0, 2**31 - 1),
        ):
            whole_number(f"Study.{name}", getattr(self, name), low, high, DesignError)
        if self.level not in ("in_person", "remote"):
            raise DesignError(f"Study.level must be in_person or remote, got {self.level!r}.")
        if not 0.5 <= self.played <= 1.0:
            raise DesignError(f"Study.played must be in 0.5..1, got {self.played!r}.")
        self._check_conditions()
        self._check_order()

    def _check_conditions(self) -> None:
        if not self.conditions:
            raise DesignError(f"Study {self.name} has no condition.")
        names = [c.name for c in self.groups]
        if len(set(names)) != len(names):
            raise DesignError(f"Study {self.name} names a condition twice: {', '.join(names)}.")
        for condition in self.conditions:
            if condition.name in (*ANCHORS, "catch", "practice"):
                raise DesignError(f"{condition.name} is reserved: name the condition differently.")
        systems = [c.name for c in self.conditions]
        if self.reference is not None and self.reference not in systems:
            raise DesignError(
                f"Reference must be one of {', '.join(systems)}, got {self.reference}."
            )
        for anchor in self.anchors:
            if anchor.name not in ANCHORS:
                raise DesignError(f"Anchor must be one of {', '.join(ANCHORS)}, got {anchor.name}.")
        if self.anchors and self.reference is None:
            raise DesignError(
                "Anchors need a reference condition: they are made from ground truth."
            )
        keys = [q.key for q in self.questions]
        if len(set(keys)) != len(keys):
            raise DesignError(f"Two questions have the same key: {', '.join(keys)}.")

    def _check_order(self) -> None:
        most = max(self.groups, key=lambda c: c.trials)
        rest = self.rated - most.trials
        if most.trials > self.max_run * (rest + 1):
            raise DesignError(
                f"{most.trials} trials of {most.name} among {rest} others cannot be ordered with "
                f"at most {self.max_run} in a row."
            )
        if self.repeats and self.rated < self.repeat_gap + self.repeats:
            raise DesignError(
                f"{self.repeats} repeats at least {self.repeat_gap} trials apart need "
                f"{self.repeat_gap + self.repeats} trials, got {self.rated}."
            )
        if self.repeats > sum(c.trials for c in self.conditions):
            raise DesignError(f"Repeats must be at most the number of trials, got {self.repeats}.")

    @property
    def groups(self) -> tuple[Condition, ...]:
        """The conditions followed by the anchors."""
        return self.conditions + self.anchors

    @property
    def rated(self) -> int:
        """Different clips that a listener rates, without practice, repeats and catch trials."""
        return sum(c.trials for c in self.groups)

    @property
    def trials(self) -> int:
        """Trials of the conditions alone, as the design is usually quoted (45 in [S2])."""
        return sum(c.trials for c in self.conditions)

    @property
    def positions(self) -> int:
        """Number of all ratings of a listener, practice included."""
        return self.practice + self.rated + self.repeats + self.catch

    @property
    def break_after(self) -> int:
        """The position after which a break is offered; −1 in a test too short for one."""
        if self.positions < LONG:
            return -1
        return self.practice + (self.positions - self.practice) // 2 - 1

    @property
    def scores(self) -> range:
        """The scores of the scale."""
        return range(1, len(self.labels) + 1)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Study:
        """From the form of `to_dict`; DesignError for other entries."""
        names = {f.name for f in fields(cls)}
        if unknown := sorted(set(values) - names):
            raise DesignError(f"A study has no setting {', '.join(unknown)}.")
        settings = dict(values)
        try:
            for name in ("conditions", "anchors"):
                settings[name] = tuple(Condition(**c) for c in settings.get(name, ()))
            if "labels" in settings:
                settings["labels"] = tuple(settings["labels"])
            if "questions" in settings:
                settings["questions"] = tuple(
                    Question(q["key"], q["text"], tuple(q.get("options", ())))
                    for q in settings["questions"]
                )
            if "flags" in settings:
                settings["flags"] = FlagRules(**settings["flags"])
            return cls(**settings)
        except (TypeError, KeyError, AttributeError) as error:
            raise DesignError(f"This does not describe a study: {error}.") from error


@dataclass(frozen=True)
class Stimulus:
    """One clip of a study. `id` is opaque; everything else stays on the server.

    condition: the group it counts for ("practice" and "catch" for those); clip: the file it was made
    from; scene: no listener gets two clips of one; seconds: its length; expected: the score that a
    catch trial asks for.
    """

    id: str
    condition: str
    clip: str
    scene: str
    kind: Kind
    seconds: float
    sha256: str = ""
    expected: int | None = None

    @property
    def media(self) -> str:
        """The file's name in the study's media folder."""
        return f"{self.id}.mp4"


def standard(
    name: str,
    conditions: Sequence[str],
    reference: str | None = None,
    *,
    trials: int = 45,
    anchor_trials: int = 3,
    **settings: Any,
) -> Study:
    """The usual study: `trials` shared evenly by the conditions; both anchors with a reference."""
    if not conditions:
        raise DesignError(f"Study {name} has no condition.")
    if trials % len(conditions):
        raise DesignError(
            f"trials must be a multiple of the number of conditions, {len(conditions)}, got {trials}."
        )
    each = trials // len(conditions)
    anchors = tuple(Condition(a, anchor_trials) for a in ANCHORS if reference and anchor_trials)
    return Study(
        name, tuple(Condition(c, each) for c in conditions), reference, anchors=anchors, **settings
    )
