"""Views of the furnished rooms: their pictures and distances as a camera sees them.

Perspective and equirectangular cameras of `savg.data.scenes.camera`. Distances are metres along a ray
from the camera; depths are metres along `Camera.ahead`: from the image's plane in a perspective view,
over the floor in a panorama.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.data.scenes.camera import Camera, Equirectangular, Perspective
from savg.data.scenes.furnished import index as catalogue
from savg.data.scenes.furnished.index import (
    FurnishedRoom,
    empty_distance,
    room_of,
)
from savg.errors import SavgError
from savg.paths import checked_file

FINE = 512
"""Width in pixels at which views are cut out before they are averaged down."""
FURNITURE = 250
"""Least stored share (of 255) that counts as wall, floor or ceiling."""


@dataclass(frozen=True, eq=False)
class Panorama:
    """A room as rendered. image: uint8 [h, w, 3]; furniture: whether some stands there (0..1);
    distance: of whatever is there; near: of the furniture, grown by a pixel; float32 [h', w']."""

    image: NDArray[np.uint8]
    furniture: NDArray[np.float32]
    distance: NDArray[np.float32]
    near: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class View:
    """A room seen by a camera. image: uint8 [h, w, 3]; cover: share of each pixel that furniture
    fills, near: that furniture's depth (inf without), depth: of whatever is there; all [h, w]."""

    image: NDArray[np.uint8]
    cover: NDArray[np.float32]
    near: NDArray[np.float32]
    depth: NDArray[np.float32]


@lru_cache(maxsize=16)
def panorama_of(room: FurnishedRoom) -> Panorama:
    """The pictures of a room, checked against the index; SavgError where missing or altered."""
    image, code = (_read(*file) for file in (room.image, room.depth))
    share = code[..., 0]
    height, width = share.shape
    empty = empty_distance(
        width, height, front=room.front, back=room.back, left=room.left, right=room.right,
        room_height=room.height, eye=room.eye,
    )  # fmt: skip
    distance = np.where(share == 255, 1, share / np.float32(255)).astype(np.float32) * empty
    stands = share < FURNITURE
    near = np.where(stands, distance, np.inf).astype(np.float32)
    wide = np.concatenate([near[:, -2:], near, near[:, :2]], axis=1)
    grown = np.asarray(cv2.erode(wide, np.ones((3, 3), np.uint8))[:, 2:-2], np.float32)
    return Panorama(image, stands.astype(np.float32), distance, grown)


def _read(name: str, sha256: str) -> NDArray[np.uint8]:
    path = checked_file(catalogue.folder() / name, sha256)
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise SavgError(f"{path} must be a WebP image, got something else.")
    return np.ascontiguousarray(image[..., ::-1])


@lru_cache(maxsize=96)
def view_of(room_seed: int, index: int, camera: Perspective) -> View:
    """Room `index` of a furnished world as a perspective camera sees it; cached and read-only."""
    scale = max(1, FINE // camera.width)
    fine = Perspective(
        camera.width * scale, camera.height * scale, camera.view, camera.field_of_view
    )
    size = camera.width, camera.height
    return _reduced(_seen(room_seed, index, fine), size, scale)


@lru_cache(maxsize=2)
def equirectangular_of(room_seed: int, index: int, width: int, height: int) -> View:
    """Room `index` of a furnished world as a whole panorama; cached and read-only."""
    return _seen(room_seed, index, Equirectangular(width, height))


def _seen(room_seed: int, index: int, camera: Camera) -> View:
    """A room seen by a camera, at the camera's own resolution."""
    room, heading, mirrored = room_of(room_seed, index)
    stored = panorama_of(room)
    rays = camera.rays()
    y = -rays[..., 1] if mirrored else rays[..., 1]
    azimuth = np.arctan2(y, rays[..., 0]) + heading * np.pi / 2
    elevation = np.arctan2(rays[..., 2], np.hypot(rays[..., 0], rays[..., 1]))
    across = (0.5 - azimuth / (2 * np.pi)) % 1.0
    down = 0.5 - elevation / np.pi

    def sample(image: NDArray[Any], how: int) -> NDArray[Any]:
        height, width = image.shape[:2]
        at_x = (across * width - 0.5).astype(np.float32)
        at_y = np.clip(down * height - 0.5, 0, height - 1).astype(np.float32)
        wrapped = np.concatenate([image[:, -2:], image, image[:, :2]], axis=1)
        return cv2.remap(wrapped, at_x + np.float32(2), at_y, how, borderMode=cv2.BORDER_REPLICATE)

    image = sample(stored.image, cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    cover = sample(stored.furniture, cv2.INTER_LINEAR).astype(np.float32, copy=False)
    near = sample(stored.near, cv2.INTER_NEAREST).astype(np.float32, copy=False)
    ahead = (rays[..., :2] * camera.ahead(rays[..., :2])).sum(axis=-1)
    along = (ahead / np.linalg.norm(rays, axis=-1)).astype(np.float32)
    depth = sample(stored.distance, cv2.INTER_NEAREST) * along
    return _frozen(View(image, cover, near * along, depth.astype(np.float32, copy=False)))


def _reduced(fine: View, size: tuple[int, int], scale: int) -> View:
    if scale == 1:
        return fine
    image = np.asarray(cv2.resize(fine.image, size, interpolation=cv2.INTER_AREA), np.uint8)
    cover = np.asarray(cv2.resize(fine.cover, size, interpolation=cv2.INTER_AREA), np.float32)
    blocks = fine.near.reshape(size[1], scale, size[0], scale)
    middle = np.ascontiguousarray(fine.depth[scale // 2 :: scale, scale // 2 :: scale])
    return _frozen(View(image, cover, blocks.min(axis=(1, 3)), middle))


def _frozen(view: View) -> View:
    for part in (view.image, view.cover, view.near, view.depth):
        part.flags.writeable = False
    return view


def light_at(room_seed: int, index: int, azimuth: float) -> NDArray[np.float64]:
    """Light on a white ball towards `azimuth` degrees: red, green, blue (0..1), side and top.

    side: how far the ball's half to the viewer's right is brighter than the left one,
    (right − left) / (right + left); top: the same of the upper and the lower half.
    """
    room, heading, mirrored = room_of(room_seed, index)
    probes = np.array(room.light)
    at = (-azimuth if mirrored else azimuth) + 90.0 * heading
    place = (at + 180.0) % 360.0 / 360.0 * len(probes)
    first = int(place) % len(probes)
    share = place - int(place)
    light = probes[first] * (1 - share) + probes[(first + 1) % len(probes)] * share
    if mirrored:
        light[3] = -light[3]
    return np.asarray(light, float)
