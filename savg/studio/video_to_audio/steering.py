"""What audio for a video follows: a visitor's choices as options of a pipeline's call, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from savg.errors import SavgError, brief
from savg.pipelines.audio_settings import MAX_WORD
from savg.pipelines.box_path import BoxPath
from savg.pipelines.words import Words, names_file
from savg.studio.shared.choices import AudioChoice
from savg.studio.video_to_audio.drawing import DRAWN, NOBODY, NONE, OWN, Drawing
from savg.studio.video_to_audio.recordings import Recording
from savg.studio.video_to_audio.uploads import Source

MOVED = {OWN: "its own audio", "network": "audio that the network makes"}
"""What a pipeline that follows a person can move, beside recordings."""

PERSONS: dict[str | int, str] = {
    "longest": "the person seen longest",
    1: "the first person from the left",
    2: "the second from the left",
    3: "the third from the left",
    4: "the fourth from the left",
}
"""Whom it can follow."""

MAX_STRENGTH = 5.0

MAX_WORDS = MAX_WORD
"""Characters of words that say what shall sound."""

ASK = "“{name}” has no audio of its own: draw an envelope, or open an audio file to take it from."

Find = Callable[[str], Recording | None]
"""The visitor's recording of a key."""


@dataclass(frozen=True)
class Wishes:
    """What a visitor chose for the audio beside the network's numbers, as it came.

    moved: of MOVED, or a recording's key; semantic: OWN, NONE or a recording's key; strengths: of
    conditions; drawing: over the video; tracks: the people found in it, from left to right; words: of
    what shall sound, in place of `semantic` unless empty; depth: OWN or NONE.
    """

    moved: Any = OWN
    semantic: Any = OWN
    strengths: Mapping[str, Any] = field(default_factory=dict)
    drawing: Drawing = Drawing()  # noqa: RUF009
    tracks: tuple[BoxPath, ...] | None = None
    words: Any = ""
    depth: Any = OWN


@dataclass(frozen=True)
class Steering:
    """options: of the pipeline's call; words: on them, for people; settings: for `AudioSettings`."""

    options: Mapping[str, Any] = field(default_factory=dict)
    words: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def plain_steering(choice: AudioChoice, source: Source, moved: Any, person: Any) -> Steering:
    """Without a page: whom and what, or what is not there withheld. SavgError for wrong ones."""
    if isinstance(person, bool) or not isinstance(person, str | int) or person not in PERSONS:
        raise SavgError(f"Person must be one of the list, got {brief(person)}.")
    if choice.steers:
        return Steering({"person": person}, PERSONS[person], {"person": str(person)})
    return steering(choice, source, Wishes(moved, drawing=Drawing(person)), lambda _: None)


def steering(choice: AudioChoice, source: Source, wishes: Wishes, find: Find) -> Steering:
    """The visitor's wishes for a pipeline that follows a person, an envelope, or both.

    SavgError for wrong ones, and for a video without audio where nothing else was chosen.
    """
    options, words, settings = _person(choice, wishes)
    if choice.follows:
        audio, moved = _moved(source, wishes.moved, find)
        name = moved if isinstance(audio, str) else MOVED.get(moved, f"“{moved}”")
        options["audio"], settings["audio"] = audio, moved
        return Steering(options, f"{MOVED.get(moved, name)} {words}", settings)
    said = [words]
    silent = not source.facts.channels
    envelope = wishes.drawing.envelope
    if not envelope or (envelope == OWN and silent):
        if silent:
            raise SavgError(ASK.format(name=Path(source.name).stem))
        envelope = OWN
    if envelope == DRAWN:
        curve = wishes.drawing.curve
        if curve is None:
            raise SavgError("The envelope has no onset yet: click into it, or choose another one.")
        options["envelope"] = curve
        rows = zip(curve.seconds.tolist(), curve.levels.tolist(), strict=True)
        settings["curve"] = tuple(rows)
        said.append(f"a drawn envelope with {_count(len(wishes.drawing.onsets), 'onset')}")
    else:
        options["envelope"], settings["envelope"] = _recording("Envelope", envelope, find)
        if envelope != OWN:
            said.append(_said("the envelope", settings["envelope"]))
    spoken = _words(choice, wishes.words)
    semantic = NONE if silent and wishes.semantic == OWN else wishes.semantic
    if spoken is not None:
        options["semantic"], settings["semantic"] = spoken, spoken.text
        said.append(f"sounding like “{spoken.text}”")
    else:
        options["semantic"], settings["semantic"] = _recording("Sounds like", semantic, find)
        if semantic != OWN and not (silent and semantic == NONE):
            said.append(_said("sounding", settings["semantic"]))
    if wishes.depth not in (OWN, NONE):
        raise SavgError(f"Depth must be one of the list, got {brief(wishes.depth)}.")
    if not choice.no_depth:
        settings["depth"] = wishes.depth
        options["depth"] = OWN if wishes.depth == OWN else None
        said += ["no depth"] if wishes.depth == NONE else []
    strengths = {name: _strength(name, value) for name, value in wishes.strengths.items()}
    changed = {k: v for k, v in strengths.items() if v != choice.strengths.get(k, 1.0)}
    if changed:
        options["weights"] = settings["strengths"] = changed
        said.append("strength " + ", ".join(f"{k} {v:g}" for k, v in changed.items()))
    return Steering(options, ", ".join(said), settings)


