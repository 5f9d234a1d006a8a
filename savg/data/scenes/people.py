"""Articulated people: their joints in each frame, and the shapes drawn for them.

Coordinates are a person's own (see `shapes.Stage`): u viewer's right, v up, w towards the camera.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from savg.data.scenes.camera import Camera
from savg.data.scenes.pose import Pose
from savg.data.scenes.props import draw_prop
from savg.data.scenes.scene import Note, Person
from savg.data.scenes.shapes import Part, Stage, reach, shade

Array = NDArray[np.floating]
STRIDE = 0.62


def points(u: Array | float, v: Array | float, w: Array | float, frames: int) -> Array:
    """Stack coordinates, each a number or one for each frame, to [F, 3]."""
    return np.stack([np.broadcast_to(np.asarray(c, float), (frames,)) for c in (u, v, w)], axis=-1)


def wave(times: Array, phase: float, rate: float) -> Array:
    """A smooth, irregular movement in about −1..1."""
    a = np.sin(2 * np.pi * rate * times + phase)
    return 0.6 * a + 0.4 * np.sin(2 * np.pi * 1.73 * rate * times + 2.1 * phase)


def strike(times: Array, notes: tuple[Note, ...], spread: float = 0.16) -> Array:
    """0 where a note begins, 1 away from notes [F]."""
    if not notes:
        return np.ones_like(times)
    starts = np.array([n.start for n in notes])
    return np.clip(np.abs(times[:, None] - starts).min(axis=1) / spread, 0, 1)


def pitch_at(times: Array, notes: tuple[Note, ...]) -> Array:
    """Pitch of the latest note, scaled to −1..1 over the phrase [F]."""
    if not notes:
        return np.zeros_like(times)
    starts = np.array([n.start for n in notes])
    pitches = np.array([n.pitch for n in notes], float)
    pitches -= pitches.min()
    index = np.clip(np.searchsorted(starts, times + 0.05, side="right") - 1, 0, None)
    return 2 * pitches[index] / max(pitches.max(), 1.0) - 1


def pose(person: Person, times: Array, voice: Array, notes: tuple[Note, ...]) -> Pose:
    """The joints of a person at `times` [F]; voice: how loudly they speak, 0..1 [F]."""
    look, frames = person.look, len(times)
    tall, wide = look.height, look.breadth
    ground = person.track.at(times)
    walk, direction = walking(person, times, ground)
    turn = np.where(
        np.abs(walk) > 0, direction, person.turn * 0.6 + 4 * wave(times, person.phase, 0.2)
    )
    sway = 0.012 * wave(times, person.phase + 1, 0.3)
    hip = 0.30 * tall if person.seated else 0.52 * tall
    step = np.where(np.abs(walk) > 0, 1.0, 0.0)
    bob = -0.015 * step * np.abs(np.sin(walk))
    hips = points(0.4 * sway, hip + bob, 0.0, frames)
    chest = points(sway, hip + 0.295 * tall + bob, 0.0, frames)
    nod = 0.012 * voice * wave(times, person.phase + 3, 1.1)
    head = points(1.4 * sway + nod, hip + 0.405 * tall + bob - 0.008 * voice, 0.02, frames)
    shoulder = 0.112 * tall * wide
    shoulders = tuple(chest + np.array([s * shoulder, -0.01, 0.0]) for s in (-1, 1))
    targets = _hand_targets(person, times, voice, notes, chest, hips, walk, step)
    elbows, hands = [], []
    for side, joint, target in zip((-1, 1), shoulders, targets, strict=True):
        pole = points(side * 0.45, -0.75, -0.35, frames)
        elbow, hand = reach(joint, target, 0.172 * tall, 0.155 * tall, pole)
        elbows.append(elbow)
        hands.append(hand)
    knees, feet = _legs(person, hips, walk, step, frames)
    return Pose(
        hips, chest, head, shoulders, (elbows[0], elbows[1]), (hands[0], hands[1]),
        knees, feet, turn, voice,
    )  # fmt: skip


def walking(person: Person, times: Array, ground: Array) -> tuple[Array, Array]:
    """Phase of the steps (0 while standing) and the turn of the body while walking [F]."""
    phase, direction = np.zeros_like(times), np.zeros_like(times)
    if not person.track.moves:
        return phase, direction
    away = ground / np.linalg.norm(ground, axis=1, keepdims=True)
    right = np.stack([away[:, 1], -away[:, 0]], axis=1)
    corners = person.track.at(person.track.times)
    before = 0.0
    for begin, end, start, goal in zip(
        person.track.times, person.track.times[1:], corners, np.diff(corners, axis=0), strict=False
    ):
        if not goal.any():
            continue
        moving = (times > begin) & (times < end)
        travelled = before + np.linalg.norm(ground - start, axis=1)
        phase = np.where(moving, 2 * np.pi * travelled / (2 * STRIDE) + 1e-3, phase)
        turn = np.rad2deg(np.arctan2(right @ goal, -(away @ goal)))
        direction = np.where(moving, turn, direction)
        before += float(np.linalg.norm(goal))
    return phase, direction


def _legs(
    person: Person, hips: Array, walk: Array, step: Array, frames: int
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    tall = person.look.height
    width = 0.055 * tall * person.look.breadth
    knees, feet = [], []
    for side in (-1, 1):
        hip = hips + np.array([side * width, 0.0, 0.0])
        if person.seated:
            knee = hip + np.array([side * 0.05, 0.03, 0.26 * tall])
            foot = points(side * (width + 0.04), 0.05, 0.24 * tall, frames)
        else:
            swing = side * np.sin(walk) * step
            lift = 0.09 * np.maximum(0, side * np.cos(walk)) * step
            aim = points(side * (width * (1.25 - 0.5 * step)), 0.05 + lift, 0.26 * swing, frames)
            pole = points(side * 0.25, 0.0, 1.0, frames)
            knee, foot = reach(hip, aim, 0.25 * tall, 0.245 * tall, pole)
        knees.append(knee)
        feet.append(foot)
    return (knees[0], knees[1]), (feet[0], feet[1])


def _hand_targets(
    person: Person, times: Array, voice: Array, notes: tuple[Note, ...], chest: Array, hips: Array,
    walk: Array, step: Array,
) -> tuple[Array, Array]:  # fmt: skip
    """Targets [F, 3] of the viewer's left and right hand."""
    frames = len(times)
    if person.action == "play":
        return _playing(person, times, notes, chest, hips)
    width = 0.112 * person.look.height * person.look.breadth
    hands = []
    for side in (-1, 1):
        swing = -side * 0.2 * np.sin(walk) * step
        drift = 0.02 * wave(times, person.phase + side, 0.25)
        rest = hips + points(side * (width + 0.07), drift - 0.03, 0.08 + swing, frames)
        if person.action == "speak":
            busy = 1.0 if person.pose % 3 == 0 or (person.pose % 2 == 0) == (side > 0) else 0.15
            raised = busy * (0.35 + 0.65 * voice) * (1 - 0.7 * step)
            u = side * (0.16 + 0.1 * wave(times, person.phase + 5 * side, 0.7))
            v = 0.02 + 0.11 * wave(times, person.phase + 9 + side, 0.9)
            gesture = 0.55 * chest + 0.45 * hips + points(u, v, 0.28, frames)
            hands.append(rest + raised[:, None] * (gesture - rest))
        elif person.pose % 4 == 1 and not step.any():
            hands.append(0.62 * chest + 0.38 * hips + points(-side * 0.1, 0.02, 0.16, frames))
        elif person.pose % 4 == 2 and not step.any():
            hands.append(hips + points(side * (width + 0.0), 0.06 + drift, 0.05, frames))
        elif person.seated:
            hands.append(hips + points(side * 0.12, 0.1, 0.3, frames))
        else:
            hands.append(rest)
    return hands[0], hands[1]


