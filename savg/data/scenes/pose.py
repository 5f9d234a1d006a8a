"""Where a person's joints are in each frame, in the person's own coordinates (see `shapes.Stage`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Pose:
    """Joints [F, 3] in metres; hands, elbows, knees and feet are (viewer's left, viewer's right)."""

    hips: Array
    chest: Array
    head: Array
    shoulders: tuple[Array, Array]
    elbows: tuple[Array, Array]
    hands: tuple[Array, Array]
    knees: tuple[Array, Array]
    feet: tuple[Array, Array]
    turn: Array
    mouth: Array
