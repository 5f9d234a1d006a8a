"""Colours and marks shared by every figure of an annotation.

A judgement is never shown by colour alone: true positives are filled evenly with a solid centre line
and a round marker, false negatives are hatched with a dashed line and a cross. Blue and orange are
distinct with every common kind of colour blindness (Okabe and Ito, "Color Universal Design").
"""

from __future__ import annotations

from savg.annotation import CATEGORY_NAMES

TRUE_POSITIVE = "#56B4E9"
FALSE_NEGATIVE = "#E8690B"
PERSON = "#FFFFFF"
PERSON_CASING = "#101418"
PERSON_IN_PLOTS = "#8A8F98"
LEFT = "#009E73"
RIGHT = "#CC79A7"
SPEECH = "#8B7CF6"
INSTRUMENT = "#E3A008"
UNKNOWN = "#8A8F98"


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, 0..255, of a "#RRGGBB" colour."""
    digits = colour.removeprefix("#")
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def judgement(matched: bool) -> str:
    """The colour of a true positive or a false negative."""
    return TRUE_POSITIVE if matched else FALSE_NEGATIVE


def judgement_text(matched: bool) -> str:
    """TP or FN."""
    return "TP" if matched else "FN"


def category_name(category: int) -> str:
    """The name of a category of sound events, "class N" beyond the categories."""
    is_known = 0 <= category < len(CATEGORY_NAMES)
    return CATEGORY_NAMES[category] if is_known else f"class {category}"


def category_colour(category: int) -> str:
    """The colour of a category of sound events without a judgement; grey for unknown ones."""
    return {0: SPEECH, 1: INSTRUMENT}.get(category, UNKNOWN)


def names() -> dict[str, str]:
    """The colours by name, for a player that draws the overlay itself."""
    return {
        "tp": TRUE_POSITIVE,
        "fn": FALSE_NEGATIVE,
        "person": PERSON,
        "person_casing": PERSON_CASING,
        "left": LEFT,
        "right": RIGHT,
    }