def _playing(
    person: Person, times: Array, notes: tuple[Note, ...], chest: Array, hips: Array
) -> tuple[Array, Array]:
    """Hands of a player [F, 3]: they strike when notes begin, at the place of the pitch."""
    frames, kind = len(times), person.instrument
    off, pitch = strike(times, notes), pitch_at(times, notes)
    middle = 0.45 * chest + 0.55 * hips
    if kind == "guitar":
        strum = middle + points(-0.09, 0.09 * off - 0.03, 0.2, frames)
        return strum, middle + points(0.40 - 0.07 * pitch, 0.2 - 0.02 * pitch, 0.18, frames)
    if kind == "violin":
        bow = bow_position(times, notes)
        contact = chest + points(0.2, 0.06, 0.16, frames)
        along = np.array([-0.84, -0.42, 0.3])
        hand = contact + (0.16 + 0.3 * bow)[:, None] * along
        return hand, chest + points(0.4 - 0.02 * pitch, 0.03, 0.22, frames)
    if kind == "keyboard":
        beat = np.searchsorted([n.start for n in notes], times + 0.05) % 2
        left = hips + points(-0.2 + 0.06 * pitch, 0.11 + 0.07 * off * (beat == 0), 0.3, frames)
        right = hips + points(0.16 + 0.14 * pitch, 0.11 + 0.07 * off, 0.3, frames)
        return left, right
    beat = np.searchsorted([n.start for n in notes], times + 0.05) % 2
    lift = 0.04 + 0.17 * off
    left = middle + points(-0.17, np.where(beat == 0, lift, 0.17) - 0.02, 0.24, frames)
    right = middle + points(0.17, np.where(beat == 1, lift, 0.17) - 0.02, 0.24, frames)
    return left, right