def _person(choice: AudioChoice, wishes: Wishes) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Options, words and settings of whom the audio follows."""
    drawing, tracks = wishes.drawing, wishes.tracks
    if drawing.path is not None:
        words = f"along {_count(len(drawing.boxes), 'drawn box', 'drawn boxes')}"
        return {"person": drawing.path}, words, {"boxes": drawing.boxes}
    who = drawing.person
    if who == NOBODY:
        if not choice.steers:
            raise SavgError("It must follow a person or a box: choose one.")
        return {"boxes": False}, "following nobody", {"blind": True}
    if tracks is not None and choice.follows and not tracks:
        raise SavgError("Nobody was found in the video: draw a box around what sounds.")
    if isinstance(who, int) and tracks is not None and who > len(tracks):
        raise SavgError(f"Person must be in 1..{len(tracks)}, got {who}.")
    words = f"with {PERSONS.get(who, f'person {who} from the left')}"
    found = tracks[who - 1] if isinstance(who, int) and tracks else who
    return {"person": found}, words, {"person": str(who)}


def _moved(source: Source, moved: Any, find: Find) -> tuple[Any, str]:
    """What is moved, and its name; SavgError where there is nothing."""
    if isinstance(moved, str) and moved in MOVED:
        if moved == OWN and not source.facts.channels:
            raise SavgError(
                f"“{Path(source.name).stem}” has no audio of its own to move: choose audio that "
                "the network makes, an audio file, or a video with audio."
            )
        return moved, moved
    return _recording("What is moved", moved, find)


def _recording(what: str, chosen: Any, find: Find) -> tuple[Any, str]:
    """ "own", None, or a recording's audio, and its name for a command line."""
    if chosen == OWN:
        return OWN, OWN
    if chosen == NONE:
        return None, NONE
    recording = find(chosen) if isinstance(chosen, str) else None
    if recording is None:
        raise SavgError(f"{what} must be one of the list, got {brief(chosen)}.")
    return recording.soundtrack(), recording.name


def _words(choice: AudioChoice, text: Any) -> Words | None:
    """What shall sound, in words; None for no words. SavgError where they cannot be had, and for a text
    that the command line would take for something else."""
    if not isinstance(text, str) or len(text) > MAX_WORDS or not text.isprintable():
        raise SavgError(f"Words must be one line of at most {MAX_WORDS} characters.")
    text = text.strip()
    if not text:
        return None
    if missing := choice.no_words:
        raise SavgError(missing)
    if text in (OWN, NONE) or names_file(text):
        raise SavgError(f"Words must be such as “a woman speaks”, got {brief(text)}.")
    return Words(text)


def _strength(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SavgError(f"Strength of {name} must be a number, got {brief(value)}.")
    if not 0 <= value <= MAX_STRENGTH:
        raise SavgError(f"Strength of {name} must be 0 to {MAX_STRENGTH:g}, got {value:g}.")
    return float(value)


def _said(what: str, name: str) -> str:
    return f"{what} of “{name}”" if name != NONE else f"no {what.removeprefix('the ')}"


def _count(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"
