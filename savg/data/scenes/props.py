"""Instruments and seats, drawn with the person who uses them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from savg.data.scenes.pose import Pose
from savg.data.scenes.shapes import Stage, shade

if TYPE_CHECKING:
    from savg.data.scenes.scene import Note

Array = NDArray[np.floating]
Tint = Callable[[tuple[int, int, int]], tuple[float, ...]]


def draw_prop(
    stage: Stage, kind: str, pose: Pose, tint: Tint, times: Array, notes: tuple[Note, ...],
    behind: bool,
) -> None:  # fmt: skip
    """Add an instrument (the part behind or, named with -front, before the hands) or a stool."""
    painters: dict[str, Callable[[Stage, Pose, Tint], None]] = {
        "stool": _stool,
        "guitar": _guitar,
        "violin": _violin,
        "violin-front": _bow,
        "keyboard": _keyboard,
        "drum": _drum,
        "drum-front": _sticks,
    }
    if kind in painters:
        painters[kind](stage, pose, tint)


def _along(a: Array, b: Array, share: float) -> Array:
    return a + share * (b - a)


def _stool(stage: Stage, p: Pose, tint: Tint) -> None:
    wood = tint((120, 84, 54))
    seat = p.hips + np.array([0.0, -0.09, 0.0])
    for u, w in ((-0.17, -0.15), (0.17, -0.15), (-0.19, 0.15), (0.19, 0.15)):
        foot = seat.copy()
        foot[:, 1] = 0.0
        stage.capsule(
            seat + np.array([u * 0.8, 0, w]), foot + np.array([u, 0, w]), 0.022, 0.018, wood, False
        )
    stage.capsule(
        seat + np.array([-0.18, 0, 0]), seat + np.array([0.18, 0, 0]), 0.045, 0.045, wood, False
    )


def _guitar(stage: Stage, p: Pose, tint: Tint) -> None:
    body, dark = tint((190, 110, 46)), tint((70, 40, 24))
    middle = 0.45 * p.chest + 0.55 * p.hips
    centre = middle + np.array([-0.07, -0.02, 0.16])
    head = middle + np.array([0.62, 0.27, 0.18])
    stage.capsule(centre, head, 0.022, 0.018, dark, False)
    stage.capsule(_along(centre, head, 0.94), head, 0.034, 0.03, shade(dark, 0.8), False)
    lower = centre + np.array([-0.07, -0.03, 0.0])
    upper = centre + np.array([0.11, 0.05, 0.0])
    for scale, colour in ((1.0, shade(body, 0.62)), (0.88, body)):
        stage.ball(lower, 0.175 * scale, 0.15 * scale, colour, False, slant=-20)
        stage.ball(upper, 0.135 * scale, 0.115 * scale, colour, False, slant=-20)
    stage.ball(centre + np.array([0.04, 0.02, 0.0]), 0.048, 0.046, shade(dark, 0.6), False)
    stage.capsule(
        centre + np.array([-0.13, -0.1, 0.0]), centre + np.array([-0.09, 0.0, 0.0]), 0.012, 0.012,
        dark, False,
    )  # fmt: skip
    stage.capsule(
        centre + np.array([-0.11, -0.05, 0.0]), head, 0.005, 0.005, tint((226, 214, 190)), False,
        light=False,
    )  # fmt: skip


def _violin(stage: Stage, p: Pose, tint: Tint) -> None:
    body, dark = tint((150, 70, 30)), tint((50, 28, 20))
    chin = p.chest + np.array([0.08, 0.075, 0.1])
    scroll = p.chest + np.array([0.47, 0.04, 0.24])
    stage.capsule(_along(chin, scroll, 0.5), scroll, 0.016, 0.014, dark, False)
    for share, radius in ((0.05, 0.062), (0.32, 0.052)):
        stage.ball(_along(chin, scroll, share), radius * 1.25, radius, shade(body, 0.7), False)
    for share, radius in ((0.05, 0.05), (0.32, 0.041)):
        stage.ball(_along(chin, scroll, share), radius * 1.25, radius, body, False)
    stage.capsule(_along(chin, scroll, 0.1), scroll, 0.006, 0.006, dark, False, light=False)


def _bow(stage: Stage, p: Pose, tint: Tint) -> None:
    contact = p.chest + np.array([0.2, 0.075, 0.18])
    line = contact - p.hands[0]
    tip = p.hands[0] + 0.66 * line / np.linalg.norm(line, axis=1, keepdims=True)
    stage.capsule(p.hands[0], tip, 0.009, 0.007, tint((64, 36, 24)), False, light=False)
    lift = np.array([0.0, -0.012, 0.0])
    stage.capsule(
        p.hands[0] + lift, tip + lift, 0.004, 0.004, tint((235, 230, 220)), False, light=False
    )


def _keyboard(stage: Stage, p: Pose, tint: Tint) -> None:
    dark, steel = tint((44, 44, 50)), tint((90, 90, 96))
    y = float(np.median(p.hips[:, 1])) + 0.03
    frames = len(p.hips)

    def at(u: float, v: float, w: float) -> Array:
        return np.tile(np.array([u, v, w]), (frames, 1))

    for sign in (-1, 1):
        stage.capsule(
            at(sign * 0.3, y, 0.36), at(-sign * 0.3, 0.02, 0.36), 0.018, 0.018, steel, False
        )
    near = [at(-0.5, y, 0.46), at(0.5, y, 0.46), at(0.5, y - 0.09, 0.46), at(-0.5, y - 0.09, 0.46)]
    top = [at(-0.5, y + 0.03, 0.22), at(0.5, y + 0.03, 0.22), near[1], near[0]]
    stage.polygon(np.stack(top, axis=1), shade(dark, 1.35), body=False)
    keys = [
        at(-0.46, y + 0.014, 0.32),
        at(0.46, y + 0.014, 0.32),
        at(0.46, y, 0.45),
        at(-0.46, y, 0.45),
    ]
    stage.polygon(np.stack(keys, axis=1), tint((240, 238, 230)), body=False)
    for index in range(14):
        if index % 7 not in (2, 6):
            u = -0.43 + index * 0.0645
            stage.capsule(
                at(u, y + 0.02, 0.33), at(u, y + 0.012, 0.4), 0.013, 0.013, dark, False, light=False
            )
    stage.polygon(np.stack(near, axis=1), dark, body=False)


def _drum(stage: Stage, p: Pose, tint: Tint) -> None:
    shell, skin, steel = tint((170, 40, 50)), tint((240, 234, 220)), tint((120, 120, 126))
    middle = 0.45 * p.chest + 0.55 * p.hips + np.array([0.0, -0.08, 0.3])
    foot = middle.copy()
    foot[:, 1] = 0.0
    for sign in (-1, 0, 1):
        stage.capsule(
            middle,
            foot + np.array([0.24 * sign, 0.02, 0.1 * abs(sign)]),
            0.016,
            0.014,
            steel,
            False,
        )
    low = middle + np.array([0.0, -0.17, 0.0])
    side = np.array([0.23, 0.0, 0.0])
    stage.ball(low, 0.23, 0.06, shade(shell, 0.7), False)
    stage.polygon(
        np.stack([middle - side, middle + side, low + side, low - side], axis=1), shell, body=False
    )
    bright = np.array([0.12, 0.0, 0.0])
    stage.polygon(
        np.stack([middle - side, middle - bright, low - bright, low - side], axis=1),
        shade(shell, 1.25), body=False,
    )  # fmt: skip
    stage.ball(middle, 0.24, 0.07, steel, False)
    stage.ball(middle + np.array([0, 0.008, 0]), 0.22, 0.058, skin, False)


def _sticks(stage: Stage, p: Pose, tint: Tint) -> None:
    middle = 0.45 * p.chest + 0.55 * p.hips + np.array([0.0, -0.06, 0.3])
    for hand, u in ((p.hands[0], -0.04), (p.hands[1], 0.04)):
        tip = middle + np.array([u, 0.0, 0.02])
        tip[:, 1] = np.maximum(tip[:, 1], 2.2 * hand[:, 1] - 1.2 * tip[:, 1] - 0.16)
        stage.capsule(hand, tip, 0.011, 0.009, tint((214, 176, 120)), False, light=False)
