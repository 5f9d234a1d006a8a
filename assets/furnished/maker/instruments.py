"""Instruments and chairs placed on a posed person, and the hands that play them.

Each `hold` function gives a target for the rig whose hands play in one phase, and the objects as
(points, faces, colour) in the person's coordinates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from maker.obj import catalogue, load
from maker.rig import Rig, Target
from maker.shapes import box, joined, placed, slab, tube

Object = tuple[np.ndarray, np.ndarray, tuple[float, float, float]]
BLACK, DARK, STEEL, IVORY = (
    (0.03, 0.03, 0.035),
    (0.13, 0.12, 0.12),
    (0.55, 0.56, 0.6),
    (0.9, 0.88, 0.82),
)
BODIES = (
    (0.55, 0.09, 0.07),
    (0.75, 0.55, 0.25),
    (0.08, 0.16, 0.36),
    (0.85, 0.83, 0.78),
    (0.32, 0.14, 0.07),
    (0.07, 0.07, 0.08),
)
"""Colours of guitars and drums, one for each person in turn."""


def model(
    libraries: Path, library: str, number: int
) -> list[tuple[str, np.ndarray, np.ndarray, tuple]]:
    """A model in metres, its base centre at the origin: (material, points, faces, colour)."""
    return _model(libraries, library, number)


@lru_cache(maxsize=16)
def _model(libraries: Path, library: str, number: int):
    entry = catalogue(libraries / library)[number]
    parts = load(libraries / library / entry["model"].lstrip("/"))
    turn = np.eye(3)
    if "modelRotation" in entry:
        turn = np.array([float(x) for x in entry["modelRotation"].split()]).reshape(3, 3)
    points = np.concatenate([p.vertices for p in parts]) @ turn.T
    low, high = points.min(0), points.max(0)
    size = np.array([float(entry[k]) for k in ("width", "height", "depth")]) / 100
    base = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    scale = size / np.maximum(high - low, 1e-6)
    return [(p.name, (p.vertices @ turn.T - base) * scale, p.faces, p.colour) for p in parts]


def guitar(libraries: Path, rig: Rig, rest: Target, stroke: float, pitch: float, kind: int):
    """An electric guitar. stroke: 0 where a note begins, 1 away from it; pitch −1..1."""
    pieces = [p for p in model(libraries, "BlendSwap-CC-0", 76) if p[0] not in ("Pod", "Rubber")]
    strings = next(p for p in pieces if p[0] == "Chords")[1]
    low = strings[strings[:, 1] < np.quantile(strings[:, 1], 0.1)].mean(0)
    high = strings[strings[:, 1] > np.quantile(strings[:, 1], 0.9)].mean(0)
    along = (high - low) / np.linalg.norm(high - low)
    face = np.array([0, 0, 1.0]) - along[2] * along
    face /= np.linalg.norm(face)
    native = np.stack([np.cross(along, face), along, face], axis=1)
    middle = rest.pelvis + 0.42 * (rig.joints.neck - rig.joints.pelvis)[1] * np.array([0, 1.0, 0])
    neck = np.array([0.90, 0.40, 0.16])
    neck /= np.linalg.norm(neck)
    front = np.array([0.0, 0.10, 1.0])
    front -= (front @ neck) * neck
    front /= np.linalg.norm(front)
    own = np.stack([np.cross(neck, front), neck, front], axis=1)
    bridge = middle + np.array([-0.12, -0.05, 0.185])
    turn = own @ native.T
    objects = []
    for name, points, faces, colour in pieces:
        close = np.abs((points - low) @ native[:, 2]) < 0.075
        keep = close[faces].all(axis=1) & (points[faces][:, :, 1].mean(axis=1) > 0.05)
        if name == "Body":
            colour = BODIES[kind % len(BODIES)]
        objects.append(((points - low) @ turn.T + bridge, faces[keep], _shown(colour)))
    across = np.cross(front, neck)
    strum = bridge + 0.06 * neck + across * (0.10 * stroke - 0.035) + 0.035 * front
    strum -= 0.10 * np.array([0.85, -0.5, 0.0])
    fret = bridge + (0.50 - 0.08 * pitch) * neck - 0.075 * across - 0.015 * front
    hands = np.stack([strum, fret])
    palms = np.stack(
        [0.8 * neck - 0.55 * across + 0.25 * front, 0.8 * across - 0.2 * neck + 0.5 * front]
    )
    elbows = np.array([[-0.9, -0.25, -0.35], [0.55, -0.8, 0.1]])
    return replace(rest, hands=hands, palms=palms, elbows=elbows), objects


def keyboard(libraries: Path, rig: Rig, rest: Target, stroke: float, pitch: float, kind: int):
    """A keyboard on a stand. stroke: 0 the right hand strikes, 0.5 none, 1 the left; pitch −1..1."""
    pieces = model(libraries, "KatorLegaz", 54)
    top = rest.pelvis[1] - 0.02
    around = np.diag([-1.0, 1.0, -1.0])
    tilt = np.eye(3)
    size = np.array([1.25, 1.0, 1.0])
    centre = np.array([0.0, top - 0.075, 0.40])
    objects = [((p * size) @ (tilt @ around).T + centre, f, _shown(c)) for _, p, f, c in pieces]
    legs = []
    for z in (0.33, 0.47):
        a = 1 if z < 0.4 else -1
        legs.append(tube((-0.3 * a, top - 0.08, z), (0.3 * a, 0.02, z), 0.014))
    for y in (top - 0.085, 0.02):
        for x in (-0.3, 0.3):
            legs.append(tube((x, y, 0.25), (x, y, 0.55), 0.014))
    objects.append((*joined(legs), DARK))
    right, left = 0.075 * min(1.0, 2 * stroke), 0.075 * min(1.0, 2 - 2 * stroke)
    hands = np.array(
        [
            [-0.19 + 0.05 * pitch, top + 0.06 + right, 0.24],
            [0.17 + 0.10 * pitch, top + 0.06 + left, 0.24],
        ]
    )
    palms = np.array([[0.05, -0.28, 1.0], [-0.05, -0.28, 1.0]])
    elbows = np.array([[-0.7, -0.6, -0.4], [0.7, -0.6, -0.4]])
    nod = np.array([0.0, 1.0, 0.12])
    return replace(rest, hands=hands, palms=palms, elbows=elbows, nod=nod), objects


def drum(libraries: Path, rig: Rig, rest: Target, stroke: float, pitch: float, kind: int):
    """A drum on a stand and two sticks. stroke: 0 the right hand strikes, 0.5 none, 1 the left."""
    top, middle = rest.pelvis[1] - 0.02, np.array([0.0, 0.0, 0.42])
    head = middle + np.array([0, top, 0])
    shell = BODIES[(kind + 2) % len(BODIES)]
    objects = [
        (*tube(head - [0, 0.17, 0], head - [0, 0.012, 0], 0.19, sides=28), _shown(shell)),
        (*tube(head - [0, 0.012, 0], head, 0.193, sides=28), IVORY),
    ]
    rims = [tube(head - [0, d + 0.022, 0], head - [0, d, 0], 0.2, sides=28) for d in (0.004, 0.15)]
    feet = [tube(head - [0, 0.17, 0], (middle[0], 0.28, middle[2]), 0.016)]
    for angle in (90, 210, 330):
        out = np.array([np.cos(np.deg2rad(angle)), 0, np.sin(np.deg2rad(angle))])
        feet.append(tube(middle + np.array([0, 0.3, 0]), middle + 0.3 * out + [0, 0.012, 0], 0.012))
    objects += [(*joined(rims), STEEL), (*joined(feet), STEEL)]
    hands, palms, sticks = [], [], []
    for side, up in ((-1, min(1.0, 2 * stroke)), (1, min(1.0, 2 - 2 * stroke))):
        wrist = np.array([side * 0.17, top + 0.09 + 0.12 * up, 0.17])
        tip = head + np.array([side * 0.045, 0.012 + 0.28 * up, 0.0])
        way = (tip - wrist) / np.linalg.norm(tip - wrist)
        hands.append(wrist)
        palms.append(way + np.array([0, -0.1, 0]))
        sticks.append(tube(wrist + 0.05 * way, tip, 0.011, 0.008))
    objects.append((*joined(sticks), (0.72, 0.55, 0.33)))
    elbows = np.array([[-0.75, -0.5, -0.4], [0.75, -0.5, -0.4]])
    nod = np.array([0.0, 1.0, 0.1])
    return replace(
        rest, hands=np.stack(hands), palms=np.stack(palms), elbows=elbows, nod=nod
    ), objects


def violin(libraries: Path, rig: Rig, rest: Target, stroke: float, pitch: float, kind: int):
    """A violin and its bow. stroke: position of the bow, 0 at the frog, 1 at the tip."""
    neck = rest.pelvis + (rig.joints.neck - rig.joints.pelvis)[1] * np.array([0, 1.0, 0])
    button = neck + np.array([0.085, 0.045, 0.075])
    along = np.array([0.76, -0.06, 0.60])
    along /= np.linalg.norm(along)
    up = np.array([-0.15, 0.75, 0.70])
    up -= (up @ along) * along
    up /= np.linalg.norm(up)
    frame = np.stack([np.cross(along, up), along, up], axis=1)
    wood = ((0.50, 0.20, 0.06), (0.42, 0.13, 0.05), (0.60, 0.30, 0.10))[kind % 3]
    body = placed(slab(_violin_outline(), -0.02, 0.022), frame, button)
    board = placed(box((-0.016, 0.2, 0.028), (0.016, 0.49, 0.042)), frame, button)
    grip = placed(box((-0.013, 0.33, 0.0), (0.013, 0.5, 0.028)), frame, button)
    scroll = placed(tube((-0.02, 0.57, 0.0), (0.02, 0.57, 0.0), 0.022), frame, button)
    pegs = placed(box((-0.014, 0.49, -0.005), (0.014, 0.57, 0.022)), frame, button)
    tail = placed(box((-0.018, 0.01, 0.024), (0.018, 0.12, 0.036)), frame, button)
    bridge = placed(box((-0.022, 0.185, 0.022), (0.022, 0.19, 0.055)), frame, button)
    rest_chin = placed(tube((0.03, 0.03, 0.02), (0.03, 0.03, 0.04), 0.032), frame, button)
    contact = button + frame @ [0.0, 0.235, 0.058]
    across = frame[:, 0] if frame[0, 0] < 0 else -frame[:, 0]
    way = across + 0.10 * up
    way /= np.linalg.norm(way)
    out = 0.06 + 0.44 * stroke
    frog, tip = contact + out * way, contact + (out - 0.66) * way
    stick_up = 0.022 * up
    bow = joined(
        [
            tube(frog + stick_up, tip + stick_up, 0.006),
            tube(frog, frog + stick_up, 0.012),
            tube(tip, tip + stick_up, 0.006),
        ]
    )
    hair = tube(frog, tip, 0.004)
    objects = [
        (*joined([body, grip, scroll, pegs]), _shown(wood)), (*joined([board, tail, rest_chin]), BLACK),
        (*bridge, (0.75, 0.6, 0.4)), (*bow, (0.28, 0.11, 0.05)), (*hair, IVORY),
    ]  # fmt: skip
    bow_hand = frog + 0.075 * way + 0.05 * up + [-0.02, 0.0, 0.0]
    hold = button + frame @ [0.0, 0.47 - 0.03 * pitch, -0.05] + [0.03, -0.05, 0.0]
    palms = np.stack([-way - 0.45 * up, np.array([-0.25, 0.9, -0.15])])
    elbows = np.array([[-0.9, -0.35, 0.0], [0.35, -1.0, 0.15]])
    nod = np.array([0.06, 1.0, 0.05])
    return replace(
        rest, hands=np.stack([bow_hand, hold]), palms=palms, elbows=elbows, nod=nod
    ), objects


def _violin_outline() -> np.ndarray:
    """The outline (across, along) of a violin's body, 36 cm long."""
    half = np.array(
        [
            (0.0, 0.0), (0.05, 0.004), (0.085, 0.025), (0.103, 0.065), (0.098, 0.105), (0.075, 0.128),
            (0.058, 0.15), (0.053, 0.175), (0.056, 0.20), (0.068, 0.222), (0.08, 0.25), (0.083, 0.285),
            (0.07, 0.325), (0.042, 0.348), (0.0, 0.355),
        ]
    )  # fmt: skip
    return np.concatenate([half, half[-2:0:-1] * [-1, 1]])


