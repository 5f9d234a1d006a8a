"""The settings that a video's audio was made with: what the clip's file, and a command line, say of it.

They lie in the comment of the mp4. With the video, the weights and the example audio that they name,
they make the audio again; drawn boxes and envelopes are among them, as files for the command line.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from savg.pipelines.rows_file import is_row
from savg.pipelines.settings import GenerationSettings

KEY, VERSION = "savg_v2a", 1
"""The text is a JSON object with this key; the version is raised when old readers would err."""

MAX_TEXT, MAX_WORD, MAX_ROWS = 64_000, 200, 2_000
"""Characters of a text that is read and of a value, and rows of a drawing."""

MOST_STRENGTHS = 8

WORDS = ("audio", "person", "envelope", "semantic", "depth", "detector")

OWN_OR_NONE = ("own", "none")

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class AudioSettings:
    """What the audio of a video was made with; "" and None stand for what was not said.

    video, audio, envelope, semantic, depth: names of files, or words as of `v2a` ("own", "none", …);
    person: "longest" or a number; steps, guidance: of the network; boxes: rows seconds, x0, y0, x1, y1
    in place of a person; curve: rows seconds, level in place of `envelope`; strengths: of conditions;
    blind: whether boxes were withheld; detector: of people, where they were looked for.
    """

    video: str
    pipeline: str
    seed: int
    steps: int | None = None
    guidance: float | None = None
    weights: str = "demo"
    audio: str = ""
    person: str = ""
    boxes: Rows = ()
    envelope: str = ""
    curve: Rows = ()
    semantic: str = ""
    depth: str = ""
    strengths: Mapping[str, float] = field(default_factory=dict)
    blind: bool = False
    detector: str = ""

    query = ""
    """No address makes it again: the video is not in one."""

    def to_text(self) -> str:
        """One line of JSON, to be kept with the clip; "" where it would be longer than is read."""
        text = json.dumps({KEY: VERSION, **vars(self)})
        return text if len(text) <= MAX_TEXT else ""

    @classmethod
    def from_text(cls, text: str) -> AudioSettings | None:
        """The settings in a text of a file, None where it has none. The file may be anybody's: values
        that are no settings make it None too."""
        if len(text) > MAX_TEXT or KEY not in text:
            return None
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(values, dict) or values.pop(KEY, None) != VERSION:
            return None
        strengths = values.get("strengths")
        good = (
            values.keys() == cls.__dataclass_fields__.keys()
            and all(_is_word(values[name]) for name in ("video", "pipeline", "weights"))
            and all(values[name] == "" or _is_word(values[name]) for name in WORDS)
            and _is_whole(values["seed"])
            and (values["steps"] is None or _is_whole(values["steps"]))
            and (values["guidance"] is None or _is_number(values["guidance"]))
            and isinstance(values["blind"], bool)
            and _are_rows(values["boxes"], 5)
            and _are_rows(values["curve"], 2)
            and isinstance(strengths, dict)
            and len(strengths) <= MOST_STRENGTHS
            and all(_is_word(key) and _is_number(value) for key, value in strengths.items())
        )
        if not good:
            return None
        drawn = {name: tuple(map(tuple, values[name])) for name in ("boxes", "curve")}
        return cls(**{**values, **drawn})

    @property
    def name(self) -> str:
        """Video, pipeline and seed."""
        return f"{self.video} {self.pipeline} seed {self.seed}"

    @property
    def files(self) -> dict[str, str]:
        """Ends of the names and contents of the files that the command line reads."""
        files = {}
        if self.boxes:
            files["boxes.json"] = json.dumps({"boxes": self.boxes})
        if self.curve:
            files["envelope.json"] = json.dumps({"points": self.curve})
        return files

    @property
    def command(self) -> str:
        """The command line that makes the clip in a folder with the video and `files`."""
        words = ["python", "-m", "savg", "v2a", self.video, "--pipeline", self.pipeline]
        words += ["--seed", str(self.seed)]
        if self.steps is not None:
            words += ["--steps", str(self.steps)]
        if self.guidance is not None:
            words += ["--guidance", f"{self.guidance:g}"]
        if self.weights != "demo":
            words += ["--weights", self.weights]
        if self.audio:
            words += ["--audio", self.audio]
        if self.blind:
            words.append("--no-boxes")
        elif self.boxes or self.person:
            words += ["--person", "boxes.json" if self.boxes else self.person]
        if self.detector:
            words += ["--detector", self.detector]
        if self.curve:
            words += ["--envelope", "envelope.json"]
        elif self.envelope:
            option = "--envelope" if self.envelope in OWN_OR_NONE else "--envelope-from"
            words += [option, self.envelope]
        if self.semantic:
            words += ["--sounds-like", self.semantic]
        if self.depth:
            words += ["--depth", self.depth]
        for condition, value in self.strengths.items():
            words += ["--strength", f"{condition}={value:g}"]
        return shlex.join([*words, "--out", "sounding"])


ClipSettings = GenerationSettings | AudioSettings
"""What a clip, or the audio of one, was made with."""


def settings_of(text: str) -> ClipSettings | None:
    """The settings in a text of a file, of whichever kind, None where it has none."""
    return GenerationSettings.from_text(text) or AudioSettings.from_text(text)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_WORD and value.isprintable()


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0 <= value < 2**63


def _are_rows(rows: Any, width: int) -> bool:
    return (
        isinstance(rows, list)
        and len(rows) <= MAX_ROWS
        and all(is_row(row, width) and all(map(_is_number, row)) for row in rows)
    )
