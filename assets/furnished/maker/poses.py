"""Targets of each phase of each action, from the project's own poses of its drawn people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from maker.rig import Rig, Target
from savg.data.scenes.people import STRIDE, pose
from savg.data.scenes.scene import Person, Track
from savg.data.scenes.world import Look

STANDING = Track((0.0, 100.0), (2.0, 2.0), (0.0, 0.0))
SEAT = 0.47
"""Height of a chair's seat in metres."""


def _look(rig: Rig) -> Look:
    grey = (128, 128, 128)
    return Look(grey, grey, "short", grey, grey, height=rig.character.height)


def _target(rig: Rig, joints, frame: int, seated: bool = False) -> Target:
    """Joints of a drawn person at one frame as a target for this rig."""
    j = rig.joints
    tall = np.linalg.norm(j.neck - j.pelvis)
    drawn = joints.chest[frame] - joints.hips[frame]
    sway = joints.hips[frame, 0]
    width = abs(j.hip[1, 0] - j.hip[0, 0]) / 2
    length = min(a + b for a, b in rig.leg)
    height = rig.ankle + 0.985 * length + j.pelvis[1] - j.hip[:, 1].mean()
    feet = []
    for k, side in enumerate((-1, 1)):
        ankle = np.array([side * (width + 0.02), rig.ankle, 0.0])
        drawn_foot = joints.feet[k][frame]
        ankle[1] += max(0.0, drawn_foot[1] - 0.05)
        ankle[2] += drawn_foot[2]
        feet.append(ankle)
    if seated:
        height = SEAT + 0.1
        for k, side in enumerate((-1, 1)):
            feet[k] = np.array([side * (width + 0.05), rig.ankle, rig.leg[k][0] + 0.02])
    pelvis = np.array([sway, height, 0.0])
    scale = tall / np.linalg.norm(drawn)
    neck = pelvis + scale * drawn
    hands = np.stack([neck + scale * (h[frame] - joints.chest[frame]) for h in joints.hands])
    middle = [(joints.shoulders[k][frame] + joints.hands[k][frame]) / 2 for k in (0, 1)]
    elbows = np.stack([joints.elbows[k][frame] - middle[k] for k in (0, 1)])
    knees = np.array([[-0.12, 0, 1.0], [0.12, 0, 1.0]])
    nod = joints.head[frame] - joints.chest[frame]
    return Target(
        hands, np.stack(feet), elbows, knees, pelvis, drawn, nod * [1, 1, 0.0] + [0, 0, 0.004]
    )


def speaking(rig: Rig, phases: int, seated: bool = False) -> list[Target]:
    """Phase 0 at rest, the others a loop of gestures."""
    look = _look(rig)
    times = np.linspace(0, 2.6, phases - 1, endpoint=False)
    person = Person(look, STANDING, "speak", seated=seated, pose=0, phase=0.6)
    voice = np.ones(len(times))
    gestures = pose(person, times, voice, ())
    rest = pose(replace(person, action="idle", pose=3), np.zeros(1), np.zeros(1), ())
    targets = [_target(rig, rest, 0, seated)]
    for k in range(len(times)):
        target = _target(rig, gestures, k, seated)
        if k % 2:
            other = _target(rig, rest, 0, seated)
            hands = target.hands.copy()
            hands[k // 2 % 2] = 0.25 * hands[k // 2 % 2] + 0.75 * other.hands[k // 2 % 2]
            target = replace(target, hands=hands)
        targets.append(target)
    return targets


def idle(rig: Rig, phases: int, seated: bool = False) -> list[Target]:
    """Phase 0 with hanging arms (seated: on the thighs), then a hand on the hip, folded arms."""
    look = _look(rig)
    targets = []
    for style in (3, 2, 1)[:phases]:
        person = Person(look, STANDING, "idle", seated=seated, pose=style, phase=0.4)
        joints = pose(person, np.zeros(1), np.zeros(1), ())
        targets.append(_target(rig, joints, 0, seated))
    return targets


def walking(rig: Rig, phases: int) -> list[Target]:
    """One cycle of two steps."""
    seconds = 2 * STRIDE
    times = np.arange(phases) * seconds / phases + 10 * seconds
    track = Track((0.0, 100.0), (102.0, 2.0), (0.0, 0.0))
    person = Person(_look(rig), track, "idle", pose=0, phase=0.4)
    joints = pose(person, times, np.zeros(phases), ())
    targets = []
    for k in range(phases):
        target = _target(rig, joints, k)
        reach = target.feet[:, 2]
        lift = target.feet[:, 1] - rig.ankle
        heel, sole = 25 * np.maximum(0, -reach - 0.05) + 45 * lift, 50 * np.maximum(0, reach - 0.1)
        pitch = float(heel[0] - sole[0]), float(heel[1] - sole[1])
        feet = target.feet.copy()
        feet[:, 1] += 0.35 * np.maximum(0, -reach - 0.05)
        legs = 0.995 * min(a + b for a, b in rig.leg)
        drop = 0.01 + legs - np.sqrt(legs**2 - (0.9 * np.abs(reach).max()) ** 2)
        pelvis = target.pelvis - [0, drop, 0]
        hands = target.hands - [0, drop, 0]
        targets.append(replace(target, feet=feet, pitch=pitch, pelvis=pelvis, hands=hands))
    return targets
