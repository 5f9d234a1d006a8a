"""Settings of a new study, declared once for the command line and the form in the browser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from savg.format import SAVGBENCH, ClipFormat
from savg.mos.study.design import (
    CONSENT,
    LABELS,
    QUESTION,
    DesignError,
    Study,
    check_slug,
    standard,
)
from savg.mos.study.fitting import SIZES, ClipCounts, fitted

REFERENCE = "ground_truth"
"""The condition of this name is the hidden reference unless another is named."""

NO_REFERENCE = "none"

OptionKind = Literal["whole", "text", "lines", "choice", "flag"]


@dataclass(frozen=True)
class Option:
    """A setting: name, label in a form, help text, default and allowed values.

    kind: "whole" (a whole number in low..high), "text", "lines" (several texts), "choice" (one of
    `choices`, pairs of value and label) or "flag" (off by default).
    """

    name: str
    kind: OptionKind
    default: Any
    label: str
    help: str
    low: int = 0
    high: int = 0
    choices: tuple[tuple[str, str], ...] = ()

    def parse(self, text: str) -> Any:
        """The value of a form's text; DesignError if it is not allowed."""
        text = text.replace("\r\n", "\n").strip()
        if self.kind == "flag":
            return bool(text)
        if self.kind == "lines":
            return tuple(line.strip() for line in text.split("\n") if line.strip())
        if self.kind == "whole":
            if not text.isascii() or not text.isdigit() or len(text) > 10:
                raise DesignError(f"{self.label} must be a whole number, got {text[:40]!r}.")
            return self.check(int(text))
        return self.check(text)

    def check(self, value: Any) -> Any:
        """The value itself; DesignError if it is not allowed."""
        if self.kind == "whole" and not self.low <= value <= self.high:
            raise DesignError(
                f"{self.label} must be a whole number in {self.low}..{self.high}, got {value}."
            )
        if self.kind == "choice" and value not in dict(self.choices):
            allowed = ", ".join(dict(self.choices))
            raise DesignError(f"{self.label} must be one of {allowed}, got {str(value)[:40]!r}.")
        return value

    def show(self, value: Any) -> str:
        """A value as the text of a form."""
        return "\n".join(value) if self.kind == "lines" else str(value)


OPTIONS = (
    Option("question", "text", QUESTION, "Question", "what is asked about every clip"),
    Option("labels", "lines", LABELS, "Scale", "the labels of the scale, worst first"),
    Option("consent", "text", CONSENT, "Consent", "what listeners agree to before they begin"),
    Option(
        "trials",
        "whole",
        45,
        "Trials",
        "of all conditions together, shared evenly; the default becomes fewer where it must",
        1,
        500,
    ),
    Option("anchor_trials", "whole", 3, "Anchor trials", "of each anchor; 0: no anchors", 0, 100),
    Option("practice", "whole", 3, "Practice clips", "rated first, not analysed", 0, 20),
    Option("repeats", "whole", 3, "Repeats", "clips rated twice", 0, 50),
    Option("catch", "whole", 2, "Catch trials", "clips that say which score to choose", 0, 20),
    Option(
        "level",
        "choice",
        "in_person",
        "Screening",
        "where people listen; it decides how they are screened",
        choices=(("in_person", "in person"), ("remote", "remote, on their own devices")),
    ),
    Option(
        "matched", "flag", False, "Matched", "clips of one name show one scene, never rated twice"
    ),
    Option("clips", "whole", 100, "Clips", "at most this many of a condition", 1, 10_000),
    Option("fps", "whole", SAVGBENCH.fps, "Frame rate", "of all clips", 1, 60),
    Option("size", "whole", SAVGBENCH.size, "Width", "in pixels, of all clips", 32, 2048),
    Option("seed", "whole", 0, "Seed", "of all random draws", 0, 2**31 - 1),
)
"""Everything but the name of a study and its conditions."""

_OF_MEDIA = ("clips", "fps", "size")


@dataclass(frozen=True)
class Plan:
    """A study to make: at most `clips` clips of a condition, written in `format`.

    note: a sentence on a default that was changed to fit the conditions, empty if none was.
    """

    study: Study
    clips: int
    format: ClipFormat
    note: str = ""


