"""Frames of a furnished scene: people pasted into a view of their room, far to near.

Furniture nearer than a person hides them; the room's light falls on them, and they darken the floor.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.data.scenes.camera import Camera, Perspective
from savg.data.scenes.furnished.effects import develop, draw_exposure
from savg.data.scenes.furnished.moments import moments
from savg.data.scenes.furnished.stamps import Moment, Stamp, stamp
from savg.data.scenes.furnished.views import View, light_at, view_of
from savg.data.scenes.room import make_room
from savg.data.scenes.scene import Scene
from savg.format import ClipFormat

Image = NDArray[np.uint8]
NEAREST = 0.3
"""Least depth in metres of people who are painted; the others are beside or behind the camera."""
NEUTRAL = 0.62
"""Brightness of the white ball of `light_at` in whose light a sprite is as it is stored."""
SIDE, TOP = 2.2, 1.0
"""How much stronger the light on a surface across is than that on half a ball."""
MARGIN = 0.06
"""Metres by which furniture must be nearer than a person to hide them."""
SHADOW = 0.5
"""How much of the light a person takes from the floor beneath."""
VISIBLE = 0.15
"""Least visible share of a body for a box."""


@dataclass(frozen=True, eq=False)
class Light:
    """Light on a person: gains of red, green and blue, and how it grows to the right and up."""

    gains: NDArray[np.float32]
    side: float
    top: float


def light_on(scene: Scene, azimuth: float) -> Light:
    """The light of a scene's room on a person towards `azimuth` degrees."""
    *colour, side, top = light_at(scene.room_seed, scene.room, azimuth)
    gains = np.clip(np.array(colour, np.float32) / NEUTRAL, 0.35, 1.4)
    return Light(
        gains, float(np.clip(SIDE * side, -0.5, 0.5)), float(np.clip(TOP * top, -0.3, 0.3))
    )


def render_video(
    scene: Scene,
    format: ClipFormat,
    times: NDArray[np.floating],
    voices: NDArray[np.floating],
    view: float = 0.0,
    depth: bool = False,
) -> tuple[Image, NDArray[np.floating], NDArray[np.float32] | None]:
    """Frames, extents and depths of a furnished scene, as `scenes.render.render_video` makes them.

    Args:
        times: of the frames [F] in seconds.
        voices: how loudly each person speaks [P, F].
        view: azimuth of the frames' centre in degrees.
        depth: whether the depths are wanted.

    Returns:
        Frames uint8 [F, size, size, 3]; the extent of each person [P, F, 4] as shares of the width,
        the farthest first, zeros where they are not seen; depths in metres along the view's axis
        [F, size, size] float32, 0 in the rows without picture, or None.
    """
    camera = Perspective(format.size, format.picture_height, view)
    room = view_of(scene.room_seed, scene.room, camera)
    rows = slice(format.top, format.bottom)
    depths = np.zeros((len(times), format.size, format.size), np.float32) if depth else None
    order, cast = cast_of(scene, times, voices)
    extents = np.zeros((len(order), len(times), 4))
    eye = make_room(scene.room_seed, scene.room).eye
    lights = _lights(scene, times)
    base = room.image.copy()
    for person in order:
        if not scene.people[person].track.moves:
            _shade(base, camera, scene.people[person].track.at(0.0), eye, lights[person], room)
    painted = np.repeat(base[None], len(times), axis=0)
    for person in order:
        track = scene.people[person].track
        floors = track.at(times)
        if track.moves:
            for image, floor in zip(painted, floors, strict=True):
                _shade(image, camera, floor, eye, lights[person], room)
    if depths is not None:
        depths[:, rows] = room.depth
    for place, person in enumerate(order):
        floors = scene.people[person].track.at(times)
        seen: dict[tuple[Moment, float, float], Figure] = {}
        front = (floors * camera.ahead(floors)).sum(axis=1) > NEAREST
        for frame in np.flatnonzero(front).tolist():
            image, floor = painted[frame], floors[frame]
            key = (cast[person][frame], float(floor[0]), float(floor[1]))
            figure = seen.get(key)
            if figure is None:
                figure = lit(stamp(camera, key[0], floor, eye), lights[person], room)
                seen[key] = figure
            paste(image, figure)
            extents[place, frame] = figure.box / format.size
            if depths is not None:
                figure.cover(depths[frame, rows])
    exposure = draw_exposure(scene.seed, scene.light)
    video = np.zeros((len(times), format.size, format.size, 3), np.uint8)
    first = round(float(times[0]) * format.fps) if len(times) else 0
    video[:, rows] = develop(painted, exposure, scene.seed, first)
    return video, extents, depths


def cast_of(
    scene: Scene, times: NDArray[np.floating], voices: NDArray[np.floating]
) -> tuple[list[int], list[list[Moment]]]:
    """People, the farthest first, and what each of them looks like at each time."""
    far = [float(np.linalg.norm(p.track.at(times), axis=1).mean()) for p in scene.people]
    cast = []
    for index, person in enumerate(scene.people):
        notes = tuple(n for sound in scene.sounds if sound.person == index for n in sound.notes)
        cast.append(moments(person, times, voices[index], notes))
    return np.argsort(far)[::-1].tolist(), cast


def _lights(scene: Scene, times: NDArray[np.floating]) -> list[Light]:
    """The light on each person, where they are on average."""
    middles = (person.track.at(times).mean(axis=0) for person in scene.people)
    return [light_on(scene, float(np.rad2deg(np.arctan2(y, x)))) for x, y in middles]


