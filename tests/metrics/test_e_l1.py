"""E-L1: closed forms of the envelope, its chance baselines, clips that do not pair."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from savg.annotation import Boxes, SoundEvents
from savg.audio.envelope import rms_envelope
from savg.format import ClipFormat
from savg.metrics.base import Item, NeedError, Observation, Reference
from savg.metrics.e_l1 import EL1, FEATURE, e_l1


def item(name: str, envelope: np.ndarray, rate: int = 44_100) -> Item:
    observation = Observation(
        SoundEvents.empty(),
        Boxes.empty(),
        ClipFormat(sample_rate=rate),
        features={FEATURE: np.asarray(envelope, np.float32)},
    )
    return Item(name, observation)


def result(items: dict[str, np.ndarray], reference: dict[str, np.ndarray]):
    metric = EL1(Reference({name: {FEATURE: value} for name, value in reference.items()}))
    for name, envelope in items.items():
        metric.update(item(name, envelope))
    return metric.compute()


@pytest.mark.parametrize("samples", [128, 129, 500, 4096, 80_000])
def test_the_envelope_is_a_moving_mean_of_squares(samples: int) -> None:
    audio = np.random.default_rng(0).normal(0, 0.2, (2, samples)).astype(np.float32)
    padded = np.pad(audio, ((0, 0), (192, 192)), mode="reflect")
    squares = padded.astype(np.float64) ** 2
    means = scipy.signal.convolve(squares, np.full((1, 512), 1 / 512), "valid", "fft")
    envelope = rms_envelope(audio)
    assert envelope.shape == (2, samples // 128)
    np.testing.assert_allclose(envelope, np.sqrt(means[:, ::128]), rtol=1e-5)


def test_the_envelope_of_plain_signals() -> None:
    constant = np.array([[0.25], [-0.5]]) * np.ones(2048)
    np.testing.assert_allclose(rms_envelope(constant), [[0.25] * 16, [0.5] * 16])
    step = np.zeros((1, 4096))
    step[:, 2048:] = 1.0
    rising = rms_envelope(step)[0]
    np.testing.assert_allclose(rising[13:19] ** 2, [0, 0.125, 0.375, 0.625, 0.875, 1], atol=1e-7)
    assert rms_envelope(np.ones((2, 127))).shape == (2, 0)
    with pytest.raises(ValueError, match="window must be ≥ hop ≥ 1 by an even number"):
        rms_envelope(constant, window=100, hop=128)


def test_the_difference_of_each_channel() -> None:
    envelope = np.array([[1.0, 2.0, 3.0, 9.0], [0.0, 0.0, 0.0, 9.0]])
    reference = np.array([[1.0, 1.0, 1.0], [0.5, 0.5, 0.5]])
    assert e_l1(envelope, reference).tolist() == [1.0, 0.5]
    assert e_l1(reference, envelope).tolist() == [1.0, 0.5]
    for other in (np.zeros((2, 0)), np.zeros((1, 3))):
        with pytest.raises(
            ValueError, match=r"as many channels and a frame at least, got \[2, 4\]"
        ):
            e_l1(envelope, other)


def test_channels_baselines_and_the_interval() -> None:
    left = np.array([[1.0] * 4, [0.0] * 4])
    both = result({"a": left, "b": left}, {"a": left[::-1], "b": left})
    assert both.value == 0.5 and both.n == 2
    assert both.nulls == {"swapped": 0.5, "silence": 0.5, "shuffled": 0.5}
    counts = {"left": 0.5, "right": 0.5, "unpaired": 0, "cut": 0, "sample_rate": 44_100}
    (doubt,) = both.notes["warnings"]  # no better than silence, though the clips are as loud
    assert "0.0000…1.0000 does not lie below the chance baseline 'silence', 0.5000." in doubt
    assert both.notes == {**counts, "warnings": [doubt]}
    near = result({"a": left, "b": 0.9 * left[::-1]}, {"a": left, "b": left[::-1]})
    assert "warnings" not in near.notes and near.nulls["silence"] == 0.5
    equal = np.ones((2, 4))  # whose channels swap without a change
    assert "warnings" not in result({"a": equal}, {"a": 0.9 * equal}).notes
    assert (both.low, both.high) == (0.0, 1.0)
    one = result({"a": left}, {"a": 0.5 * left, "b": left})
    assert one.value == 0.25 and one.notes["left"] == 0.5 and one.notes["right"] == 0.0
    assert one.nulls == {"swapped": 0.75, "silence": 0.25, "shuffled": None} and one.low is None


def test_clips_without_a_pair_are_counted_and_longer_ones_cut() -> None:
    flat = np.ones((2, 4))
    some = result({"a": flat, "b": flat[:, :2], "c": flat}, {"a": flat, "b": 0 * flat})
    assert some.value == 0.5 and some.n == 2
    assert some.notes["unpaired"] == 1 and some.notes["cut"] == 1
    assert "uninformative" in some.notes["warnings"][0]
    assert some.notes["warnings"][1:] == [
        "1 of 2 pairs differ in length: the end of the longer clip was left out.",
        "1 of 3 clips have no reference clip of the same name and are left out.",
    ]
    for none in (result({"a": flat}, {"z": flat}), result({"a": flat[:, :0]}, {"a": flat})):
        assert none.value is None and "no reference" not in none.notes and none.n == 0
        assert none.notes["reason"].startswith("No clip has a reference clip of the same name")
    with pytest.raises(NeedError, match="E-L1 needs a reference set"):
        EL1()


def test_another_rate_than_the_published_one_is_said() -> None:
    metric = EL1(Reference({"a": {FEATURE: np.ones((2, 3))}}))
    metric.update(item("a", np.ones((2, 3)), 16_000))
    (sentence,) = metric.compute().notes["warnings"]
    assert sentence == (
        "Windows of 512 samples at 16000 Hz are not those of the published values at 44100 Hz."
    )
