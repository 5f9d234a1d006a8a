"""Which visible objects can be the source of which sounds: categories of COCO by kind.

COCO has no musical instruments and no loudspeakers as such: an instrument is where its player is, and
screens, laptops and telephones are what speaks and plays without a person.

| kind | COCO categories | speech | instrument |
|---|---|---|---|
| person | person | yes | yes |
| loudspeaker | tv, laptop, cell phone | yes | yes |
| vehicle | car, motorcycle, airplane, bus, train, truck, boat | no | no |
| animal | bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe | no | no |
| appliance | microwave, oven, toaster, sink, refrigerator, clock, hair drier | no | no |

Each of them is a source of sound of some kind; only those marked are one of that class.
"""

from __future__ import annotations

from savg.annotation import INSTRUMENT, PERSON, SPEECH

KINDS: dict[str, tuple[int, ...]] = {
    "person": (PERSON,),
    "loudspeaker": (62, 63, 67),
    "vehicle": (2, 3, 4, 5, 6, 7, 8),
    "animal": (14, 15, 16, 17, 18, 19, 20, 21, 22, 23),
    "appliance": (68, 69, 70, 71, 72, 74, 78),
}
"""Kind of object → its COCO categories, counted from 0."""

SOUNDING = tuple(sorted(category for kind in KINDS.values() for category in kind))
"""Every category that can sound: what to ask of a detector, beyond persons."""

SOURCES: dict[int, tuple[int, ...]] = {
    SPEECH: KINDS["person"] + KINDS["loudspeaker"],
    INSTRUMENT: KINDS["person"] + KINDS["loudspeaker"],
}
"""Class of sound → categories of the objects that it can come from."""


def kind_of(category: int) -> str | None:
    """The kind of a COCO category, None for one that is silent."""
    return next((kind for kind, categories in KINDS.items() if category in categories), None)