def bow_position(times: Array, notes: tuple[Note, ...]) -> Array:
    """Position of the bow, 0..1 [F]: each note is one stroke, alternately up and down."""
    if not notes:
        return np.zeros_like(times)
    starts = np.array([n.start for n in notes])
    index = np.clip(np.searchsorted(starts, times, side="right") - 1, 0, None)
    length = np.array([n.length for n in notes])[index]
    share = np.clip((times - starts[index]) / length, 0, 1)
    return np.where(index % 2 == 0, share, 1 - share)


def draw_person(
    person: Person, times: Array, voice: Array, notes: tuple[Note, ...], camera: Camera,
    floor: float, light: tuple[float, ...],
) -> list[Part]:  # fmt: skip
    """The person and what they hold as painted parts, farthest first."""
    joints = pose(person, times, voice, notes)
    stage = Stage(camera, person.track.at(times), floor, joints.turn)
    look = person.look
    tint = lambda colour: tuple(c * f for c, f in zip(colour, light, strict=True))  # noqa: E731
    top, skin, legs = tint(look.top), tint(look.skin), tint(look.legs)
    hair, shoes = tint(look.hair), tint(look.shoes)
    if person.seated:
        draw_prop(stage, "stool", joints, tint, times, notes, behind=True)
    facing = float(np.median(joints.turn))
    far, near = ((1, 0) if facing >= 0 else (0, 1)) if abs(facing) > 40 else (0, 1)
    profile = abs(facing) > 40
    if profile:
        _arm(stage, joints, far, look, shade(top, 0.85), shade(skin, 0.88))
    for side in (far, near):
        dim = 0.86 if side == far and profile else 1.0
        _leg(stage, joints, side, look, shade(legs, dim), shoes, person.seated)
    if look.hair_style == "long":
        back = joints.head + np.array([0.0, -0.07, -0.03])
        stage.ball(back, 0.068 * look.height, 0.105 * look.height, shade(hair, 0.8))
    _torso(stage, joints, look, top, legs, skin, person.seated)
    _head(stage, joints, look, skin, hair)
    if person.instrument:
        draw_prop(stage, person.instrument, joints, tint, times, notes, behind=False)
    for side in (near,) if profile else (0, 1):
        _arm(stage, joints, side, look, top, skin)
    if person.instrument:
        draw_prop(stage, person.instrument + "-front", joints, tint, times, notes, behind=False)
    return stage.parts()


def _arm(stage: Stage, p: Pose, side: int, look, top, skin) -> None:
    r = 0.028 * look.height * look.breadth
    sleeve = top if look.long_sleeves else skin
    stage.capsule(p.shoulders[side], p.elbows[side], r * 1.12, r * 0.86, shade(top, 0.96))
    if not look.long_sleeves:
        lower = 0.45 * p.shoulders[side] + 0.55 * p.elbows[side]
        stage.capsule(lower, p.elbows[side], r * 0.88, r * 0.8, skin)
    stage.capsule(p.elbows[side], p.hands[side], r * 0.84, r * 0.62, sleeve)
    stage.ball(p.hands[side], 0.026 * look.height, 0.028 * look.height, skin)


def _leg(stage: Stage, p: Pose, side: int, look, legs, shoes, seated: bool) -> None:
    r = 0.042 * look.height * look.breadth
    sign = -1 if side == 0 else 1
    hip = p.hips + np.array([sign * 0.05 * look.height * look.breadth, 0.0, 0.0])
    shin = tuple(np.array(look.skin) * 0.9) if look.skirt and not seated else legs
    stage.capsule(p.knees[side], p.feet[side], r * 0.8, r * 0.55, shin)
    stage.capsule(hip, p.knees[side], r * 1.15, r * 0.86, legs)
    toe = p.feet[side] + np.array([sign * 0.02, -0.025, 0.09])
    stage.capsule(p.feet[side] + np.array([0.0, -0.015, -0.02]), toe, 0.038, 0.034, shoes)


