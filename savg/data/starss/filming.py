"""A scene filmed all around, as STARSS23 has it: H.264, 30000/1001 pictures a second.

Pictures are handed to the encoder in its own colour space, in which only repainted patches are
converted anew.
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
from savg.paths import whole_file

Array = NDArray[np.floating]
FPS = Fraction(30000, 1001)
KEY_EVERY = 30
"""Pictures between two at which decoding can begin."""
QUALITY = {"crf": "21", "preset": "superfast", "threads": "1"}

_LUMA = np.array([[0.257, 0.504, 0.098, 16.0]])
_CHROMA = np.array([[-0.148, -0.291, 0.439, 128.0], [0.439, -0.368, -0.071, 128.0]])
_BT601, _LIMITED = 6, 1


def film_times(seconds: float) -> Array:
    """Times of the pictures of a film that lasts at least `seconds`."""
    return np.arange(int(np.ceil(seconds * float(FPS) - 1e-6))) / float(FPS)


def write_film(
    path: str | os.PathLike[str],
    scene: Scene,
    size: tuple[int, int],
    dry: list[Array],
    rate: int,
) -> None:
    """Write the panorama of a whole scene as .mp4 without sound, whole or not at all.

    size: width and height, both even. dry: what each source emits, at `rate`, moves the mouths.
    """
    import av

    width, height = size
    times = film_times(scene.seconds)
    voices = voices_of(scene, times, dry, rate)
    with whole_file(path) as part:
        try:
            with av.open(str(part), "w", options={"movflags": "+faststart"}) as container:
                stream = container.add_stream("libx264", rate=FPS)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.gop_size = KEY_EVERY
                stream.codec_context.colorspace = _BT601
                stream.codec_context.color_range = _LIMITED
                stream.options = dict(QUALITY)
                for planes in _yuv_pictures(scene, times, voices, width, height):
                    frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
                    frame.colorspace, frame.color_range = _BT601, _LIMITED
                    container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
        except av.FFmpegError as error:
            raise OSError(error.errno, error.strerror or str(error)) from error


def _yuv_pictures(scene: Scene, times: Array, voices: Array, width: int, height: int):
    """The pictures as planes Y, U and V below each other [1.5 height, width]; one array, reused."""
    planes = np.empty((height * 3 // 2, width), np.uint8)
    luma = planes[:height]
    quarter = width * height // 4
    chroma = [
        planes[height:].reshape(-1)[k * quarter : (k + 1) * quarter].reshape(height // 2, -1)
        for k in range(2)
    ]
    for picture, patches in panoramas(scene, times, voices, width, height):
        for patch in patches:
            for rows, columns, _ in pieces(patch, width):
                part = picture[rows, columns]
                luma[rows, columns] = cv2.transform(part, _LUMA)
                half = (part.shape[1] // 2, part.shape[0] // 2)
                small = cv2.resize(part, half, interpolation=cv2.INTER_AREA)
                both = cv2.transform(small, _CHROMA)
                for k, plane in enumerate(chroma):
                    at = slice(rows.start // 2, rows.stop // 2)
                    plane[at, columns.start // 2 : columns.stop // 2] = both[..., k]
        yield planes
