"""A scene as a clip: video, audio, labels and boxes from the same times and the same geometry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.annotation import Boxes, ClipLabels
from savg.clip import Clip
from savg.data.scenes.audio import dry_audio, envelope, stereo_audio, stereo_window
from savg.data.scenes.backdrop import backdrop
from savg.data.scenes.camera import Camera, Perspective
from savg.data.scenes.events import LAUGHTER
from savg.data.scenes.furnished import painter as furnished
from savg.data.scenes.furnished.index import is_furnished
from savg.data.scenes.people import draw_person
from savg.data.scenes.room import make_room
from savg.data.scenes.scene import Person, Scene
from savg.data.scenes.shapes import SHIFT, Part, bounds, paint
from savg.format import ClipFormat

FINE = 512
"""Width in pixels at which frames are drawn before averaging down; half of it for frames ≤ 128."""
TOGETHER = 2
"""Frames of a take that are drawn together; a rotated face is drawn, or not, in all of them."""
NEAREST = 0.3
"""Least depth in metres of people who are drawn; the others are beside or behind the camera."""


@dataclass(frozen=True, eq=False)
class Rendered:
    """A rendered scene: the clip, its labels, and the box of each visible person in each frame.

    Labels and boxes are in pixels of the requested format (256 wide by default), also where the clip
    itself was rendered smaller. depth: metres along the view's axis [F, size, size] float32 in the
    clip's pixels, 0 in rows without picture; None unless it was requested.
    """

    clip: Clip
    labels: ClipLabels
    boxes: Boxes
    depth: NDArray[np.float32] | None = None


def render(
    scene: Scene,
    format: ClipFormat | None = None,
    size: int | None = None,
    view: float = 0.0,
    start: float | None = None,
    depth: bool = False,
) -> Rendered:
    """The clip of a scene, with its labels and boxes.

    Args:
        format: of the clip; the published one by default. Labels and boxes are in its pixels.
        size: side in pixels of the rendered frames where it differs from the format's. A small
            rendering equals the large one averaged down, but takes a fraction of the time.
        view: azimuth of the frames' centre in degrees.
        start: time (s) from which the clip is cut from a longer scene; without it the scene must be
            as long as the format.
        depth: whether to return depths, which furnished worlds have.

    Raises:
        ValueError: if the clip does not lie within the scene, or depths of a drawn world are asked for.
        SavgError: people or rooms of a furnished world are missing or altered.

    Example:
        >>> clip = render(draw_scene(7, World.demo())).clip
    """
    format = format or ClipFormat()
    rate = format.sample_rate
    if start is None and abs(format.seconds - scene.seconds) > 1e-6:
        raise ValueError(
            f"format must be as long as the scene, {scene.seconds:g} s, got {format.seconds:g} s."
        )
    begin = start or 0.0
    if not 0 <= begin <= scene.seconds - format.seconds + 1e-6:
        raise ValueError(
            f"start must leave {format.seconds:g} s within {scene.seconds:g} s, got {begin:g} s."
        )
    if depth and not is_furnished(scene.room_seed):
        raise ValueError("depth must be False for a drawn world: only furnished ones have depths.")
    small = format if size is None else format.with_size(size)
    dry = [dry_audio(scene, sound, rate) for sound in scene.sounds]
    if start is None and not view:
        audio = stereo_audio(scene, rate, list(dry))
    else:
        audio = stereo_window(scene, rate, begin, format.seconds, view)
    times = begin + np.arange(format.frames) / format.fps
    voices = voices_of(scene, times, dry, rate)
    labels = labels_of(scene, format, view, begin)
    if is_furnished(scene.room_seed):
        video, extents, depths = furnished.render_video(scene, small, times, voices, view, depth)
        boxes = boxes_of(extents, format, format.size)
        return Rendered(Clip(video, audio, small), labels, boxes, depths)
    together = format.frames if start is None else TOGETHER
    segments = [
        render_video(scene, small, times[span], voices[:, span], view)
        for span in (slice(i, i + together) for i in range(0, format.frames, together))
    ]
    video, extents = (np.concatenate(p, axis=i) for i, p in enumerate(zip(*segments, strict=True)))
    return Rendered(Clip(video, audio, small), labels, boxes_of(extents, format, format.size))


def render_video(
    scene: Scene,
    format: ClipFormat,
    times: NDArray[np.floating],
    voices: NDArray[np.floating],
    view: float = 0.0,
) -> tuple[NDArray[np.uint8], NDArray[np.floating]]:
    """Frames [F, size, size, 3] and the extent of each person [P, F, 4] as shares of the width.

    voices: how loudly each person speaks in each frame [P, F], from `voices_of`.
    """
    scale = max(1, (FINE if format.size > 128 else FINE // 2) // format.size)
    camera = Perspective(format.size * scale, format.picture_height * scale, view)
    order, figures = draw_people(scene, camera, times, voices)
    shares = [bounds(parts, body_only=True) / camera.width for parts in figures]
    extents = np.reshape(shares, (len(figures), len(times), 4))
    hidden = np.array([~_in_front(scene.people[i], camera, times) for i in order], bool)
    extents[hidden.reshape(extents.shape[:2])] = 0.0
    video = np.zeros((len(times), format.size, format.size, 3), np.uint8)
    fine, coarse = _lit_backdrop(scene, camera, scale)
    areas = [_pixel_bounds(parts, camera) // scale * scale for parts in figures]
    for box, hidden_frames in zip(areas, hidden, strict=False):
        box[hidden_frames] = camera.width
    layers = [corners_of(parts) for parts in figures]
    still = [person for person in scene.people if not person.track.moves]
    walking = [person for person in scene.people if person.track.moves]
    shadows(fine, scene, still, camera, 0.0, (0, 0))
    for frame in range(len(times)):
        image = video[frame, format.top : format.bottom]
        image[:] = coarse
        for (x0, y0, x1, y1), members in _patches([box[frame] for box in areas], scale, camera):
            patch = np.ascontiguousarray(fine[y0:y1, x0:x1])
            offset = np.array([x0, y0], np.int32) * 2**SHIFT
            shadows(patch, scene, walking, camera, times[frame], (x0, y0))
            for figure in members:
                corners, ends = layers[figure]
                shifted, begin = corners[frame] - offset, 0
                for part, end in zip(figures[figure], ends, strict=True):
                    paint(patch, shifted[begin:end], part, smooth=scale < 4)
                    begin = end
            size = ((x1 - x0) // scale, (y1 - y0) // scale)
            target = image[y0 // scale : y1 // scale, x0 // scale : x1 // scale]
            target[:] = cv2.resize(patch, size, interpolation=cv2.INTER_AREA)
    return video, extents


def corners_of(parts: list[Part]) -> tuple[NDArray[np.int32], list[int]]:
    """Corners of a figure [F, N, 2] in pixels times 2 ** SHIFT, and the index after each part's."""
    corners = np.concatenate([part.corners for part in parts], axis=1)
    ends = np.cumsum([part.corners.shape[1] for part in parts]).tolist()
    return np.round(corners * 2**SHIFT).astype(np.int32), ends


