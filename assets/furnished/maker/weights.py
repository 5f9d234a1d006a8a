"""Skinning weights that follow the skin.

A bone binds a point of the skin only from within: a point whose normal looks towards the bone (the hip
that a hand rests on) lies on another limb. Which points are an arm is told by the way along the skin.
What is bound so is then spread by heat diffusion along the edges, never through the air.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import splu

from maker.character import Character, adjacency, normals
from maker.skeleton import (
    BONES,
    CHEST,
    FOOT,
    FOREARM,
    HAND,
    HEAD,
    PELVIS,
    RADII,
    SHIN,
    THIGH,
    UPPER_ARM,
    Joints,
    fingers,
    rest_joints,
    segments,
)  # fmt: skip


def skin_weights(character: Character, spread: float = 8.0) -> np.ndarray:
    """Weights [points, bones] that sum to 1. spread: of the diffusion, in squared edges."""
    points, joints = character.points, rest_joints(character)
    normal = normals(points, character.faces)
    distance = np.empty((len(points), BONES))
    for bone, ((a, b), radius) in enumerate(zip(segments(joints), RADII, strict=True)):
        along = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        away = points - (a + along[:, None] * (b - a))
        length = np.linalg.norm(away, axis=1)
        within = (away * normal).sum(1) / np.maximum(length, 1e-6)
        distance[:, bone] = np.maximum(length - radius, 0.004) + 0.2 * np.clip(-within, 0, 0.5)
    allowed = _allowed(character, joints)
    allowed &= _by_way(character, joints, distance, allowed)
    distance += 10 * ~allowed
    weights = distance**-4.0
    weights /= weights.sum(1, keepdims=True)
    edges = adjacency(len(points), character.faces)
    laplacian = sparse.diags(np.asarray(edges.sum(1)).ravel()) - edges
    heat = splu((sparse.eye(len(points)) + spread / 6 * laplacian).tocsc())
    weights = np.clip(heat.solve(weights), 0, None)
    weights[weights < 0.02] = 0
    weights = _skirted(character, joints, weights)
    rigid = allowed[:, HEAD] & (points[:, 1] > 0.35 * joints.neck[1] + 0.65 * joints.head[1])
    weights[rigid] = np.eye(BONES)[HEAD]
    return weights / weights.sum(1, keepdims=True)


def _skirted(character: Character, joints: Joints, weights: np.ndarray) -> np.ndarray:
    """Weights where cloth of the trunk hangs over separate legs: there it follows the thighs."""
    points, count = character.points, np.bincount(character.component)
    main = character.component == np.argmax(count)
    if points[main][:, 1].min() < joints.knee[:, 1].min():
        return weights
    below = np.clip((joints.pelvis[1] - 0.05 - points[:, 1]) / 0.16, 0, 1) * main
    below = (below**2 * (3 - 2 * below))[:, None]
    right = 1 / (1 + np.exp(-(points[:, 0] - joints.hip[:, 0].mean()) / 0.035))
    thighs = np.zeros_like(weights)
    thighs[:, THIGH[0]], thighs[:, THIGH[1]] = 1 - right, right
    return (1 - below) * weights + below * thighs


def tucked(character: Character, joints: Joints, dress: bool) -> np.ndarray:
    """The points [N, 3], what is worn beneath (legs in a coat, shoes in trousers) thinner."""
    points, count = character.points, np.bincount(character.component)
    main = int(np.argmax(count))
    hem = points[character.component == main][:, 1].min()
    depth = np.zeros(len(points))
    for piece in range(len(count)):
        members = character.component == piece
        high = points[members][:, 1].max()
        height = points[members][:, 1]
        if (
            piece != main
            and count[piece] > 100
            and high > hem + 0.05
            and high < joints.pelvis[1] + 0.22
        ):
            depth[members] = 0.016 * np.clip((height - hem - 0.02) / 0.05, 0, 1)
        elif not dress and high < joints.knee[:, 1].min() + 0.02:
            depth[members] = 0.02 * np.clip((height - joints.ankle[:, 1].min() + 0.03) / 0.03, 0, 1)
    return points - depth[:, None] * normals(points, character.faces)


def _allowed(character: Character, joints: Joints) -> np.ndarray:
    """Which bones may bind each point [points, bones]: pieces of the skin belong to some."""
    allowed = np.ones((len(character.points), BONES), bool)
    arms = [[UPPER_ARM[k], FOREARM[k], HAND[k]] for k in (0, 1)]
    legs = [THIGH[0], THIGH[1], SHIN[0], SHIN[1], FOOT[0], FOOT[1]]
    for piece in range(character.component.max() + 1):
        bones, shaft = list(range(BONES)), None
        members = character.component == piece
        points = character.points[members]
        low, high, middle = points.min(0), points.max(0), points.mean(0)
        hand = [np.linalg.norm(points - joints.wrist[k], axis=1).min() for k in (0, 1)]
        near = int(np.argmin(hand))
        if hand[near] < 0.06 and _is_arm(points, joints):
            bones = arms[near]
        elif low[1] > joints.neck[1] - 0.12:
            bones = [HEAD] if middle[1] > joints.neck[1] else [HEAD, CHEST]
        elif high[1] < joints.knee[:, 1].min() + 0.02:
            side = int(np.argmin(np.linalg.norm(joints.ankle - middle, axis=1)))
            bones = [SHIN[side], FOOT[side]]
            shaft = (members & (character.points[:, 1] > joints.ankle[side, 1] + 0.02), FOOT[side])
        elif high[1] < joints.pelvis[1] + 0.22:
            bones = [PELVIS, *legs]
        allowed[members] = np.isin(np.arange(BONES), bones)
        if shaft:
            allowed[shaft] = False
    return allowed


def _is_arm(points: np.ndarray, joints: Joints) -> bool:
    """Whether a piece is a hand, with or without the arm, rather than a garment or hair."""
    centre = points[:, [0, 2]].mean(0)
    trunk = len(points) > 250 and abs(centre[0] - joints.pelvis[0]) < 0.06
    return 90 < len(points) < 800 and np.ptp(points[:, 0]) < 0.45 and not trunk


def _by_way(character: Character, joints: Joints, distance, allowed) -> np.ndarray:
    """Which bones may bind each point by the way along the skin from the end of each arm.

    What lies nearer to the hand than the shoulder does, along the skin, is the arm; what lies farther
    (a hem beside a hanging hand) is not.
    """
    points, by_way = character.points, np.ones_like(allowed)
    edges = adjacency(len(points), character.faces).tocoo()
    length = np.linalg.norm(points[edges.row] - points[edges.col], axis=1)
    graph = sparse.coo_matrix((length, (edges.row, edges.col)), edges.shape).tocsr()
    count = np.bincount(character.component)
    main = character.component == np.argmax(count)
    for k in (0, 1):
        bones = [UPPER_ARM[k], FOREARM[k], HAND[k]]
        a, b, c = joints.shoulder[k], joints.elbow[k], fingers(joints, k)
        if _own_hand(allowed, k):
            by_way[main, HAND[k]] = False
            bones, c = bones[:2], joints.wrist[k]
        upper, lower = np.linalg.norm(b - a), np.linalg.norm(c - b)
        close = main & (np.delete(distance, bones, axis=1).min(1) > distance[:, bones].min(1))
        along = np.where(
            distance[:, bones[0]] < distance[:, bones[1:]].min(1),
            (points - a) @ (b - a) / upper,
            upper + (points - b) @ (c - b) / lower,
        )
        close &= distance[:, bones].min(1) < 0.045
        close &= np.linalg.norm(points - joints.shoulder[k], axis=1) > 0.05
        seed = int(np.argmax(np.where(close, along, -1)))
        way = dijkstra(graph, directed=False, indices=seed)
        end = along[seed]
        far = way > end + 0.10
        inner = way < end - 0.12
        by_way[:, bones] &= ~(far & main)[:, None] | ~main[:, None]
        others = np.setdiff1d(np.arange(BONES), [*bones, HAND[k]])
        by_way[:, others] &= ~(inner & main)[:, None]
    by_way[~by_way.any(1)] = True
    return by_way


def _own_hand(allowed: np.ndarray, side: int) -> bool:
    """Whether a piece of the skin is this side's hand alone."""
    mine = allowed[:, HAND[side]] & ~allowed[:, PELVIS] & ~allowed[:, HAND[1 - side]]
    return bool(mine.sum() > 60)
