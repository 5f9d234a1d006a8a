"""Renders a person's sprites and encodes them for the bank."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from maker import instruments, poses
from maker.character import Character, normals, read_character
from maker.gl import Renderer, perspective
from maker.light import irradiance
from maker.outfits import Outfit
from maker.rig import Rig, Target
from maker.wardrobe import textures
from savg.data.scenes.furnished.recolour import PARTS
from savg.data.scenes.furnished.sprites import CAMERA_DISTANCE, CAMERA_HEIGHT, MOUTHS

PIXELS_PER_METRE = 80
FINE = 3
"""Pixels that are drawn for one of a sprite, each way."""
WIDTH, HALF_HEIGHT = 2.0, 1.56
"""Metres that a picture holds at the person: across, and above and below the camera's height."""
ALPHAS = 4
"""Levels of alpha: more cost as much as the colours and are not seen."""
GAIN = 1.3
OPENINGS = ((0.024, 0.014), (0.026, 0.028))
"""Half width and height (m) of a mouth that is half open and open."""
AROUND = (0, 45, 90, 135, 180)
SEES_MOUTH = {"speak": 60, "sit_speak": 60, "walk": 60}


@dataclass(frozen=True)
class Plan:
    """What is drawn of an action; turns ≥ 0 where it is mirrored."""

    phases: int
    turns: tuple[int, ...]
    mirrored: bool
    strokes: int = 1
    pitches: int = 1


PLANS = {
    "speak": Plan(7, (0, 30), True),
    "idle": Plan(3, AROUND, True),
    "walk": Plan(8, AROUND, True),
    "sit_speak": Plan(5, (0, 30), True),
    "sit_idle": Plan(2, (0, 30, 75), True),
    "guitar": Plan(6, (-30, 0, 30), False, 3, 2),
    "keyboard": Plan(3, (-30, 0, 30), False, 3, 1),
    "violin": Plan(4, (-30, 0, 30), False, 4, 1),
    "drum": Plan(3, (-30, 0, 30), False, 3, 1),
}


@dataclass(frozen=True, eq=False)
class Encoded:
    """A sprite as it goes to the bank: row of the table without person, action, phase, turn, offset."""

    row: list[int]
    parts: list[bytes]


class Studio:
    """Draws the people of one set of libraries."""

    def __init__(self, libraries: Path) -> None:
        self.libraries = libraries
        rows = round(2 * HALF_HEIGHT * PIXELS_PER_METRE)
        self.size = round(WIDTH * PIXELS_PER_METRE), rows
        fine = self.size[0] * FINE, self.size[1] * FINE
        self.renderer = Renderer(*fine)
        self.camera = perspective(CAMERA_HEIGHT, CAMERA_DISTANCE, PIXELS_PER_METRE * FINE, fine)

    def release(self) -> None:
        """Let go of the graphics driver's memory."""
        self.renderer.release()

    def person(self, outfit: Outfit, number: int, joints: np.ndarray) -> Model:
        """The model of an outfit; number: of the person, chooses instruments and chairs."""
        character = read_character(self.libraries / "Reallusion", outfit.model, joints)
        return Model(outfit, number, character, self.libraries)


class Model:
    """A rigged, dressed person."""

    def __init__(self, outfit: Outfit, number: int, character: Character, libraries: Path) -> None:
        self.outfit, self.number, self.libraries = outfit, number, libraries
        self.character, self.rig = character, Rig(character, outfit.dress)
        self.textures = textures(outfit, character, self.rig, libraries / "Reallusion")
        self.mouth = _mouth(outfit, character)

    def targets(self, action: str) -> list[tuple[Target, list[instruments.Object]]]:
        """Pose and objects of each phase of an action."""
        plan, rig = PLANS[action], self.rig
        chair = lambda: instruments.chair(self.libraries, self.number, poses.SEAT)  # noqa: E731
        if action == "speak":
            return [(t, []) for t in poses.speaking(rig, plan.phases)]
        if action == "idle":
            return [(t, []) for t in poses.idle(rig, plan.phases)]
        if action == "walk":
            return [(t, []) for t in poses.walking(rig, plan.phases)]
        if action == "sit_speak":
            return [(t, chair()) for t in poses.speaking(rig, plan.phases, seated=True)]
        if action == "sit_idle":
            return [(t, chair()) for t in poses.idle(rig, plan.phases, seated=True)]
        rest = poses.idle(rig, 1)[0]
        hold = instruments.HOLDS[action]
        return [
            hold(self.libraries, rig, rest, stroke / max(plan.strokes - 1, 1),
                 2 * pitch / max(plan.pitches - 1, 1) - 1 if plan.pitches > 1 else 0.0, self.number)
            for stroke in range(plan.strokes) for pitch in range(plan.pitches)
        ]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Posed:
    """A posed person and objects: meshes for the renderer, and how many of them are the person."""

    meshes: list[dict]
    body: int
    breadth: float


