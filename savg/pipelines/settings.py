"""The settings that a clip was generated with: enough to make it again.

They lie in the file itself (the comment of an mp4, a text of a PNG), in a link to the studio and in a
command line. A clip is a seed and settings: whoever has them, and the weights, has the clip.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from savg.pipelines.direction_text import MAX_PATH, direction_words

VERSION = 1
"""Of the form of the text; raised when a reader of the old form would misunderstand the new one."""

KEY = "savg"
"""The text is a JSON object with this key, whose value is the version."""

MAX_TEXT = 4000
"""Characters of a text that is read."""

SAFE = ","
"""Characters that the query of an address may have in a value as they are."""

MAX_WORD = 200
"""Characters of a value, a path aside."""

NUMBERS = ("audio_steps", "superres_steps", "guidance", "people")
"""Further options that are numbers."""

WORDS = ("sampler", "say", "x_path", "strength")
"""Further options that are words."""

DIRECTION = ("say", "x_path", "people", "strength")
"""Options that are a direction, which links have too."""

OPTIONS = (*NUMBERS, *WORDS, "boxes", "as_published")
"""Further options, by the names that pipelines take; each is an option of `savg generate`."""

Option = bool | int | float | str


@dataclass(frozen=True)
class GenerationSettings:
    """What clip `index` of a seed was generated with.

    pipeline: its registered name; steps: of the diffusion network, None for the pipeline's own;
    weights: as `savg generate` takes it; options: further ones of OPTIONS.
    """

    pipeline: str
    seed: int
    index: int = 0
    steps: int | None = None
    weights: str = "demo"
    options: Mapping[str, Option] = field(default_factory=dict)

    def to_text(self) -> str:
        """One line of JSON, to be kept with the clip."""
        values: dict[str, Any] = {KEY: VERSION, "pipeline": self.pipeline, "seed": self.seed}
        values |= {"index": self.index, "steps": self.steps, "weights": self.weights}
        return json.dumps(values | dict(self.options))

    @classmethod
    def from_text(cls, text: str) -> GenerationSettings | None:
        """The settings in a text of a file, None where it has none. The file may be anybody's: values
        that are no settings make it None too."""
        if len(text) > MAX_TEXT:
            return None
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(values, dict) or values.get(KEY) != VERSION:
            return None
        steps, options = values.get("steps"), {k: values[k] for k in OPTIONS if k in values}
        good = (
            _is_word(values.get("pipeline"))
            and _is_word(values.get("weights"))
            and _is_whole(values.get("seed"))
            and _is_whole(values.get("index"))
            and (steps is None or _is_whole(steps))
            and all(_is_option(name, value) for name, value in options.items())
        )
        if not good:
            return None
        return cls(
            values["pipeline"], values["seed"], values["index"], steps, values["weights"], options
        )

    @property
    def name(self) -> str:
        """Pipeline, seed and, after the first, the number of the clip: what files of it are called."""
        clip = f" clip {self.index + 1}" if self.index else ""
        return f"{self.pipeline} seed {self.seed}{clip}"

    @property
    def direction_words(self) -> str:
        """What was asked for in a few words: "speech, x 40→200"; empty for nothing."""
        return direction_words(self.options)

    @property
    def command(self) -> str:
        """The command line that makes the clip, the last of its seed's clips that it makes."""
        words = ["python", "-m", "savg", "generate", "--pipeline", self.pipeline]
        words += ["--seed", str(self.seed)]
        if self.index:
            words += ["--num", str(self.index + 1)]
        if self.steps is not None:
            words += ["--steps", str(self.steps)]
        if self.weights != "demo":
            words += ["--weights", self.weights]
        for name, value in self.options.items():
            words += _option_words(name, value)
        return shlex.join([*words, "--out", "clips"])

    @property
    def query(self) -> str:
        """The end of an address of the studio that opens and makes the clip, from the question mark."""
        values: dict[str, Any] = {"pipeline": self.pipeline, "seed": self.seed}
        if self.steps is not None:
            values["steps"] = self.steps
        if self.index:
            values["clips"] = self.index + 1
        if self.options.get("boxes") is False:
            values["boxes"] = 0
        values |= {name: self.options[name] for name in DIRECTION if name in self.options}
        if self.weights != "demo":
            values["weights"] = self.weights
        return f"?{urlencode(values, safe=SAFE)}"


def _option_words(name: str, value: Option) -> list[str]:
    if name == "boxes":
        return [] if value else ["--no-boxes"]
    option = f"--{name.replace('_', '-')}"
    if name == "as_published":
        return [option] if value else []
    return [option, str(value)]


def _is_word(value: Any, most: int = MAX_WORD) -> bool:
    return isinstance(value, str) and 0 < len(value) <= most and value.isprintable()


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_option(name: str, value: Any) -> bool:
    if name in ("boxes", "as_published"):
        return isinstance(value, bool)
    if name in WORDS:
        return _is_word(value, MAX_PATH if name == "x_path" else MAX_WORD)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0 <= value < 2**63