def plan_study(
    name: str,
    conditions: Sequence[str],
    reference: str | None,
    values: Mapping[str, Any],
    available: Mapping[str, int] | None = None,
    *,
    off_centre: Callable[[str, int, int], int] | None = None,
    in_form: bool = False,
) -> Plan:
    """A study from values of OPTIONS (defaults where missing); DesignError if they do not fit.

    The default number of trials becomes the largest one below it that the conditions share evenly, and
    sizes that nobody chose become what the clips allow.

    reference: a condition, NO_REFERENCE, or None for REFERENCE if it is among the conditions;
    available: number of clips of each condition, None for as many as it takes; off_centre: of a
    condition, the largest number of clips and the seed, how many of its clips have a sound off centre
    (asked where there shall be anchors; it reads their audio; None: enough of them); in_form: errors
    name settings by their labels in the form, else by options of the command line.
    """
    by_name = {option.name: option for option in OPTIONS}
    if problems := wrong_values(values):
        raise DesignError(" ".join(problems))
    chosen = {n: option.check(values.get(n, option.default)) for n, option in by_name.items()}
    if reference is None and REFERENCE in conditions:
        reference = REFERENCE
    note = ""
    if chosen["trials"] == by_name["trials"].default:
        chosen["trials"], note = _shared_evenly(chosen["trials"], len(conditions))
    reference = None if reference == NO_REFERENCE else reference
    if available and (reference is None or reference in available):
        given = frozenset(
            n for n in SIZES if values.get(n, by_name[n].default) != by_name[n].default
        )
        clips = {condition: min(count, chosen["clips"]) for condition, count in available.items()}
        aside = None
        if off_centre and reference is not None and chosen["anchor_trials"]:
            aside = off_centre(reference, chosen["clips"], chosen["seed"])
        counts = ClipCounts(clips, reference, aside)
        in_words = _labels if in_form else _options
        smaller, told = fitted({n: chosen[n] for n in SIZES}, given, counts, in_words)
        chosen |= smaller
        note = told or note
    settings = {n: v for n, v in chosen.items() if n not in _OF_MEDIA}
    if len(conditions) == 1:
        settings["max_run"] = 500
    from savg.mos.study.folder import format_of

    study = standard(
        name,
        list(conditions),
        reference,
        **{**settings, "labels": tuple(settings["labels"])},
    )
    return Plan(study, chosen["clips"], format_of(chosen["fps"], chosen["size"]), note)


def wrong_names(study: str, conditions: Iterable[str]) -> list[str]:
    """A sentence on each name of a study and its conditions that is not allowed."""
    problems = []
    for what, name in (("study", study), *(("condition", one) for one in conditions)):
        try:
            check_slug(what, name)
        except DesignError as error:
            problems.append(str(error))
    return problems


def wrong_values(values: Mapping[str, Any]) -> list[str]:
    """A sentence on each of the values of OPTIONS that is not allowed, or is of no option."""
    by_name, problems = {option.name: option for option in OPTIONS}, []
    if unknown := sorted(set(values) - set(by_name)):
        problems.append(f"A study has no setting {', '.join(unknown)}.")
    for name, option in by_name.items():
        try:
            option.check(values.get(name, option.default))
        except DesignError as error:
            problems.append(str(error))
    return problems


def _labels(settings: Mapping[str, int]) -> str:
    labels = {option.name: option.label for option in OPTIONS}
    return ", ".join(f"{labels[name]} {value}" for name, value in settings.items())


def _options(settings: Mapping[str, int]) -> str:
    return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in settings.items())


def _shared_evenly(trials: int, conditions: int) -> tuple[int, str]:
    """The largest number up to `trials` that is a multiple of `conditions`, and why it is another."""
    if not 0 < conditions <= trials or trials % conditions == 0:
        return trials, ""
    fitting = trials - trials % conditions
    return fitting, (
        f"Trials: {fitting}, the largest number up to {trials} that {conditions} conditions share "
        "evenly."
    )
