"""Where the person is that a sound event belongs to: the nearest one, and the surest one.

x in pixels of a 256-wide frame, left is small. Errors are sound minus person: negative where the sound
lies to the left of the person.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from savg.annotation import PERSON, Boxes, SoundEvents
from savg.format import SAVGBENCH, ClipFormat
from savg.metrics.spatial import video_frames


class PersonCentres(NamedTuple):
    """x of the middle of a person's box for each sound event [N]; NaN where nobody was found.

    nearest: the person nearest to the event; surest: the one with the highest score, or the largest
    box where boxes have no scores.
    """

    nearest: NDArray[np.float64]
    surest: NDArray[np.float64]


def person_centres(
    events: SoundEvents, boxes: Boxes, format: ClipFormat = SAVGBENCH
) -> PersonCentres:
    """The persons of sound events: those in the event's video frame or, without any there, in the
    frames beside it.

    Args:
        events: x in pixels of the format's frame.
        boxes: in the same pixels; other categories than persons do not count.
        format: of the clip.
    """
    boxes = boxes.select(boxes.categories == PERSON)
    nobody = np.full(len(events), np.nan)
    if not len(events) or not len(boxes):
        return PersonCentres(nobody, nobody)
    frame = np.minimum(video_frames(events, format), format.frames - 1)
    apart = np.abs(boxes.frames - frame[:, None])
    here = apart == 0
    usable = np.where(here.any(axis=1, keepdims=True), here, apart <= 1)
    centre = boxes.xyxy[:, [0, 2]].mean(axis=1)
    distance = np.where(usable, np.abs(events.x[:, None] - centre), np.inf)
    width, height = (boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]).T
    sureness = width * height if boxes.scores is None else boxes.scores
    found = usable.any(axis=1)
    nearest = np.where(found, centre[distance.argmin(axis=1)], np.nan)
    surest = centre[np.where(usable, sureness, -np.inf).argmax(axis=1)]
    return PersonCentres(nearest, np.where(found, surest, np.nan))
