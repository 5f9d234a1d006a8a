"""Images as browsers take them."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.errors import SavgError


def jpeg(image: NDArray[np.uint8], quality: int = 85) -> bytes:
    """An image [h, w, 3] RGB as JPEG."""
    bgr = np.ascontiguousarray(image[..., ::-1])
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise SavgError(f"An image of {image.shape} could not become a JPEG.")
    return data.tobytes()


def data_url(image: NDArray[np.uint8], quality: int = 85) -> str:
    """An image [h, w, 3] RGB as the address of a JPEG."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(image, quality)).decode()
