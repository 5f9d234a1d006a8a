"""Who is who over time: boxes of single frames as paths of persons, with gaps filled.

A box is followed by a Kalman filter of nearly constant velocity; filters and boxes of a frame are
paired so that the sum of their generalised overlaps is largest, and the path is smoothed over all
frames in the end. All is deterministic. Boxes are in pixels, times in seconds; motion is measured in
heights of the box, so that it does not depend on how near a person is.

Sources: SORT (arXiv 1602.00763) for the pairing; generalised IoU (arXiv 1902.09630); the smoother of
Rauch, Tung and Striebel (1965).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from savg.annotation import PERSON, Boxes
from savg.errors import SavgError, brief, is_whole

Values = NDArray[np.float64]

Who = Literal["longest"] | int
"""The person seen longest, or a person's number counted from the left, from 1 on."""

FLEETING = 0.25
"""Tracks seen for a smaller share of the longest one's time are not counted as persons."""

RARE = 0.15
"""Nor are those seen for a smaller share of the time in which anybody is: pieces of broken tracks."""


@dataclass(frozen=True)
class Motion:
    """How boxes move, in heights of the box and seconds; the defaults suit people who walk.

    acceleration: standard deviation of the change of velocity in a second; velocity: of the velocity
    at the start; error: of a detected coordinate. overlap: least generalised IoU, −1..1, of a box with
    where its person is expected. gap: seconds for which somebody may be unseen and is still the same.
    """

    acceleration: float = 0.5
    velocity: float = 1.0
    error: float = 0.04
    overlap: float = -0.2
    gap: float = 2.0


@dataclass(frozen=True, eq=False)
class Track:
    """A person in the frames from the first to the last one in which the person was detected.

    frames: their numbers int64 [n], without a gap; xyxy: corners in pixels [n, 4]; observed: whether
    the person was detected in each, or is expected there from the frames around it.
    """

    frames: NDArray[np.int64]
    xyxy: Values
    observed: NDArray[np.bool_]

    @property
    def seen(self) -> int:
        """Number of frames in which the person was detected."""
        return int(self.observed.sum())

    @property
    def area(self) -> float:
        """Mean area of the box in square pixels."""
        return float(np.prod(self.xyxy[:, 2:] - self.xyxy[:, :2], axis=1).mean())

    @property
    def x(self) -> Values:
        """The box's horizontal middle in pixels [n]."""
        return self.xyxy[:, [0, 2]].mean(axis=1)

    def x_at(self, frames: Values) -> Values:
        """The horizontal middle at frame numbers, which may be fractions; before the first frame and
        after the last one, where it is there."""
        return np.interp(frames, self.frames, self.x)


def track(
    boxes: Boxes, fps: float | Fraction, category: int = PERSON, motion: Motion | None = None
) -> list[Track]:
    """The persons that boxes of single frames belong to, those who are seen first first.

    Args:
        boxes: of a video at `fps` frames a second, in any order.
        category: of the boxes to follow; others are left out.
        motion: how they move.

    Raises:
        ValueError: fps is not above 0.

    Example:
        people = track(detector(clip), clip.format.fps)
    """
    if not fps > 0:
        raise ValueError(f"fps must be > 0, got {fps}.")
    motion = motion or Motion()
    boxes = boxes.select(boxes.categories == category)
    paths: list[_Path] = []
    for frame in np.unique(boxes.frames).tolist():
        time = float(frame / Fraction(fps))
        rows = boxes.xyxy[boxes.frames == frame]
        alive = [path for path in paths if time - path.time <= motion.gap]
        expected = np.stack([path.expected(time) for path in alive]) if alive else np.zeros((0, 4))
        taken = set()
        for path, row in _pairs(expected, rows, motion.overlap):
            alive[path].add(frame, time, rows[row])
            taken.add(row)
        for row in sorted(set(range(len(rows))) - taken):
            paths.append(_Path(motion, frame, time, rows[row]))
    return [path.finished(Fraction(fps)) for path in paths]


def persons(tracks: Sequence[Track]) -> list[Track]:
    """Those of the tracks that are seen for a fair share of the time, from left to right.

    The longest one is always among them.
    """
    if not tracks:
        return []
    longest = max(one.seen for one in tracks)
    anybody = np.unique(np.concatenate([one.frames[one.observed] for one in tracks]))
    least = max(FLEETING * longest, RARE * len(anybody))
    lasting = [one for one in tracks if one.seen >= least] or [_longest(tracks)]
    return sorted(lasting, key=lambda one: float(one.x.mean()))


def choose_person(tracks: Sequence[Track], who: Who = "longest") -> Track:
    """One person of those in a video.

    Args:
        who: "longest", the one detected in most frames, of several the largest and then the leftmost;
            or a number in `persons`, which counts them from the left from 1 on.

    Raises:
        SavgError: there is nobody, or nobody of that number.
    """
    people = persons(tracks)
    if not people:
        raise SavgError("No person was found in the video.")
    if who == "longest":
        return _longest(people)
    if not is_whole(who) or not 1 <= who <= len(people):
        places = [f"{i} at x = {one.x.mean():.0f}" for i, one in enumerate(people[:9], 1)]
        found = "one person" if len(people) == 1 else f"{len(people)} persons"
        raise SavgError(
            f"The person must be 'longest' or a number in 1..{len(people)}, counted from the left "
            f"({found} in the video: {', '.join(places)}), got {brief(who)}."
        )
    return people[who - 1]


def _longest(tracks: Sequence[Track]) -> Track:
    """The one detected in most frames, of several the largest and then the first."""
    return max(tracks, key=lambda one: (one.seen, one.area))