def _torso(stage: Stage, p: Pose, look, top, legs, skin, seated: bool) -> None:
    half = np.abs(p.shoulders[1] - p.chest)[:, :1]
    s, h, w = half * np.array([1.0, 0, 0]), 0.078 * look.height * look.breadth, 0.062 * look.height
    up = np.array([0.0, 1.0, 0.0])
    if look.skirt and not seated:
        hem = p.hips - 0.22 * look.height * up
        flare = np.array([0.1 * look.height, 0, 0])
        waist = p.hips + 0.06 * up
        stage.polygon(
            np.stack([waist - 0.7 * s, waist + 0.7 * s, hem + flare, hem - flare], axis=1), legs
        )
    stage.capsule(p.chest, p.head, 0.032 * look.height, 0.03 * look.height, shade(skin, 0.82))
    waist = p.hips + 0.1 * look.height * up
    outline = np.stack(
        [
            p.hips + np.array([-h, -0.03, 0]),
            waist + np.array([-w, 0, 0]) * look.breadth,
            p.chest - 1.04 * s - 0.04 * up,
            p.chest - 0.85 * s + 0.035 * up,
            p.chest - 0.3 * s + 0.055 * up,
            p.chest + 0.3 * s + 0.055 * up,
            p.chest + 0.85 * s + 0.035 * up,
            p.chest + 1.04 * s - 0.04 * up,
            waist + np.array([w, 0, 0]) * look.breadth,
            p.hips + np.array([h, -0.03, 0]),
        ],
        axis=1,
    )
    stage.polygon(outline, shade(top, 0.8), convex=False)
    inner = p.hips[:, None] + (outline - p.hips[:, None]) * np.array([0.8, 0.985, 1.0])
    inner[..., 0] -= 0.022
    stage.polygon(inner, top, convex=False)
    collar = np.stack(
        [p.chest - 0.3 * s + 0.05 * up, p.chest + 0.3 * s + 0.05 * up, p.chest - 0.03 * up], axis=1
    )
    stage.polygon(collar, shade(skin, 0.9))


def _head(stage: Stage, p: Pose, look, skin, hair) -> None:
    width, height = 0.058 * look.height, 0.076 * look.height
    turn = np.deg2rad(p.turn)
    stage.ball(p.head, width, height, shade(skin, 0.86))
    lit = p.head + np.array([-0.012, 0.006, 0.0])
    stage.ball(lit, width * 0.86, height * 0.9, skin)
    _face(stage, p, look, skin, hair, width, height)
    crown = p.head + np.array([0.0, 0.25 * height, 0.0])
    back = points(-0.5 * width * np.sin(turn) / np.maximum(np.cos(turn), 0.3), 0, 0, len(turn))
    if look.hair_style == "cap":
        stage.ball(crown, width * 1.1, height * 0.86, shade(look.top, 0.75), arc=(180, 360))
        brim = crown + np.array([0.0, 0.004, 0.1])
        stage.ball(brim, width * 1.05, height * 0.16, shade(look.top, 0.6))
    elif look.hair_style != "bald":
        stage.ball(crown + 0.3 * back, width * 1.12, height * 0.88, hair, arc=(172, 368))
        stage.ball(crown + np.array([-0.02, 0.03, 0]), width * 0.6, height * 0.4, shade(hair, 1.25))
        if look.hair_style == "bun":
            stage.ball(crown + np.array([0.0, 0.82 * height, -0.03]), 0.05, 0.045, shade(hair, 0.9))
        if look.hair_style == "long":
            for sign in (-1, 1):
                a = crown + np.array([sign * width * 0.95, 0.0, 0.0])
                b = crown + np.array([sign * width * 1.05, -1.7 * height, 0.0])
                stage.capsule(a, b, 0.026, 0.03, hair)


def _face(stage: Stage, p: Pose, look, skin, hair, width: float, height: float) -> None:
    def spot(u: float, v: float) -> np.ndarray:
        depth = np.sqrt(max(0.0, 1 - (u / width) ** 2)) * width
        return p.head + np.array([u, v, depth])

    if np.abs(p.turn).max() > 75:
        return
    for sign in (-1, 1):
        stage.ball(spot(sign * 0.42 * width, 0.12 * height), 0.016, 0.012, (246, 244, 240))
        stage.ball(spot(sign * 0.42 * width, 0.12 * height), 0.009, 0.011, (36, 26, 24))
        brow = spot(sign * 0.44 * width, 0.3 * height)
        stage.ball(brow, 0.02, 0.006, shade(hair, 0.7))
    stage.ball(spot(0.0, -0.1 * height), 0.011, 0.016, shade(skin, 0.8))
    mouth = spot(0.0, -0.48 * height)
    stage.ball(mouth, 0.026 - 0.004 * p.mouth, 0.007 + 0.026 * p.mouth, (140, 40, 44))
    stage.ball(mouth, 0.016, 0.001 + 0.016 * p.mouth, (60, 14, 18))