def voices_of(
    scene: Scene, times: NDArray[np.floating], dry: list[NDArray[np.floating]], rate: int
) -> NDArray[np.floating]:
    """How loudly each person speaks (or laughs) at `times`, 0..1 [P, T].

    dry: `dry_audio` of each sound of the scene, at `rate` Hz.
    """
    voices = np.zeros((len(scene.people), len(times)))
    for sound, source in zip(scene.sounds, dry, strict=True):
        if sound.person >= 0 and (sound.phrases or sound.label == LAUGHTER):
            begin, end = scene.span_of(sound)
            near = (times > begin - 0.1) & (times < end + 0.1) if sound.span else slice(None)
            loudness = envelope(source, rate, times[near] - begin)
            voices[sound.person, near] = np.maximum(voices[sound.person, near], loudness)
    return voices


def draw_people(
    scene: Scene, camera: Camera, times: NDArray[np.floating], voices: NDArray[np.floating]
) -> tuple[list[int], list[list[Part]]]:
    """People, the farthest first, and the painted parts of each; voices: from `voices_of`."""
    room = make_room(scene.room_seed, scene.room)
    distance = [float(np.linalg.norm(p.track.at(times), axis=1).mean()) for p in scene.people]
    figures = []
    order = np.argsort(distance)[::-1].tolist()
    for index in order:
        person = scene.people[index]
        notes = tuple(n for sound in scene.sounds if sound.person == index for n in sound.notes)
        x, y = person.track.at(times).sum(axis=0)
        local_camera = camera.towards(float(np.rad2deg(np.arctan2(y, x))))
        figures.append(
            draw_person(person, times, voices[index], notes, local_camera, -room.eye, scene.light)
        )
    return order, figures


