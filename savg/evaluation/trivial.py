"""Trivial baselines as clips: what a generator without any idea of space reaches.

`centred` puts the audio into the middle; `panned_by_boxes` pans its mono mix to where a detector sees a
person. The second agrees with its video by construction: a high score of it says how much of a metric
a detector and a pan pot alone can earn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from savg.annotation import PERSON, Boxes
from savg.clip import Clip
from savg.format import SAVGBENCH
from savg.geometry import stereo_gains, x_to_azimuth

CENTRE = SAVGBENCH.size / 2
"""x of the frame's centre, in the pixels of boxes."""


def centred(clip: Clip) -> Clip:
    """The clip with its mono mix, (left + right) / 2, in both channels.

    Example:
        >>> centred(Clip.read("clip.mp4")).write("centre.mp4")
    """
    mono = clip.audio.mean(axis=0, dtype=np.float32)
    return Clip(clip.video, np.stack([mono, mono]), clip.format)


def panned_by_boxes(clip: Clip, boxes: Boxes) -> Clip:
    """The clip with its mono mix panned to the surest person: left = (1 + sin a) · mix and right =
    (1 − sin a) · mix, as coincident W ± Y stereo has a source at azimuth a of a 100° view [S1].

    Between frames x moves evenly, so that gains have no steps; before the first frame with a person
    it stays where he appears, after the last where he was; without anybody it is the centre. Louder
    audio than full scale is turned down as a whole.

    Args:
        clip: of any length and size.
        boxes: of persons in it, in pixels of the 256-wide frame.

    Example:
        >>> panned_by_boxes(clip, person_detector()(clip))
    """
    frames = surest_x(boxes, clip.format.frames)
    known = np.flatnonzero(np.isfinite(frames))
    if not len(known):
        return centred(clip)
    times = np.arange(clip.format.samples) / clip.format.sample_rate
    x = np.interp(times, known / clip.format.fps, frames[known])
    gains = stereo_gains(x_to_azimuth(np.clip(x, 0, SAVGBENCH.size)))
    panned = gains * clip.audio.mean(axis=0, dtype=np.float64)
    panned /= max(1.0, float(np.abs(panned).max(initial=0.0)))
    return Clip(clip.video, panned.astype(np.float32), clip.format)


def surest_x(boxes: Boxes, frames: int) -> NDArray[np.float64]:
    """x of the middle of the surest person's box in each of `frames` frames, NaN without one.

    The surest has the highest score or, where boxes have none, the largest box.
    """
    boxes = boxes.select((boxes.categories == PERSON) & (boxes.frames < frames))
    width, height = (boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]).T
    order = np.argsort(width * height if boxes.scores is None else boxes.scores, kind="stable")
    x = np.full(frames, np.nan)
    for row in order.tolist():  # the surest of a frame is written last
        x[boxes.frames[row]] = boxes.xyxy[row, [0, 2]].mean()
    return x
