"""Words that say what shall sound, told apart from names of files; nothing here loads a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from savg.errors import SavgError
from savg.media.recording import SUFFIXES


@dataclass(frozen=True)
class Words:
    """A text that says what shall sound, such as "a woman speaks". SavgError for an empty one."""

    text: str

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise SavgError("Words of what shall sound must not be empty.")


def names_file(text: str) -> bool:
    """Whether a text is read as a file's name and not as words: it ends as audio files do, or is one
    word with a suffix or a slash."""
    suffix = Path(text).suffix.lower()
    return suffix in SUFFIXES or (len(text.split()) == 1 and (bool(suffix) or "/" in text))
