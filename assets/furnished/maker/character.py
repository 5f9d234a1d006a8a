"""Characters of the Reallusion library: welded, oriented skins with joints, in metres.

Coordinates as in `savg.data.scenes.people`: u to the viewer's right, v up, w towards the viewer whom
the person faces; the origin lies on the floor.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.csgraph import breadth_first_order, connected_components

from maker.obj import Part, catalogue, load


@dataclass(frozen=True, eq=False)
class Character:
    """points [N, 3]: the welded skin; faces [M, 3] of it; parts: render parts in metres.

    of_part: for each part the welded point of each of its vertices; component [N]: number of the
    connected piece of the skin; joints [17, 3]: in the order of COCO, the person's left first.
    """

    points: np.ndarray
    faces: np.ndarray
    parts: list[Part]
    of_part: list[np.ndarray]
    component: np.ndarray
    joints: np.ndarray
    height: float


def read_character(library: Path, number: int, joints: np.ndarray) -> Character:
    """Entry `number` of the catalogue in `library`; joints [17, 3] of this model (see joints.json)."""
    entry = catalogue(library)[number]
    parts = load(library / entry["model"].lstrip("/"))
    height = float(entry["height"]) / 100
    everything = np.concatenate([p.vertices for p in parts])
    low, high = everything.min(0), everything.max(0)
    scale = height / (high[1] - low[1])
    base = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    parts = [p.moved((p.vertices - base) * scale) for p in parts if len(p.faces) >= 40]
    starts = np.cumsum([0] + [len(p.vertices) for p in parts])
    points, inverse = np.unique(
        np.round(np.concatenate([p.vertices for p in parts]), 4), axis=0, return_inverse=True
    )
    inverse = inverse.reshape(-1)
    of_part = [inverse[a:b] for a, b in itertools.pairwise(starts)]
    seen: set[tuple] = set()
    single = []
    for part, index in zip(parts, of_part, strict=True):
        keep = []
        for k, face in enumerate(np.sort(index[part.faces], axis=1).tolist()):
            if len(set(face)) == 3 and tuple(face) not in seen:
                seen.add(tuple(face))
                keep.append(k)
        single.append(replace(part, faces=part.faces[keep]))
    of_part = [i for p, i in zip(single, of_part, strict=True) if len(p.faces)]
    single = [p for p in single if len(p.faces)]
    faces = np.concatenate([i[p.faces] for p, i in zip(single, of_part, strict=True)])
    component, flip = _orient(points, faces)
    faces[flip] = faces[flip][:, ::-1]
    split = np.split(flip, np.cumsum([len(p.faces) for p in single])[:-1])
    single = [
        replace(p, faces=np.where(f[:, None], p.faces[:, ::-1], p.faces))
        for p, f in zip(single, split, strict=True)
    ]
    return Character(points, faces, single, of_part, component, joints, height)


def normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Smooth unit normals of points [N, 3]."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    total = np.stack(
        [
            sum(np.bincount(faces[:, k], face[:, axis], len(points)) for k in range(3))
            for axis in range(3)
        ],
        axis=1,
    )
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def adjacency(count: int, faces: np.ndarray) -> sparse.csr_matrix:
    """1 where two points share an edge [count, count]."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    matrix = sparse.coo_matrix((np.ones(len(edges)), edges.T), (count, count))
    return ((matrix + matrix.T) > 0).astype(float).tocsr()


def _orient(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Component of each point, and which faces to turn so that those of each agree, outside out."""
    _, component = connected_components(adjacency(len(points), faces), directed=False)
    directed: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for k, (a, b, c) in enumerate(faces.tolist()):
        for x, y in ((a, b), (b, c), (c, a)):
            directed.setdefault((min(x, y), max(x, y)), []).append((k, 1 if x < y else -1))
    rows, columns, values = [], [], []
    for pair in directed.values():
        if len(pair) == 2:
            (f, s), (g, t) = pair
            rows += [f, g]
            columns += [g, f]
            values += [1 if s != t else 2] * 2
    graph = sparse.coo_matrix((values, (rows, columns)), (len(faces),) * 2).tocsr()
    pieces, piece = connected_components(graph, directed=False)
    sign = np.ones(len(faces))
    for k in range(pieces):
        members = np.flatnonzero(piece == k)
        order, before = breadth_first_order(graph, members[0], directed=False)
        for f in order[1:]:
            sign[f] = sign[before[f]] * (1 if graph[before[f], f] == 1 else -1)
        a, b, c = (points[faces[members, j]] for j in range(3))
        middle = points[np.unique(faces[members])].mean(0)
        normal = np.cross(b - a, c - a) * sign[members, None]
        if ((a + b + c) / 3 * normal - middle * normal).sum() < 0:
            sign[members] *= -1
    return component, sign < 0
