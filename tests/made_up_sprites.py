"""A small bank of made-up people: grey capsules with a head, for tests that need no bundled people."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from savg.data.scenes.furnished.sprites import COLUMNS, MOUTHS, SpriteBank

PIXELS_PER_METRE = 80.0
HEIGHT = 1.7
ACTIONS: dict[str, dict[str, Any]] = {
    "speak": {"phases": 3, "turns": [-30, 0, 30], "mirrored": True},
    "idle": {"phases": 1, "turns": [-135, -90, -45, 0, 45, 90, 135, 180], "mirrored": True},
    "walk": {"phases": 8, "turns": [-135, -90, -45, 0, 45, 90, 135, 180], "mirrored": True},
    "sit_speak": {"phases": 2, "turns": [-30, 0, 30], "mirrored": True},
    "sit_idle": {"phases": 1, "turns": [-30, 0, 30], "mirrored": True},
    "guitar": {"phases": 6, "turns": [-30, 0, 30], "mirrored": False, "strokes": 3, "pitches": 2},
    "keyboard": {"phases": 6, "turns": [-30, 0, 30], "mirrored": False, "strokes": 3, "pitches": 2},
    "violin": {"phases": 4, "turns": [-30, 0, 30], "mirrored": False, "strokes": 4, "pitches": 1},
}
SPLITS = ("train", "train", "held_out")
RED = {"top": [0.8, 0.1, 0.1, 1.0]}


def made_up_bank() -> SpriteBank:
    """Three people, each lighter than the one before, with all actions of the real bank."""
    return SpriteBank(*made_up_contents())


def made_up_contents() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Index and arrays of the bank, as its two files hold them."""
    people = [
        {
            "name": f"person{k}", "female": bool(k % 2), "skin_tone": 1 + 2 * k, "height": HEIGHT,
            "source": "made-up", "split": split, "recolours": [RED],
        }
        for k, split in enumerate(SPLITS)
    ]  # fmt: skip
    data, table = bytearray(), []
    for k in range(len(people)):
        for a, action in enumerate(ACTIONS.values()):
            for phase in range(action["phases"]):
                for turn in action["turns"]:
                    if turn >= 0 or not action["mirrored"]:
                        row, encoded = _sprite(k, phase, turn)
                        table.append([k, a, phase, turn, len(data), *row])
                        data += encoded
    index = {
        "people": people, "actions": ACTIONS, "sources": {"made-up": "Made up for tests."},
        "pixels_per_metre": PIXELS_PER_METRE,
    }  # fmt: skip
    arrays = {
        "bytes": np.frombuffer(bytes(data), np.uint8),
        "table": np.array(table, np.int32).reshape(-1, len(COLUMNS)),
    }
    return index, arrays


def _sprite(person: int, phase: int, turn: int) -> tuple[list[int], bytes]:
    """Row of the table after the offset, and the bytes of a figure that leans to where it turns."""
    grey = 60 + 50 * person + 4 * phase
    rgba = np.zeros((144, 60, 4), np.uint8)
    lean = round(10 * np.sin(np.deg2rad(turn)))
    cv2.line(rgba, (30, 130), (30 + lean, 40), (grey, grey, grey, 255), 24)
    cv2.circle(rgba, (30 + lean, 18), 10, (150, 180, 210, 255), -1)
    alpha = cv2.findNonZero(rgba[..., 3])
    x, y, w, h = cv2.boundingRect(alpha)
    parts = np.zeros((72, 30), np.uint8)
    parts[15:] = 85
    relief = np.full((2 * 48, 20), 128, np.uint8)
    images = [rgba, None, relief, parts]
    mouth = [-1] * 4
    if abs(turn) <= 60:
        mouth = [26 + lean, 20, 34 + lean, 26]
        strip = np.zeros((6, 8 * (len(MOUTHS) - 1), 3), np.uint8)
        strip[:, :8], strip[:, 8:] = (90, 90, 160), (40, 40, 120)
        images[1] = strip
    encoded = [_webp(image) for image in images]
    row = [len(encoded[0]), 30 * 16, 142 * 16, x, y, x + w, y + h, *mouth]
    return row + [len(part) for part in encoded[1:]], b"".join(encoded)


def _webp(image: np.ndarray | None) -> bytes:
    if image is None:
        return b""
    return cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
