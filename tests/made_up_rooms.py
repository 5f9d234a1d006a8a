"""A folder with two made-up furnished rooms, for tests that need no rendered ones."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 720, 360
DIMS = {"front": 4.0, "back": 3.0, "left": 3.5, "right": 2.5, "height": 2.6, "eye": 1.2}
NEAR_AZIMUTH, NEAR_REACH = -30.0, 12.0
"""A slab that hides everything up to 20 degrees above the horizon, this many degrees to both sides."""
NEAR_DISTANCE = 1.0
PIECE = (1.2, 1.6, 2.0, 2.4, 0.7)


def write_rooms(folder: Path) -> Path:
    """world.json and the pictures of a training and a held-out room."""
    (folder / "rooms").mkdir(parents=True)
    rooms = []
    for name, split in (("first", "train"), ("second", "held_out")):
        files = {}
        for kind, image in (("image", _image()), ("depth", _share())):
            code = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
            path = f"rooms/{name}_{kind}.webp"
            (folder / path).write_bytes(code)
            digest = hashlib.sha256(code).hexdigest()
            files[kind] = {"file": path, "bytes": len(code), "sha256": digest}
        light = [[0.6, 0.55, 0.5, 0.1 * np.sin(2 * np.pi * k / 12), 0.1] for k in range(12)]
        rooms.append(
            {"name": name, "split": split, **files, **DIMS, "furniture": [PIECE], "light": light}
        )
    (folder / "world.json").write_text(json.dumps({"attribution": "", "rooms": rooms}))
    return folder


def _image() -> np.ndarray:
    """Grey, darker to the right, with a white post at azimuth 0 (BGR)."""
    image = np.broadcast_to(np.linspace(170, 90, WIDTH)[None, :, None], (HEIGHT, WIDTH, 3)).copy()
    image[:, WIDTH // 2 - 4 : WIDTH // 2 + 4] = 250
    return image.astype(np.uint8)


def _share() -> np.ndarray:
    from savg.data.scenes.furnished.index import empty_distance

    dims = {k: v for k, v in DIMS.items() if k != "height"}
    empty = empty_distance(WIDTH, HEIGHT, room_height=DIMS["height"], **dims)
    code = np.full((HEIGHT, WIDTH), 255, np.uint8)
    azimuth = 180 - (np.arange(WIDTH) + 0.5) / WIDTH * 360
    elevation = 90 - (np.arange(HEIGHT) + 0.5) / HEIGHT * 180
    slab = (np.abs(azimuth - NEAR_AZIMUTH) < NEAR_REACH)[None] & (elevation < 20)[:, None]
    slab &= empty > NEAR_DISTANCE
    code[slab] = np.round(255 * NEAR_DISTANCE / empty[slab])
    return code