def posed(studio: Studio, model: Model, target: Target, objects) -> Posed:
    """Skin and light of one pose."""
    character, breadth, tall = model.character, *model.outfit.scale
    scale = np.array([breadth, tall, breadth])
    skin, normal, _ = model.rig.pose(target)
    points = [skin] + [p for p, _, _ in objects]
    starts = np.cumsum([0] + [len(p) for p in points])
    faces = [character.faces] + [f for _, f, _ in objects]
    all_points = np.concatenate(points) * scale
    all_normals = np.concatenate([normal] + [normals(p, f) for p, f, _ in objects])
    all_faces = np.concatenate([f + s for f, s in zip(faces, starts, strict=False)])
    light = GAIN * irradiance(studio.renderer, all_points, all_normals, all_faces)
    meshes = []
    for part, index in zip(character.parts, character.of_part, strict=True):
        image, labels = model.textures[part.name]
        meshes.append(
            {
                "position": all_points[index], "normal": all_normals[index], "uv": part.uv,
                "light": np.repeat(light[index][:, None], 3, 1), "rest": part.vertices,
                "faces": part.faces, "image": image, "labels": labels,
            }
        )  # fmt: skip
    for k, (_, object_faces, colour) in enumerate(objects):
        own = slice(starts[k + 1], starts[k + 2])
        count = starts[k + 2] - starts[k + 1]
        meshes.append(
            {
                "position": all_points[own], "normal": all_normals[own], "uv": np.zeros((count, 2)),
                "light": np.repeat(light[own][:, None], 3, 1), "rest": np.full((count, 3), 9.0),
                "faces": object_faces, "colour": colour,
            }
        )  # fmt: skip
    return Posed(meshes, len(character.parts), breadth)


def encode(studio: Studio, model: Model, pose: Posed, turn: int, mouth: bool) -> Encoded:
    """Draw a pose at a turn (degrees to the viewer's right) and encode it."""
    meshes = _turned(pose.meshes, turn)
    shown, slopes = studio.renderer.draw(meshes, studio.camera)
    rgba = _reduced(shown)
    body = rgba
    if len(meshes) > pose.body:
        alone, _ = studio.renderer.draw(meshes[: pose.body], studio.camera)
        body = _reduced(alone)
    x0, y0, x1, y1 = _bounds(rgba[..., 3] > 8)
    crop = slice(y0, y1), slice(x0, x1)
    box = np.array(_bounds(body[..., 3] > 100)) - [x0, y0, x0, y0]
    width, height = studio.size
    anchor = [width / 2 - x0, height / 2 + CAMERA_HEIGHT * PIXELS_PER_METRE - y0]
    sprite = _dilated(rgba)[crop]
    mouth_box, strip = [-1] * 4, b""
    if mouth and model.mouth is not None:
        mouth_box, strip = _mouths(studio, model, meshes, rgba, crop)
    row = [
        0, round(anchor[0] * 16), round(anchor[1] * 16), *(int(v) for v in box), *mouth_box,
    ]  # fmt: skip
    relief = _relief(slopes, (x0, y0, x1, y1))
    parts = _parts(slopes, shown, (x0, y0, x1, y1))
    levels = ALPHAS - 1
    sprite[..., 3] = np.round(sprite[..., 3] / 255 * levels) * (255 / levels)
    encoded = [_lossy(sprite, 75), strip, relief, parts]
    row[0] = len(encoded[0])
    return Encoded(row + [len(e) for e in encoded[1:]], encoded)


def _turned(meshes: list[dict], degrees: float) -> list[dict]:
    a = np.deg2rad(degrees)
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    return [
        m | {"position": m["position"] @ turn.T, "normal": m["normal"] @ turn.T} for m in meshes
    ]


