"""The textures of a person: skin and hair of another tone, and which texels are cloth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from maker.character import Character
from maker.outfits import SKINS, Outfit
from maker.rig import Rig
from maker.skeleton import FOOT, SHIN, THIGH
from savg.data.scenes.furnished.recolour import PARTS


def textures(outfit: Outfit, character: Character, rig: Rig, library: Path) -> dict[str, tuple]:
    """(picture RGB, labels) uint8 of each material of the character; a plain colour has one texel."""
    result = {}
    skin = np.array(SKINS[outfit.skin_tone])
    reference = None
    for part, index in zip(character.parts, character.of_part, strict=True):
        if part.texture is None:
            continue
        image = _picture(part.texture, outfit, library).astype(np.float32)
        labels = np.zeros(image.shape[:2], np.uint8)
        if part.name in outfit.hair.materials:
            image *= np.array(outfit.hair.gains, np.float32)
            labels[:] = PARTS["hair"]
        elif part.name in (outfit.face.material, *outfit.face.skin):
            image *= _tone(image, skin)
        else:
            labels, bare = _labels(part, index, character, rig, image, outfit)
            image *= 1 + bare[..., None] * (_tone(image, skin) - 1)
            if bare.any() and reference is None:
                reference = np.median(image[bare > 0.5], axis=0)
        result[part.name] = (np.clip(image, 0, 255).astype(np.uint8), labels)
    plain = np.array([190, 140, 115]) * skin if reference is None else reference
    for part in character.parts:
        if part.texture is None:
            flat = np.broadcast_to(plain.astype(np.uint8), (1, 1, 3))
            result[part.name] = (np.ascontiguousarray(flat), np.zeros((1, 1), np.uint8))
    return result


def _picture(path: Path, outfit: Outfit, library: Path) -> np.ndarray:
    """A texture, or the one of another model that stands for it."""
    other = outfit.swaps.get(path.name)
    if other:
        folder = library / path.parent.parent.name / other
        (path,) = [p for p in sorted(folder.glob("*.jpg")) if cv2.imread(str(p)).shape[0] >= 512]
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def _tone(image: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Factors [h, w, 3]: skin darkens, what is white or colourless (eyes, teeth) less so."""
    spread = np.ptp(image, axis=2) / np.maximum(image.max(2), 1)
    amount = np.clip((spread - 0.08) / 0.12, 0, 1)[..., None]
    return (1 + amount * (skin - 1)).astype(np.float32)


def _labels(part, index, character: Character, rig: Rig, image, outfit: Outfit):
    """Parts (see `recolour`) of the texels of a body's texture, and how far each is bare skin 0..1."""
    size = image.shape[1], image.shape[0]
    labels, limbs = np.zeros(image.shape[:2], np.uint8), np.zeros(image.shape[:2], np.uint8)
    maybe = np.zeros(image.shape[:2], np.uint8)
    weights, points, joints = rig.weights, character.points, rig.joints
    lower = weights[:, [*THIGH, *SHIN]].sum(1)
    feet = weights[:, list(FOOT)].sum(1)
    count = np.bincount(character.component)
    hands = _hand_pieces(character, rig)
    main = int(np.argmax(count))
    short = points[character.component == main][:, 1].min() > joints.pelvis[1] - 0.2
    trousers = any(
        count[k] > 100 and np.ptp(points[character.component == k][:, 1]) > 0.6
        for k in range(len(count)) if k != main
    )  # fmt: skip
    for face in part.faces:
        welded = index[face]
        piece = character.component[welded[0]]
        uv = part.uv[face] - np.floor(part.uv[face].mean(0))
        polygon = np.round(np.c_[uv[:, 0] * size[0], (1 - uv[:, 1]) * size[1]]).astype(np.int32)
        middle = points[welded].mean(0)
        if piece in hands:
            cv2.fillPoly(limbs, [polygon], 255)
            continue
        small = count[piece] < 150
        edge = small and (middle[1] < 0.2 or middle[1] > joints.head[1])
        if edge or feet[welded].mean() > 0.6:
            kind = 0
        elif piece == main and trousers:
            waist = short and middle[1] < joints.pelvis[1] + 0.02
            kind = PARTS["bottom" if waist else "top"]
        elif outfit.dress:
            leg = lower[welded].mean() > 0.5 and middle[1] < joints.knee[:, 1].max() + 0.08
            kind = PARTS["bottom" if leg else "top"]
        elif lower[welded].mean() > 0.5 or (
            middle[1] < joints.pelvis[1] - 0.06 and count[piece] < 600
        ):
            kind = PARTS["bottom"]
        else:
            kind = PARTS["top"]
        cv2.fillPoly(labels, [polygon], int(kind))
        collar = middle[1] > joints.neck[1] - 0.17 and abs(middle[0] - joints.neck[0]) < 0.1
        near = collar or outfit.dress or (outfit.female and middle[1] < 0.12)
        if near:
            cv2.fillPoly(maybe, [polygon], 255)
    if outfit.dress and outfit.model == 2:
        maybe = cv2.dilate(maybe, np.ones((3, 3)))
    bare = (limbs > 0) & _skin_like(image, loose=True)
    bare |= (maybe > 0) & _skin_like(image)
    bare = cv2.morphologyEx(bare.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3)))
    bare = cv2.dilate(bare, np.ones((3, 3)))
    labels[bare > 0] = 0
    sleeves = (limbs > 0) & (bare == 0)
    labels[sleeves] = PARTS["top"]
    return labels, cv2.GaussianBlur(bare.astype(np.float32), (0, 0), 1.2)


def _hand_pieces(character: Character, rig: Rig) -> set[int]:
    """Pieces of the skin that only arms move."""
    arms = rig.weights[:, 3:9].sum(1)
    return {
        k
        for k in range(character.component.max() + 1)
        if arms[character.component == k].min() > 0.98
    }


def _skin_like(image: np.ndarray, loose: bool = False) -> np.ndarray:
    """Texels of the hues of light skin."""
    hsv = cv2.cvtColor(np.clip(image, 0, 255).astype(np.uint8), cv2.COLOR_RGB2HSV)
    hue, saturation, value = (hsv[..., k].astype(int) for k in range(3))
    if loose:
        return (hue < 22) & (saturation > 40) & (value > 70)
    return (hue > 3) & (hue < 20) & (saturation > 50) & (saturation < 160) & (value > 140)