@dataclass(frozen=True, eq=False)
class Figure:
    """A person as they are seen in an image: rows and columns, lit colours times alpha float32
    [h, w, 3], what is left of the background [h, w, 1], the box of what is seen (zeros where that is
    less than `VISIBLE` of the body), the depth in metres."""

    area: tuple[slice, slice]
    colours: NDArray[np.float32]
    rest: NDArray[np.float32]
    box: NDArray[np.float64]
    depth: float

    def cover(self, depths: NDArray[np.float32]) -> None:
        """Write the person's depth into those [h, w] of an image."""
        body = depths[self.area]
        np.copyto(body, self.depth, where=(self.rest[..., 0] < 0.5) & (body > self.depth - MARGIN))


def lit(made: Stamp, light: Light, room: View) -> Figure:
    """A stamp that lies within the image of `room`, in its light and behind its furniture."""
    height, width = made.rgba.shape[:2]
    area = slice(made.y0, made.y0 + height), slice(made.x0, made.x0 + width)
    colours = made.rgba[..., :3].astype(np.float32)
    alpha = made.rgba[..., 3:].astype(np.float32)
    alpha *= np.float32(1 / 255)
    shade = made.relief @ np.array([light.side, light.top], np.float32)
    shade += 1
    np.clip(shade, 0.4, 1.7, out=shade)
    colours *= shade[..., None] * light.gains
    np.minimum(colours, 255 * alpha, out=colours)
    box = made.box
    hidden = room.cover[area] * (room.near[area] < made.depth - MARGIN)
    if hidden.any():
        left = 1 - hidden[..., None]
        box = _visible(made, alpha[..., 0], left[..., 0])
        colours *= left
        alpha *= left
    return Figure(area, colours + np.float32(0.5), 1 - alpha, box, made.depth)


def paste(image: Image, figure: Figure) -> None:
    """Paint a person into an image."""
    target = image[figure.area]
    mixed = target * figure.rest
    mixed += figure.colours
    target[:] = mixed


def _visible(
    made: Stamp, alpha: NDArray[np.float32], left: NDArray[np.float32]
) -> NDArray[np.float64]:
    """The box of the part of the body that furniture leaves; zeros where that is too little."""
    x0, y0, x1, y1 = made.box - (made.x0, made.y0, made.x0, made.y0)
    rows, columns = np.ogrid[: alpha.shape[0], : alpha.shape[1]]
    body = (columns + 0.5 > x0) & (columns + 0.5 < x1) & (rows + 0.5 > y0) & (rows + 0.5 < y1)
    body &= alpha > 0.3
    seen = body & (left > 0.5)
    if seen.sum() < VISIBLE * max(1, int(body.sum())):
        return np.zeros(4)
    ys, xs = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    whole_ys, whole_xs = np.flatnonzero(body.any(axis=1)), np.flatnonzero(body.any(axis=0))
    box = made.box.copy()
    for axis, found, whole, begin in ((0, xs, whole_xs, made.x0), (1, ys, whole_ys, made.y0)):
        if found[0] > whole[0]:
            box[axis] = begin + found[0]
        if found[-1] < whole[-1]:
            box[axis + 2] = begin + found[-1] + 1
    return box


def _shade(
    image: Image, camera: Perspective, floor: NDArray[np.floating], eye: float, light: Light,
    room: View,
) -> None:  # fmt: skip
    """The shadow of somebody before the camera."""
    if floor @ camera.ahead(floor) > NEAREST:
        shadow(image, camera, floor, eye, light, room)


def shadow(
    image: Image, camera: Camera, floor: NDArray[np.floating], eye: float, light: Light, room: View,
    corner: tuple[int, int] = (0, 0),
) -> None:  # fmt: skip
    """Darken the floor under a person: softly around, more where the feet are.

    corner: of `image` and `room` in the camera's whole image.
    """
    x, y = floor
    ahead = camera.ahead(floor)
    right = np.array([ahead[1], -ahead[0]])
    x, y = floor - right * np.clip(0.3 * light.side, -0.12, 0.12)
    u, v = 0.2 * ahead
    edge = np.array([[x, y, -eye], [x - u, y - v, -eye], [x + u, y + v, -eye]])
    local = camera.towards(float(np.rad2deg(np.arctan2(y, x))))
    pixels, scale = local.project(edge)
    centre, near, far = pixels - corner
    across, along = 0.3 * float(scale[0]), max(0.5 * float(near[1] - far[1]), 0.3)
    x0, x1 = (int(np.clip(centre[0] + s * 2.2 * across, 0, image.shape[1])) for s in (-1, 1))
    y0, y1 = (int(np.clip(centre[1] + s * 2.2 * along, 0, image.shape[0])) for s in (-1, 1))
    if x1 <= x0 or y1 <= y0:
        return
    dx = ((np.arange(x0, x1) + 0.5 - centre[0]) / across).astype(np.float32) ** 2
    dy = ((np.arange(y0, y1) + 0.5 - centre[1]) / along).astype(np.float32) ** 2
    wide, tight = np.exp(-np.stack([dx, 4 * dx])), np.exp(-np.stack([dy, 4 * dy]))
    dark = wide[0] * tight[0][:, None] * 0.55 + wide[1] * tight[1][:, None] * 0.45
    area = np.s_[y0:y1, x0:x1]
    free = 1 - room.cover[area] * (room.near[area] < float(np.asarray(floor) @ ahead) + 0.1)
    factor = cv2.merge([1 - np.float32(SHADOW) * dark * free] * 3)
    image[area] = cv2.multiply(image[area], factor, dtype=cv2.CV_8U)