def _in_front(person: Person, camera: Camera, times: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether a person stands before the camera at `times`, and not beside or behind it."""
    floor = person.track.at(times)
    return (floor * camera.ahead(floor)).sum(axis=1) > NEAREST


@lru_cache(maxsize=64)
def _coarse_backdrop(
    room_seed: int, room: int, camera: Perspective, scale: int
) -> NDArray[np.uint8]:
    fine = backdrop(room_seed, room, camera)
    size = (camera.width // scale, camera.height // scale)
    return np.asarray(cv2.resize(fine, size, interpolation=cv2.INTER_AREA), np.uint8)


def _lit_backdrop(
    scene: Scene, camera: Perspective, scale: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The room in this scene's light, at the drawn and at the final size."""
    table = np.clip(np.arange(256)[:, None] * np.array(scene.light), 0, 255)
    table = np.round(table).astype(np.uint8)[None]
    fine = cv2.LUT(backdrop(scene.room_seed, scene.room, camera), table)
    coarse = cv2.LUT(_coarse_backdrop(scene.room_seed, scene.room, camera, scale), table)
    return np.asarray(fine, np.uint8), np.asarray(coarse, np.uint8)


def _pixel_bounds(parts: list[Part], camera: Perspective) -> NDArray[np.int64]:
    """Pixel bounds [F, 4] of a figure with its shadow, inside the image."""
    box = bounds(parts)
    margin = 0.16 * (box[:, 3] - box[:, 1])
    grown = box + np.stack([-margin, -margin * 0.2, margin, margin * 0.6], axis=1)
    limits = np.array([camera.width, camera.height] * 2)
    low = np.clip(np.floor(grown[:, :2]), 0, limits[:2])
    high = np.clip(np.ceil(grown[:, 2:]), 0, limits[:2])
    return np.concatenate([low, high], axis=1).astype(np.int64)


Patch = tuple[int, int, int, int]


def _patches(
    boxes: list[NDArray[np.int64]], scale: int, camera: Perspective
) -> list[tuple[Patch, list[int]]]:
    """Patches to redraw with the figures in each: boxes on the coarse grid, overlapping ones merged."""
    patches: list[tuple[Patch, list[int]]] = []
    for index, (x0, y0, x1, y1) in enumerate(boxes):
        right, low = min(int(x1) + scale, camera.width), min(int(y1) + scale, camera.height)
        new, members = (int(x0), int(y0), right, low), [index]
        if right <= x0 or low <= y0:
            continue
        while touching := [p for p in patches if _overlap(p[0], new)]:
            for old, others in touching:
                new = (
                    min(old[0], new[0]),
                    min(old[1], new[1]),
                    max(old[2], new[2]),
                    max(old[3], new[3]),
                )
                members = sorted([*others, *members])
            patches = [p for p in patches if p not in touching]
        patches.append((new, members))
    return patches


def _overlap(a: Patch, b: Patch) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@lru_cache(maxsize=1)
def _blob() -> NDArray[np.uint8]:
    """A soft round shadow [48, 48]: 255 leaves the floor unchanged, the middle is darker."""
    grid = np.linspace(-1, 1, 48)
    radius = np.hypot(*np.meshgrid(grid, grid))
    return np.round(255 * (1 - 0.42 * np.clip(1.15 - radius, 0, 1) ** 0.8 * (radius < 1))).astype(
        np.uint8
    )


def shadows(
    patch: NDArray[np.uint8],
    scene: Scene,
    people: list[Person],
    camera: Camera,
    time: float,
    corner: tuple[int, int],
) -> None:
    """Darken the floor under people, on a patch whose upper left pixel is `corner`."""
    room = make_room(scene.room_seed, scene.room)
    for person in people:
        floor = person.track.at(time)
        ahead = camera.ahead(floor)
        if floor @ ahead <= NEAREST:
            continue
        (x, y), (u, v) = floor, 0.16 * ahead
        edge = np.array([[x, y, -room.eye], [x - u, y - v, -room.eye], [x + u, y + v, -room.eye]])
        local_camera = camera.towards(float(np.rad2deg(np.arctan2(y, x))))
        (centre, near, far), scale = local_camera.project(edge)
        w, h = 0.36 * scale[0], max(1.0, 0.9 * (near[1] - far[1]))
        x0, y0 = round(centre[0] - w) - corner[0], round(centre[1] - h / 2) - corner[1]
        width, height = round(2 * w), round(h)
        a, b = max(x0, 0), max(y0, 0)
        c, d = min(x0 + width, patch.shape[1]), min(y0 + height, patch.shape[0])
        if c > a and d > b and height > 0:
            blob = cv2.resize(_blob(), (width, height))[b - y0 : d - y0, a - x0 : c - x0]
            area = patch[b:d, a:c]
            patch[b:d, a:c] = cv2.multiply(area, cv2.merge([blob] * 3), scale=1 / 255)


def labels_of(
    scene: Scene, format: ClipFormat, view: float = 0.0, start: float = 0.0
) -> ClipLabels:
    """Labels of a scene: a row per label frame in whose middle a source is active and on screen.

    view: azimuth of the frames' centre in degrees; start: time (s) of the first label frame.
    """
    camera = Perspective(format.size, format.picture_height, view)
    times = start + (np.arange(format.label_frames) + 0.5) / format.label_fps
    tables = [np.zeros((0, 4))]
    for sound in scene.sounds:
        points = scene.points(sound, times)
        spot, _ = camera.project(points)
        keep = sound.active(times) & (spot[:, 0] >= 0) & (spot[:, 0] < format.size)
        keep &= (points[:, :2] * camera.ahead(points[:, :2])).sum(axis=1) > 0
        label = np.full(len(times), float(sound.label))
        rows = np.stack([np.arange(len(times)), label, spot[:, 0], spot[:, 1]], axis=1)
        tables.append(rows[keep])
    table = np.concatenate(tables)
    frames, classes, x, y = table[np.argsort(table[:, 0], kind="stable")].T
    return ClipLabels(frames.astype(np.int64), classes.astype(np.int64), x, y)


def boxes_of(extents: NDArray[np.floating], format: ClipFormat, size: int) -> Boxes:
    """Boxes in the frame from extents [P, F, 4]; none for people less than a tenth on screen."""
    full = extents * size
    limits = np.array([size, format.picture_height] * 2, float)
    clipped = np.clip(full, 0, limits)
    area = lambda b: (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])  # noqa: E731
    visible = area(clipped) > 0.1 * area(full)
    frames = np.broadcast_to(np.arange(extents.shape[1]), visible.shape)
    order = np.lexsort((np.nonzero(visible)[0], frames[visible]))
    xyxy = (clipped + np.array([0, format.top, 0, format.top]))[visible][order]
    count = len(order)
    return Boxes(frames[visible][order], np.zeros(count, np.int64), xyxy, None)


def without_people(scene: Scene, keep: tuple[int, ...] = ()) -> Scene:
    """The scene with only the people `keep` and their sounds."""
    index = {old: new for new, old in enumerate(keep)}
    sounds = tuple(replace(s, person=index[s.person]) for s in scene.sounds if s.person in index)
    return replace(scene, people=tuple(scene.people[i] for i in keep), sounds=sounds)