def _reduced(fine: np.ndarray) -> np.ndarray:
    """Float RGBA at the sprite's size, colours not multiplied by alpha; `fine` is black outside."""
    size = fine.shape[1] // FINE, fine.shape[0] // FINE
    together = cv2.resize(fine, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    share = together[..., 3:]
    return np.concatenate([together[..., :3] * (255 / np.maximum(share, 1)), share], -1)


def _dilated(rgba: np.ndarray) -> np.ndarray:
    """Colours of the edge continued outwards, so that what is transparent costs and shows nothing."""
    known = (rgba[..., 3:] > 60).astype(np.float32)
    colour, weight = rgba[..., :3] * known, known[..., 0]
    filled = rgba[..., :3] * known
    for sigma in (1.0, 3.0, 12.0):
        total = cv2.GaussianBlur(colour, (0, 0), sigma)
        share = cv2.GaussianBlur(weight, (0, 0), sigma)[..., None]
        fill = total / np.maximum(share, 1e-6)
        filled = np.where((known == 0) & (filled == 0) & (share > 0.02), fill, filled)
    return np.concatenate([filled, rgba[..., 3:]], -1)


def _bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
    return x, y, x + w, y + h


def _mouths(studio: Studio, model: Model, meshes, rgba, crop) -> tuple[list[int], bytes]:
    """Box in the sprite, and the strip of half open and open, where one sees the mouth."""
    opened = []
    for opening in OPENINGS:
        shown, _ = studio.renderer.draw(meshes, studio.camera, model.mouth, opening)
        opened.append(_reduced(shown))
    change = np.abs(opened[-1] - rgba)[..., :3].max(-1) > 10
    x0, y0, x1, y1 = _bounds(change)
    if (x1 - x0) * (y1 - y0) < 3:
        return [-1] * 4, b""
    x0, x1 = max(x0 - 1, crop[1].start), min(x1 + 1, crop[1].stop)
    y0, y1 = max(y0 - 1, crop[0].start), min(y1 + 1, crop[0].stop)
    assert len(opened) == len(MOUTHS) - 1
    strip = np.concatenate([_dilated(o)[y0:y1, x0:x1, :3] for o in opened], axis=1)
    left, top = crop[1].start, crop[0].start
    return [x0 - left, y0 - top, x1 - left, y1 - top], _lossy(strip, 85)


def _relief(slopes: np.ndarray, box) -> bytes:
    """How far the surface faces right and up, both below one another, a quarter as large."""
    x0, y0, x1, y1 = (FINE * v for v in box)
    known = (slopes[y0:y1, x0:x1, 3:] > 0).astype(np.float32)
    values = slopes[y0:y1, x0:x1, :2].astype(np.float32) - 127.5
    size = max(4, round((box[2] - box[0]) / 4)), max(4, round((box[3] - box[1]) / 4))
    total = cv2.resize(values * known, size, interpolation=cv2.INTER_AREA)
    share = cv2.resize(known, size, interpolation=cv2.INTER_AREA)[..., None]
    blur = cv2.GaussianBlur(total, (0, 0), 2) / np.maximum(
        cv2.GaussianBlur(share, (0, 0), 2)[..., None], 1e-3
    )
    values = np.where(share > 0.15, total / np.maximum(share, 1e-3), blur)
    grey = np.concatenate([values[..., 0], values[..., 1]], 0) + 128
    return _lossy(np.repeat(grey[..., None], 3, 2), 45)


def _parts(slopes: np.ndarray, shown: np.ndarray, box) -> bytes:
    """The map of parts (see `recolour`), half as large and lossless."""
    step = 2 * FINE
    x0, y0, x1, y1 = (FINE * v for v in box)
    size = max(1, round((x1 - x0) / step)), max(1, round((y1 - y0) / step))
    labels = np.where(shown[y0:y1, x0:x1, 3] > 0, slopes[y0:y1, x0:x1, 2], 0)
    masks = [(labels == value).astype(np.float32) for value in (0, *PARTS.values())]
    votes = np.stack([cv2.resize(mask, size, interpolation=cv2.INTER_AREA) for mask in masks])
    best = (votes.argmax(0) * 85).astype(np.uint8)
    best = cv2.medianBlur(best, 3)
    return _webp(Image.fromarray(np.repeat(best[..., None], 3, 2)), lossless=True, quality=100)


def _lossy(image: np.ndarray, quality: int) -> bytes:
    picture = Image.fromarray(np.clip(image + 0.5, 0, 255).astype(np.uint8))
    return _webp(picture, quality=quality)


def _webp(picture: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", method=4, **options)
    return buffer.getvalue()


def _mouth(outfit: Outfit, character: Character) -> np.ndarray | None:
    """Where the mouth of the resting face is [3], from its place in the texture."""
    part = next(p for p in character.parts if p.name == outfit.face.material)
    wanted = np.array(outfit.face.mouth)
    a, b, c = (part.uv[part.faces[:, k]] for k in range(3))
    ab, ac, ap = b - a, c - a, wanted - a
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    area = np.where(np.abs(area) < 1e-12, 1e-12, area)
    v = (ap[:, 0] * ac[:, 1] - ap[:, 1] * ac[:, 0]) / area
    w = (ab[:, 0] * ap[:, 1] - ab[:, 1] * ap[:, 0]) / area
    inside = np.flatnonzero((v >= -1e-6) & (w >= -1e-6) & (v + w <= 1 + 1e-6))
    if not len(inside):
        return None
    weights = np.stack([1 - v - w, v, w], axis=1)[inside]
    places = np.einsum("fk,fkx->fx", weights, part.vertices[part.faces[inside]])
    return places[np.argmax(places[:, 2])]
