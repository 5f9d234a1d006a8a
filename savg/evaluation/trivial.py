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

WAY = 64.0
"""Pixels between two frames that weigh as much as the difference of a sure and an impossible box."""


def centred(clip: Clip) -> Clip:
    """The clip with its mono mix, (left + right) / 2, in both channels.

    Example:
        >>> centred(Clip.read("clip.mp4")).write("centre.mp4")
    """
    mono = clip.audio.mean(axis=0, dtype=np.float32)
    return Clip(clip.video, np.stack([mono, mono]), clip.format)


def panned_by_boxes(clip: Clip, boxes: Boxes) -> Clip:
    """The clip with its mono mix panned to one person, the surest (`followed_x`).

    Gains are left = (1 + sin a) and right = (1 − sin a) of the mix, as coincident W ± Y stereo has a
    source at azimuth a of a 100° view [S1].

    Between frames x moves evenly, so that gains have no steps; before the first frame with a person
    it stays where he appears, after the last where he was; without anybody it is the centre. Louder
    audio than full scale is turned down as a whole.

    Args:
        clip: of any length and size.
        boxes: of persons in it, in pixels of the 256-wide frame.

    Example:
        >>> panned_by_boxes(clip, person_detector()(clip))
    """
    frames = followed_x(boxes, clip.format.frames)
    known = np.flatnonzero(np.isfinite(frames))
    if not len(known):
        return centred(clip)
    times = np.arange(clip.format.samples) / clip.format.sample_rate
    x = np.interp(times, known / clip.format.fps, frames[known])
    gains = stereo_gains(x_to_azimuth(np.clip(x, 0, SAVGBENCH.size)))
    panned = gains * clip.audio.mean(axis=0, dtype=np.float64)
    panned /= max(1.0, float(np.abs(panned).max(initial=0.0)))
    return Clip(clip.video, panned.astype(np.float32), clip.format)


def followed_x(boxes: Boxes, frames: int) -> NDArray[np.float64]:
    """x of the middle of one person's box in each of `frames` frames, NaN without any.

    The boxes are those with the largest sum of sureness minus way: the detector's score (or, where
    boxes have none, the area as a share of the largest) minus the way between frames in units of `WAY`
    pixels, so that the sound does not jump between two people whose scores are alike.
    """
    boxes = boxes.select((boxes.categories == PERSON) & (boxes.frames < frames))
    x = boxes.xyxy[:, [0, 2]].mean(axis=1)
    result, known = np.full(frames, np.nan), np.unique(boxes.frames)
    rows = [np.flatnonzero(boxes.frames == frame) for frame in known]
    sureness = _sureness(boxes)
    best, origins = np.zeros(0), []
    for index, here in enumerate(rows):
        if not index:
            best = sureness[here]
            continue
        way = np.abs(x[here][:, None] - x[rows[index - 1]][None]) / WAY
        totals = best[None] - way
        origins.append(totals.argmax(axis=1))
        best = sureness[here] + totals.max(axis=1)
    if len(rows):
        place = int(best.argmax())
        for index in range(len(rows) - 1, -1, -1):
            result[known[index]] = x[rows[index][place]]
            place = int(origins[index - 1][place]) if index else place
    return result


def _sureness(boxes: Boxes) -> NDArray[np.float64]:
    if boxes.scores is not None:
        return boxes.scores
    width, height = (boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]).T
    area = width * height
    return area / max(float(area.max(initial=0.0)), 1e-9)
