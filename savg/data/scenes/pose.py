"""A person's joints in each frame, in the person's own coordinates (see `shapes.Stage`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Pose:
    """Joints [F, 3] in metres; shoulders, elbows, hands, knees and feet are (viewer's left, right).

    turn: degrees to the viewer's right [F]; mouth: how far it is open, 0..1 [F].
    """

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
