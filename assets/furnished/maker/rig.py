"""Rigs: characters that take poses given as joints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maker.character import Character, normals
from maker.skeleton import (
    BONES,
    CHEST,
    FOOT,
    FOREARM,
    HAND,
    HEAD,
    PELVIS,
    SHIN,
    THIGH,
    UPPER_ARM,
    Joints,
    rest_joints,
)  # fmt: skip
from maker.weights import skin_weights, tucked


def rotation_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The shortest rotation that turns direction a to b [3, 3]."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    v = np.cross(a, b)
    k = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + k + k @ k / max(1 + a @ b, 1e-6)


def about(axis: np.ndarray, degrees: float) -> np.ndarray:
    """Rotation about an axis [3, 3]."""
    axis = axis / np.linalg.norm(axis)
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    angle = np.deg2rad(degrees)
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def bend(start, goal, upper: float, lower: float, pole) -> tuple[np.ndarray, np.ndarray]:
    """Middle and end joint of a limb that reaches for `goal`, bent towards `pole`."""
    line = goal - start
    length = np.clip(np.linalg.norm(line), abs(upper - lower) + 0.01, 0.995 * (upper + lower))
    line = line / np.linalg.norm(line)
    along = (upper**2 - lower**2 + length**2) / (2 * length)
    height = np.sqrt(max(upper**2 - along**2, 0))
    side = pole - (pole @ line) * line
    side /= max(np.linalg.norm(side), 1e-6)
    return start + along * line + height * side, start + length * line


@dataclass(frozen=True, eq=False)
class Target:
    """Where a pose wants the joints, in the person's coordinates.

    hands, feet [2, 3]: wrists and ankles; elbows, knees [2, 3]: where they look; pelvis [3]; lean, nod
    [3]: directions of the trunk and the head; palms [2, 3]: directions of the fingers, None for those
    of the forearms; pitch: of the feet in degrees, toes down.
    """

    hands: np.ndarray
    feet: np.ndarray
    elbows: np.ndarray
    knees: np.ndarray
    pelvis: np.ndarray
    lean: np.ndarray
    nod: np.ndarray
    palms: np.ndarray | None = None
    pitch: tuple[float, float] = (0.0, 0.0)


class Rig:
    """A character that can be posed. dress: whether shoes are worn over the legs."""

    def __init__(self, character: Character, dress: bool = False) -> None:
        self.character = character
        self.joints = rest_joints(character)
        self.weights = skin_weights(character)
        self.rest = tucked(character, self.joints, dress)
        j = self.joints
        norm = lambda x: float(np.linalg.norm(x))  # noqa: E731
        self.arm = [
            (norm(j.elbow[k] - j.shoulder[k]), norm(j.wrist[k] - j.elbow[k])) for k in (0, 1)
        ]
        self.leg = [(norm(j.knee[k] - j.hip[k]), norm(j.ankle[k] - j.knee[k])) for k in (0, 1)]
        self.toes = toes(character, j)
        self.ankle = float(min(j.ankle[:, 1]))

    def pose(self, target: Target) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Posed points and normals [N, 3], and where the joints came to stand."""
        j = self.joints
        turns: list = [None] * BONES
        moves: list = [None] * BONES

        def bind(bone: int, turn: np.ndarray, joint: np.ndarray, place: np.ndarray) -> None:
            turns[bone], moves[bone] = turn, place - turn @ joint

        straight = rotation_between(j.neck - j.pelvis, np.array([0, 1.0, 0]))
        level = _level(straight @ (j.hip[1] - j.hip[0]))
        square = _level(straight @ (j.shoulder[1] - j.shoulder[0]))
        bind(PELVIS, level @ straight, j.pelvis, target.pelvis)
        lean = rotation_between(np.array([0, 1.0, 0]), target.lean)
        trunk = lean @ square @ straight
        waist = 0.2 * j.neck + 0.8 * j.pelvis
        bind(CHEST, trunk, waist, turns[PELVIS] @ waist + moves[PELVIS])
        neck = trunk @ j.neck + moves[CHEST]
        face = j.head - self.joints.neck
        look = self._facing()
        bind(HEAD, rotation_between(np.array([0, 1.0, 0]), target.nod) @ look, j.neck, neck)
        out: dict[str, np.ndarray] = {"neck": neck, "pelvis": target.pelvis, "head": neck + face}
        for k in (0, 1):
            shoulder = trunk @ j.shoulder[k] + moves[CHEST]
            elbow, wrist = bend(shoulder, target.hands[k], *self.arm[k], target.elbows[k])
            upper = _limb(
                j.elbow[k] - j.shoulder[k], j.wrist[k] - j.elbow[k], elbow - shoulder, wrist - elbow
            )
            lower = _limb(
                j.wrist[k] - j.elbow[k], j.shoulder[k] - j.elbow[k], wrist - elbow, shoulder - elbow
            )
            bind(UPPER_ARM[k], upper, j.shoulder[k], shoulder)
            bind(FOREARM[k], lower, j.elbow[k], elbow)
            palm = lower
            if target.palms is not None:
                palm = rotation_between(wrist - elbow, target.palms[k]) @ lower
            bind(HAND[k], palm, j.wrist[k], wrist)
            hip = turns[PELVIS] @ j.hip[k] + moves[PELVIS]
            knee, ankle = bend(hip, target.feet[k], *self.leg[k], target.knees[k])
            thigh = _limb(j.knee[k] - j.hip[k], self.toes[k], knee - hip, target.knees[k])
            shin = _limb(j.ankle[k] - j.knee[k], self.toes[k], ankle - knee, target.knees[k])
            bind(THIGH[k], thigh, j.hip[k], hip)
            bind(SHIN[k], shin, j.knee[k], knee)
            foot = about(np.array([1.0, 0, 0]), target.pitch[k]) @ _forward(self.toes[k], k)
            bind(FOOT[k], foot, j.ankle[k], ankle)
            out |= {
                f"shoulder{k}": shoulder,
                f"elbow{k}": elbow,
                f"wrist{k}": wrist,
                f"knee{k}": knee,
                f"ankle{k}": ankle,
            }
        rest = self.rest
        turn, move = np.stack(turns), np.stack(moves)
        points = np.einsum("vb,bij,vj->vi", self.weights, turn, rest) + self.weights @ move
        return points, normals(points, self.character.faces), out

    def _facing(self) -> np.ndarray:
        """Turn that makes the resting head look straight ahead."""
        ears = self.character.joints[3] - self.character.joints[4]
        return _level(ears)


