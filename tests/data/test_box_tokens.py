"""Boxes as tokens for a network."""

from __future__ import annotations

import numpy as np
import pytest

from savg.annotation import Boxes
from savg.data.box_tokens import box_tokens


def test_the_boxes_that_matter_come_first() -> None:
    xyxy = [[0, 0, 64, 64], [128, 0, 256, 256], [0, 0, 10, 10], [300, 0, 400, 20]]
    boxes = Boxes([0, 0, 0, 2], [0] * 4, np.array(xyxy, float))
    tokens = box_tokens(boxes, 3, 2)
    assert tokens.shape == (3, 2, 5) and not tokens[1].any()
    assert tokens[0].tolist() == [[1, 0, -1, 1, 1], [1, -1, -1, -0.5, -0.5]]
    assert tokens[2, 0].tolist() == [1, 1, -1, 1, pytest.approx(20 / 128 - 1)]
    scored = Boxes([0, 0, 0, 2], [0] * 4, np.array(xyxy, float), np.array([0.1, 0.2, 0.9, 0.5]))
    assert box_tokens(scored, 1, 1)[0, 0, 3] == pytest.approx(10 / 128 - 1)
    assert not box_tokens(Boxes.empty(), 2, 3).any()
