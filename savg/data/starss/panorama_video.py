"""360° videos of scenes in the format of STARSS23: H.264, 30000/1001 frames a second.

Frames are passed to the encoder in its own colour space, to which only repainted patches are converted.
"""

from __future__ import annotations

import os
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.data.scenes.panorama import panoramas, pieces
from savg.data.scenes.render import voices_of
from savg.data.scenes.scene import Scene
from savg.media.colour import SD
from savg.media.encode import add_h264, new_mp4, yuv_frame
from savg.paths import atomic_file

Array = NDArray[np.floating]
FPS = Fraction(30000, 1001)
KEY_INTERVAL = 30
"""Frames from one key frame to the next."""
QUALITY = {"crf": "21", "preset": "superfast"}

_LUMA = np.array([[0.257, 0.504, 0.098, 16.0]])
_CHROMA = np.array([[-0.148, -0.291, 0.439, 128.0], [0.439, -0.368, -0.071, 128.0]])


def frame_times(seconds: float) -> Array:
    """Times [F] in seconds of the frames of a video that lasts at least `seconds`."""
    return np.arange(int(np.ceil(seconds * float(FPS) - 1e-6))) / float(FPS)


def write_panorama_video(
    path: str | os.PathLike[str],
    scene: Scene,
    size: tuple[int, int],
    dry: list[Array],
    rate: int,
) -> None:
    """Write the panorama of a whole scene as .mp4 without audio, atomically.

    size: width and height, both even. dry: dry audio of each source at `rate`, which
    moves the mouths.
    """
    width, height = size
    times = frame_times(scene.seconds)
    voices = voices_of(scene, times, dry, rate)
    with atomic_file(path) as part, new_mp4(part) as container:
        stream = add_h264(container, size, FPS, QUALITY, threads=1, colour=SD)
        stream.gop_size = KEY_INTERVAL
        for planes in _yuv_frames(scene, times, voices, width, height):
            frame = yuv_frame(planes)
            SD.mark(frame)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _yuv_frames(scene: Scene, times: Array, voices: Array, width: int, height: int):
    """The frames as planes Y, U and V below each other [1.5 height, width]; one array, reused."""
    planes = np.empty((height * 3 // 2, width), np.uint8)
    luma = planes[:height]
    quarter = width * height // 4
    chroma = [
        planes[height:].reshape(-1)[k * quarter : (k + 1) * quarter].reshape(height // 2, -1)
        for k in range(2)
    ]
    for image, patches in panoramas(scene, times, voices, width, height):
        for patch in patches:
            for rows, columns, _ in pieces(patch, width):
                part = image[rows, columns]
                luma[rows, columns] = cv2.transform(part, _LUMA)
                half = (part.shape[1] // 2, part.shape[0] // 2)
                small = cv2.resize(part, half, interpolation=cv2.INTER_AREA)
                both = cv2.transform(small, _CHROMA)
                for k, plane in enumerate(chroma):
                    at = slice(rows.start // 2, rows.stop // 2)
                    plane[at, columns.start // 2 : columns.stop // 2] = both[..., k]
        yield planes