def _level(across: np.ndarray) -> np.ndarray:
    """Turn about the vertical that brings a line across the body (viewer's left to right) to u."""
    angle = np.rad2deg(np.arctan2(across[2], across[0]))
    return about(np.array([0, 1.0, 0]), angle)


def _frame(along: np.ndarray, aside: np.ndarray) -> np.ndarray:
    x = along / np.linalg.norm(along)
    z = np.cross(x, aside)
    size = np.linalg.norm(z)
    if size < 1e-6:
        z = np.cross(x, [0.3, 0.2, 1.0])
        size = np.linalg.norm(z)
    z = z / size
    return np.stack([x, np.cross(z, x), z], axis=1)


def _limb(along, aside, new_along, new_aside) -> np.ndarray:
    """The rotation that turns a bone and the plane it bends in to new ones."""
    return _frame(new_along, new_aside) @ _frame(along, aside).T


def toes(character: Character, joints: Joints) -> np.ndarray:
    """Horizontal directions in which the resting feet point [2, 3]."""
    points = character.points
    low = points[points[:, 1] < 0.8 * joints.ankle[:, 1].min() + 0.02]
    ground = [0, 2]
    away = np.linalg.norm(low[:, None, ground] - joints.ankle[None, :, ground], axis=2)
    directions = []
    for k in (0, 1):
        own = low[(np.argmin(away, axis=1) == k) & (away[:, k] < 0.3)]
        reach = own - joints.ankle[k]
        length = np.linalg.norm(reach[:, ground], axis=1)
        toe = reach[length >= np.quantile(length, 0.9)].mean(0) * [1, 0, 1]
        directions.append(toe / np.linalg.norm(toe))
    return np.stack(directions)


def _forward(ahead: np.ndarray, side: int) -> np.ndarray:
    """Turn about the vertical that makes a foot point ahead and a little outwards."""
    now = np.rad2deg(np.arctan2(ahead[0], ahead[2]))
    return about(np.array([0, 1.0, 0]), (12, -12)[1 - side] - now)
