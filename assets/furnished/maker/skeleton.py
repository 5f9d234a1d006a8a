"""Skeletons: bones, and the joints in which a model stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maker.character import Character

PELVIS, CHEST, HEAD = 0, 1, 2
UPPER_ARM, FOREARM, HAND, THIGH, SHIN, FOOT = ((k, k + 1) for k in (3, 5, 7, 9, 11, 13))
BONES = 15
RADII = (0.11, 0.11, 0.09, *(0.045,) * 2, *(0.035,) * 4, *(0.075,) * 2, *(0.05,) * 2, *(0.04,) * 2)
ROWS = {
    "shoulder": (6, 5),
    "elbow": (8, 7),
    "wrist": (10, 9),
    "hip": (12, 11),
    "knee": (14, 13),
    "ankle": (16, 15),
}
"""Rows of the joints of the viewer's left and right side."""


@dataclass(frozen=True, eq=False)
class Joints:
    """Joints in metres; pairs are (viewer's left, viewer's right)."""

    pelvis: np.ndarray
    neck: np.ndarray
    head: np.ndarray
    shoulder: np.ndarray
    elbow: np.ndarray
    wrist: np.ndarray
    hip: np.ndarray
    knee: np.ndarray
    ankle: np.ndarray


def rest_joints(character: Character) -> Joints:
    """The joints in which the model stands."""
    rows = {name: character.joints[list(pair)] for name, pair in ROWS.items()}
    neck = rows["shoulder"].mean(0) + np.array([0, 0.02, 0])
    return Joints(pelvis=rows["hip"].mean(0), neck=neck, head=character.joints[:5].mean(0), **rows)


def segments(joints: Joints) -> list[tuple[np.ndarray, np.ndarray]]:
    """Ends of each bone."""
    waist = 0.45 * joints.neck + 0.55 * joints.pelvis
    top = joints.head + np.array([0, 0.11, -0.04])
    bones = [
        (joints.pelvis, waist),
        (waist, joints.neck),
        (0.6 * joints.neck + 0.4 * joints.head, top),
    ]
    sides = (0, 1)
    start = [s + 0.12 * (e - s) for s, e in zip(joints.shoulder, joints.elbow, strict=True)]
    bones += [(start[k], joints.elbow[k]) for k in sides]
    bones += [(joints.elbow[k], joints.wrist[k]) for k in sides]
    bones += [(joints.wrist[k], fingers(joints, k)) for k in sides]
    bones += [(joints.hip[k], joints.knee[k]) for k in sides]
    bones += [(joints.knee[k], joints.ankle[k]) for k in sides]
    bones += [(joints.ankle[k], joints.ankle[k] + [0, -0.06, 0.14]) for k in sides]
    return bones


def fingers(joints: Joints, side: int) -> np.ndarray:
    """Where the fingers end."""
    return joints.wrist[side] + 0.6 * (joints.wrist[side] - joints.elbow[side])
