"""DeSync and audio-visual similarity: closed forms, clips too short, baselines and warnings."""

from __future__ import annotations

import numpy as np
import pytest

from savg.annotation import Boxes, SoundEvents
from savg.format import SAVGBENCH, ClipFormat
from savg.metrics.base import Item, Observation
from savg.metrics.desync import Desync, uniform_desync
from savg.metrics.ib_style import CAUTION, IbStyle, cosines


def item(name: str, feature: str, values: object, format: ClipFormat = SAVGBENCH) -> Item:
    features = {feature: np.asarray(values, np.float32)}
    return Item(name, Observation(SoundEvents.empty(), Boxes.empty(), format, features=features))


def desync(*offsets: object, fps: int = 25):
    metric = Desync()
    for index, values in enumerate(offsets):
        metric.update(item(str(index), "synchformer_offsets", values, ClipFormat(fps=fps)))
    return metric.compute()


def similarity(*means: object):
    metric = IbStyle()
    for index, values in enumerate(means):
        metric.update(item(str(index), "synchformer_means", values))
    return metric.compute()


def test_desync_by_hand() -> None:
    result = desync([[0.2, -0.6], [2.0, 1.0]], [[0.0], [-1.0]])
    assert result.value == pytest.approx((0.4 + 0.0) / 2) and result.n == 2
    assert result.notes["offset"] == pytest.approx((-0.2 + 0.0) / 2)
    assert result.nulls["shifted"] == pytest.approx((1.5 + 1.0) / 2)
    assert result.nulls["uniform"] == uniform_desync() == pytest.approx(2 * 11 / 21)
    assert "warnings" not in result.notes
    assert (result.low, result.high) == pytest.approx((0.0, 0.4))


def test_desync_says_what_is_wrong_with_it() -> None:
    result = desync([[1.4], [1.2]], np.zeros((2, 0)), fps=4)
    assert result.n == 1 and result.notes["too_short"] == 1
    assert [text.split(" value")[0].split(":")[0] for text in result.notes["warnings"]] == [
        "This result is uninformative",
        "Frames at 4 fps were repeated for a network of 25 fps",
        "1 of 2 clips are below 4.8 s and left out.",
    ]
    none = desync(np.zeros((2, 0)))
    assert none.value is None and none.notes["too_short"] == 1
    assert Desync.cells(item("a", "synchformer_offsets", [[0.2, -0.6], [2.0, 1.0]])) == {
        "desync_s": pytest.approx(0.4), "offset_s": pytest.approx(-0.2)
    }  # fmt: skip
    assert Desync.cells(item("a", "synchformer_offsets", np.zeros((2, 0))))["desync_s"] is None


def test_similarity_by_hand() -> None:
    x, y = [1.0, 0.0], [0.0, 2.0]
    result = similarity([x, x], [y, [1.0, 1.0]])
    assert result.value == pytest.approx((1 + 0.5**0.5) / 2)
    assert result.nulls["shuffled"] == pytest.approx((0.5**0.5 + 0.0) / 2)
    assert result.notes["retrieval"] == 1.0 and result.notes["retrieval_chance"] == 0.5
    assert result.notes["warnings"] == [CAUTION]
    crossed = similarity([x, y], [y, x])
    assert crossed.value == 0.0 and crossed.nulls["shuffled"] == 1.0
    assert crossed.notes["retrieval"] == 0.0 and len(crossed.notes["warnings"]) == 2


def test_ties_count_as_what_a_guess_among_them_gives() -> None:
    x, y = [1.0, 0.0], [0.0, 2.0]
    assert similarity([x, x], [x, x], [y, y]).notes["retrieval"] == pytest.approx(
        (0.5 + 0.5 + 1) / 3
    )
    silent = similarity(*[[x, [0.0, 0.0]]] * 4)  # nothing is told apart: chance
    assert silent.notes["retrieval"] == silent.notes["retrieval_chance"] == 0.25


def test_similarity_of_few_and_of_short_clips() -> None:
    one = similarity([[3.0, 4.0], [3.0, 4.0]], np.zeros((2, 0)))
    assert one.value == pytest.approx(1.0) and one.n == 1 and one.notes["too_short"] == 1
    assert one.nulls == {"shuffled": None} and "retrieval" not in one.notes
    assert similarity(np.zeros((2, 0))).value is None
    silent = item("a", "synchformer_means", np.zeros((2, 5)))
    assert IbStyle.cells(silent) == {"av_similarity": 0.0}
    assert IbStyle.cells(item("a", "synchformer_means", np.zeros((2, 0)))) == {
        "av_similarity": None
    }
    assert cosines(np.array([[1.0, 2.0]]), np.array([[2.0, 4.0], [-2.0, 1.0]])) == pytest.approx(
        np.array([[1.0, 0.0]])
    )