@dataclass
class _Path:
    """The detections of one person so far, and the filter that expects the next.

    state [2, 4]: position and velocity of centre x, y, width and height; covariance [2, 2]: of each, in
    units of the first box's height.
    """

    motion: Motion
    first: int
    time: float
    box: Values
    frames: list[int] = field(init=False)
    boxes: list[Values] = field(init=False)

    def __post_init__(self) -> None:
        self.frames, self.boxes = [self.first], [self.box]
        centre = to_centre(self.box)
        self.state, self.covariance = _start(centre, max(float(centre[3]), 1.0), self.motion)

    def expected(self, time: float) -> Values:
        """Corners [4] of where the box is expected at a time."""
        return to_corners(self.state[0] + self.state[1] * (time - self.time))

    def add(self, frame: int, time: float, box: Values) -> None:
        scale = max(float(to_centre(self.box)[3]), 1.0)
        state, covariance = _predict(
            self.state, self.covariance, time - self.time, scale, self.motion
        )
        self.state, self.covariance = _update(state, covariance, to_centre(box), scale, self.motion)
        self.time = time
        self.frames.append(frame)
        self.boxes.append(box)

    def finished(self, fps: Fraction) -> Track:
        frames = np.arange(self.frames[0], self.frames[-1] + 1)
        observed = np.isin(frames, self.frames)
        detections = np.full((len(frames), 4), np.nan)
        detections[observed] = to_centre(np.stack(self.boxes))
        times = (frames - frames[0]) / float(fps)
        smooth = smoothed(times, detections, max(float(detections[0, 3]), 1.0), self.motion)
        smooth[:, 2:] = np.maximum(smooth[:, 2:], 0)
        return Track(frames, to_corners(smooth), observed)


def smoothed(times: Values, detections: Values, scale: float, motion: Motion) -> Values:
    """The likeliest path [n, 4] through noisy detections [n, 4] at `times` [n] in seconds.

    Rows of NaN are times without a detection; the first row has one. scale: pixels of the unit in
    which `motion` measures.
    """
    state, covariance = _start(detections[0], scale, motion)
    states, covariances = [state], [covariance]
    predicted = [(state, covariance)]
    for step, row in zip(np.diff(times), detections[1:], strict=True):
        state, covariance = _predict(state, covariance, float(step), scale, motion)
        predicted.append((state, covariance))
        if not np.isnan(row).any():
            state, covariance = _update(state, covariance, row, scale, motion)
        states.append(state)
        covariances.append(covariance)
    for i in range(len(states) - 2, -1, -1):
        ahead, spread = predicted[i + 1]
        transition = _transition(float(times[i + 1] - times[i]))
        gain = covariances[i] @ transition.T @ np.linalg.inv(spread)
        states[i] = states[i] + gain @ (states[i + 1] - ahead)
    return np.stack([state[0] for state in states])


def _start(centre: Values, scale: float, motion: Motion) -> tuple[Values, Values]:
    state = np.stack([centre, np.zeros(4)])
    return state, np.diag([motion.error**2, motion.velocity**2]) * scale**2


def _transition(seconds: float) -> Values:
    return np.array([[1.0, seconds], [0.0, 1.0]])


def _predict(
    state: Values, covariance: Values, seconds: float, scale: float, motion: Motion
) -> tuple[Values, Values]:
    """State and covariance after some seconds of a velocity that takes a random walk."""
    t, transition = seconds, _transition(seconds)
    walk = np.array([[t**3 / 3, t**2 / 2], [t**2 / 2, t]]) * (motion.acceleration * scale) ** 2
    return transition @ state, transition @ covariance @ transition.T + walk


def _update(
    state: Values, covariance: Values, centre: Values, scale: float, motion: Motion
) -> tuple[Values, Values]:
    """State and covariance after a detection."""
    gain = covariance[:, :1] / (covariance[0, 0] + (motion.error * scale) ** 2)
    return state + gain * (centre - state[0]), covariance - gain @ covariance[:1]


def _pairs(expected: Values, boxes: Values, least: float) -> list[tuple[int, int]]:
    """Indices of expected and detected boxes that belong together, each at most once."""
    from scipy.optimize import linear_sum_assignment

    if not len(expected) or not len(boxes):
        return []
    overlap = generalised_iou(expected, boxes)
    allowed = overlap >= least
    ways = linear_sum_assignment(np.where(allowed, overlap - least, 0.0), maximize=True)
    return [(i, j) for i, j in zip(*(way.tolist() for way in ways), strict=True) if allowed[i, j]]


def generalised_iou(first: Values, second: Values) -> Values:
    """Generalised IoU [N, M], −1..1, of boxes [N, 4] with boxes [M, 4]: negative where far apart."""
    a, b = first[:, None], second[None]
    inner = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    outer = np.maximum(a[..., 2:], b[..., 2:]) - np.minimum(a[..., :2], b[..., :2])
    shared = np.prod(inner.clip(0), axis=-1)
    union = np.prod(a[..., 2:] - a[..., :2], -1) + np.prod(b[..., 2:] - b[..., :2], -1) - shared
    hull = np.maximum(np.prod(outer, axis=-1), 1e-9)
    return shared / np.maximum(union, 1e-9) - (hull - union) / hull


def to_centre(xyxy: Values) -> Values:
    """Corners [..., 4] as centre x, y, width and height."""
    low, high = xyxy[..., :2], xyxy[..., 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=-1)


def to_corners(centre: Values) -> Values:
    """Centre x, y, width and height [..., 4] as corners."""
    half = centre[..., 2:] / 2
    return np.concatenate([centre[..., :2] - half, centre[..., :2] + half], axis=-1)