HOLDS: dict[str, Callable] = {
    "guitar": guitar, "keyboard": keyboard, "violin": violin, "drum": drum,
}  # fmt: skip

CHAIRS = (("Scopia", 31), ("BlendSwap-CC-0", 108), ("KatorLegaz", 51), ("BlendSwap-CC-0", 31))
CLOTHS = ((0.25, 0.28, 0.33), (0.35, 0.14, 0.12), (0.2, 0.27, 0.2), (0.5, 0.42, 0.3))


def chair(libraries: Path, kind: int, seat: float) -> list[Object]:
    """A chair whose seat is `seat` metres high, below a person who sits at the origin."""
    library, number = CHAIRS[kind % len(CHAIRS)]
    pieces = model(libraries, library, number)
    heights = {
        ("Scopia", 31): 0.47,
        ("BlendSwap-CC-0", 108): 0.49,
        ("KatorLegaz", 51): 0.50,
        ("BlendSwap-CC-0", 31): 0.445,
    }
    scale = np.array([1.0, seat / heights[library, number], 1.0])
    objects = []
    for name, points, faces, colour in pieces:
        shown = _shown(colour)
        if name in ("Dining_chair", "Material.001", "Cushion1", "Cushion-Ties", "Cloth"):
            shown = CLOTHS[(kind + 1) % len(CLOTHS)]
        if name == "ChairWood":
            shown = (0.62, 0.47, 0.33)
        objects.append((points * scale + [0, 0, 0.06], faces, shown))
    return objects


def _shown(colour) -> tuple[float, float, float]:
    """A colour of a catalogue as sRGB that is neither black nor white nor garish."""
    c = np.clip(np.asarray(colour, float), 0.02, 0.88)
    r, g, b = c
    return float(r), float(g), float(b)
