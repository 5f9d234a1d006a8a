"""Where a directed clip's sounds were asked to be, beside where they are heard."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from savg.errors import SavgError
from savg.format import SAVGBENCH
from savg.pipelines.settings import GenerationSettings
from savg.studio.generate.stage import moments_of

if TYPE_CHECKING:
    from savg.evaluation.annotate import Annotation
    from savg.pipelines.audio_settings import ClipSettings


def asked_and_heard(settings: ClipSettings | None, annotation: Annotation) -> dict[str, Any] | None:
    """What the big view shows of it, None for a clip whose x was left open.

    moments: times and x in pixels, between which it was asked to move, over `seconds`, which
    are the whole clip; words: how far from there the sounds are on average.
    """
    from savg.evaluation.directed import DirectedClip, sound_errors
    from savg.evaluation.takes import Asked
    from savg.pipelines.direction_text import direction_words, read_direction

    if not isinstance(settings, GenerationSettings) or "x_path" not in settings.options:
        return None
    path = {"x_path": settings.options["x_path"]}
    try:  # the file may be anybody's
        direction = read_direction(path)
    except SavgError:
        return None
    if direction is None or direction.x is None:
        return None
    asked, format = Asked(x=direction.x), annotation.clip.format
    events = replace(annotation.events, x=annotation.events.x * SAVGBENCH.size / format.size)
    clip = DirectedClip(asked, events, annotation.boxes, format)
    errors = sound_errors(clip, asked)
    words = f"Asked for {direction_words(path)}"
    if len(errors):
        words += f": sounds are {errors.mean():.0f} px from it on average."
    else:
        words += ": no sound was detected."
    return {"moments": moments_of(direction.x), "seconds": SAVGBENCH.seconds, "words": words}
