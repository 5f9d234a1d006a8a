"""Distances between sets of clips: views of the audio, windows, warnings, chance, what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pytest

from savg.annotation import Boxes, SoundEvents
from savg.clip import Clip
from savg.features.base import views
from savg.format import SAVGBENCH
from savg.metrics.audio_distances import (
    FadAudioClip,
    FadSeld,
    FadVggish,
    KadAudioClip,
    KadVggish,
    silent_views,
)
from savg.metrics.base import Item, MetricResult, NeedError, Observation, Reference
from savg.metrics.distribution import DistributionMetric
from savg.metrics.favd import Favd
from savg.metrics.feature_sets import FeatureError, FeatureSet, rotated
from savg.metrics.frechet import frechet_distance
from savg.metrics.jackknife import distance_difference
from savg.metrics.kernel_distances import polynomial_mmd
from savg.metrics.video_distances import Fvd, FvdYolox, Kvd

Arrays = Mapping[str, np.ndarray]


def result_of(
    metric: type[DistributionMetric], generated: Arrays, reference: Arrays
) -> MetricResult:
    """A metric of clips whose one feature is that of its first backbone."""
    name = metric.backbones[0]
    sound = {feature: np.zeros(4, bool) for feature in metric.features}  # no view is silent
    filled = metric(Reference({clip: {name: array, **sound} for clip, array in reference.items()}))
    for clip, array in generated.items():
        observed = Observation(SoundEvents.empty(), Boxes.empty(), features={name: array, **sound})
        filled.update(Item(clip, observed))
    result = filled.compute()
    json.dumps(result.to_json(), allow_nan=False)
    return result


def drawn(
    seed: int, clips: int, shape: tuple[int, ...], shift: float = 0.0
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    arrays = rng.normal(shift, 1, (clips, *shape)).astype(np.float32)
    return {f"clip {index:03d}": array for index, array in enumerate(arrays)}


def stereo(seed: int, clips: int, gains: tuple[float, float]) -> list[np.ndarray]:
    """Noise in both channels, with gains that vary from clip to clip, the same part in both."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(clips, 1, 800)) * rng.uniform(0.5, 1.5, (clips, 1, 1))
    own = 0.3 * rng.normal(size=(clips, 2, 800))
    return list((np.array(gains)[:, None] * common + own).astype(np.float32))


def heard(audio: np.ndarray) -> np.ndarray:
    """A mono network that hears each view: log energies of eight bands of frequency, [4, 1, 8]."""
    spectra = np.abs(np.fft.rfft(views(audio), axis=1)[:, 1:]) ** 2
    return np.log(spectra.reshape(4, 8, -1).sum(axis=2) + 1e-3)[:, None]


def of_audio(clips: list[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"clip {index:03d}": heard(audio) for index, audio in enumerate(clips)}


def test_a_mono_network_cannot_hear_swapped_channels_but_left_and_right_can() -> None:
    """Nor can the side of a network that hears energies: its sign is all that changes."""
    clips = stereo(0, 30, (1.0, 0.25))
    swapped = [np.ascontiguousarray(audio[::-1]) for audio in clips]
    result = result_of(FadVggish, of_audio(swapped), of_audio(clips))
    seen = {name: view["value"] for name, view in result.notes["views"].items()}
    assert result.value == seen["mid"] == pytest.approx(0, abs=1e-6)
    assert seen["side"] == pytest.approx(0, abs=1e-6)
    assert seen["left"] > 1 and seen["right"] > 1


def test_the_side_hears_lost_stereo_that_the_middle_hardly_does() -> None:
    clips = stereo(1, 30, (1.0, 0.25))
    mono = [np.repeat(audio.mean(axis=0, keepdims=True), 2, axis=0) for audio in clips]
    for metric in (FadVggish, KadVggish):
        found = result_of(metric, of_audio(mono), of_audio(clips)).notes["views"]
        assert abs(found["mid"]["value"]) < 0.05 * found["side"]["value"]


def test_windows_are_pooled_and_clips_are_counted() -> None:
    x, y = drawn(0, 12, (4, 3, 5), 0.5), drawn(1, 10, (4, 3, 5))
    result = result_of(FadVggish, x, y)
    rows = [np.concatenate([array[2] for array in clips.values()]) for clips in (x, y)]
    assert result.value == pytest.approx(frechet_distance(*rows))
    assert (result.n, result.notes["reference_n"], result.notes["dimensions"]) == (12, 10, 5)
    assert result.notes["windows"] == {"generated": 36, "reference": 30}
    assert result.notes["rank"] == {"generated": 5, "reference": 5}
    for index, name in enumerate(("left", "right", "mid", "side")):
        rows = [np.concatenate([array[index] for array in clips.values()]) for clips in (x, y)]
        view = result.notes["views"][name]
        assert view["value"] == pytest.approx(frechet_distance(*rows))
        assert view["low"] < view["value"] < view["high"]


def test_one_view_is_the_value_and_official_numbers_are_scaled() -> None:
    x, y = drawn(0, 12, (1, 2, 4), 0.5), drawn(1, 10, (1, 2, 4))
    rows = [np.concatenate([array[0] for array in clips.values()]) for clips in (x, y)]
    result, plain = result_of(FadAudioClip, x, y), result_of(FadVggish, x, y)
    assert "views" not in result.notes and result.notes["scale"] == 1000
    assert result.value == pytest.approx(1000 * frechet_distance(*rows))
    assert plain.low is not None and plain.high is not None
    assert (result.low, result.high) == pytest.approx((1000 * plain.low, 1000 * plain.high))
    for null in ("reference_split", "permuted"):
        assert result.nulls[null] == pytest.approx(1000 * plain.notes[null]["mean"])
    assert result.notes["infinite"]["value"] == pytest.approx(
        1000 * plain.notes["infinite"]["value"]
    )
    assert result.notes["infinite"]["points"][-1] == [12, pytest.approx(result.value)]
    assert result.notes["bias"] == pytest.approx(1000 * plain.notes["bias"])


def test_warnings_follow_the_numbers_of_clips_and_of_dimensions() -> None:
    def warnings(n: int, d: int, shift: float) -> str:
        x, y = drawn(0, n, (1, d), shift), drawn(1, n, (1, d))
        return " ".join(result_of(FvdYolox, x, y).notes["warnings"])

    singular = "40 generated and 40 reference feature vectors leave covariances of 50"
    assert singular in warnings(40, 50, 1)
    assert warnings(200, 4, 1.5) == ""
    few = warnings(12, 4, 0.0)
    assert "Only 12 generated clips" in few and "Only 12 reference clips" in few
    assert "No difference between the sets is shown" in few
    assert "% of the value comes of the number of clips" in few
    assert "No difference" not in warnings(12, 4, 2.0)


def test_copies_and_clips_without_a_window_are_counted() -> None:
    x, y = drawn(0, 32, (2, 3)), drawn(1, 31, (2, 3))
    x["clip 001"] = x["clip 000"]
    x["clip 002"], x["clip 003"] = y["clip 000"], y["clip 004"]
    y["clip 005"] = np.zeros((0, 3), np.float32)
    result = result_of(Kvd, x, y)
    assert result.notes["warnings"][:3] == [
        "Equal to another clip in all features: 1 generated clip.",
        "Left out for want of features: 1 reference clip.",
        "Equal to a reference clip in all features: 2 generated clips.",
    ]
    assert (result.n, result.notes["reference_n"]) == (32, 30)


def test_small_features_say_what_the_published_floor_does() -> None:
    x = {k: 1e-4 * a for k, a in drawn(0, 20, (1, 6)).items()}
    y = {k: 1e-4 * a for k, a in drawn(1, 20, (1, 6)).items()}
    result = result_of(Fvd, x, y)
    assert any("with all of them rooted" in warning for warning in result.notes["warnings"])
    rows = [np.concatenate(list(clips.values())) for clips in (x, y)]
    assert result.notes["all_rooted"] == pytest.approx(frechet_distance(*rows, floor=0.0))


def test_a_stand_in_says_so() -> None:
    result = result_of(FadSeld, drawn(0, 8, (1, 2, 3)), drawn(1, 8, (1, 2, 3)))
    assert result.notes["stand_in"] is True
    for metric in (FvdYolox, FadSeld):
        assert "stand-in" in metric.label and not {"FVD", "FAD"} & set(metric.label.split())


def test_a_sample_of_the_same_distribution_is_seldom_told_apart() -> None:
    p = [
        result_of(metric, drawn(s, 10, (1, 12)), drawn(100 + s, 14, (1, 12))).notes["permuted"]["p"]
        for s in range(15)
        for metric in (FvdYolox, Kvd)
    ]
    assert np.mean(np.array(p) <= 0.05) < 0.2 and 0.3 < np.mean(p) < 0.7
    apart = result_of(Kvd, drawn(0, 10, (1, 12), 0.8), drawn(1, 14, (1, 12)))
    assert apart.notes["permuted"]["p"] == 0.01
    assert apart.nulls["permuted"] == pytest.approx(0, abs=0.2 * (apart.value or 0))


def test_the_split_takes_as_many_clips_as_were_generated_where_it_can() -> None:
    x, y = drawn(0, 5, (1, 3)), drawn(1, 30, (1, 3))
    assert result_of(Kvd, x, y).notes["reference_split"]["clips"] == [5, 25]
    assert result_of(Kvd, y, x).notes["reference_split"]["clips"] == [2, 3]


def test_few_clips_have_a_value_without_an_interval() -> None:
    x, y = drawn(0, 3, (1, 2)), drawn(1, 9, (1, 2))
    for metric, formula in ((Fvd, frechet_distance), (Kvd, polynomial_mmd)):
        result = result_of(metric, x, y)
        expected = formula(*(np.concatenate(list(clips.values())) for clips in (x, y)))
        assert result.value == pytest.approx(expected)
        assert (result.low, result.high, result.nulls["permuted"]) == (None, None, None)
        assert result.nulls["reference_split"] is not None


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        (drawn(0, 1, (1, 3)), drawn(1, 5, (1, 3)), "need at least 2 generated clips, got 1."),
        (drawn(0, 5, (1, 3)), {}, "need at least 2 reference clips, got 0."),
        (drawn(0, 5, (1, 3)), drawn(1, 5, (1, 2)), "got 1 views of 3 values and 1 of 2."),
        (drawn(0, 5, (4, 1, 3)), drawn(1, 5, (1, 3)), "got 4 views of 3 values and 1 of 3."),
        (
            {**drawn(0, 5, (1, 3)), "bad": np.array([[np.nan, 1, 2]])},
            drawn(1, 5, (1, 3)),
            "must be finite, got NaN, infinity or more than 1e+30 in 'bad'.",
        ),
        (
            {**drawn(0, 5, (1, 3)), "huge": np.full((1, 3), 1e200)},
            drawn(1, 5, (1, 3)),
            "got NaN, infinity or more than 1e+30 in 'huge'.",
        ),
        (
            {**drawn(0, 5, (1, 3)), "odd": np.zeros((1, 2))},
            drawn(1, 5, (1, 3)),
            "one form: [1, 1, 3] of 'clip 000', got [1, 1, 2] of 'odd'.",
        ),
        (drawn(0, 5, (3,)), drawn(1, 5, (3,)), "got [3] of 'clip 000'."),
    ],
)
def test_what_cannot_be_compared_is_named(x: Arrays, y: Arrays, reason: str) -> None:
    result = result_of(Fvd, x, y)
    assert result.value is None and str(result.notes["reason"]).endswith(reason)


def test_equal_reference_clips_have_no_kernel_width() -> None:
    y = {f"clip {i}": np.ones((1, 1, 3)) for i in range(5)}
    result = result_of(KadVggish, drawn(0, 5, (1, 1, 3)), y)
    assert result.value is None and "reference clips must differ" in result.notes["reason"]
    side = {clip: np.concatenate([a, a, a, 0 * a]) for clip, a in drawn(1, 5, (1, 1, 3)).items()}
    views_of = result_of(KadVggish, drawn(0, 5, (4, 1, 3)), side).notes["views"]
    assert views_of["side"] == {"value": None, "low": None, "high": None}


@pytest.mark.parametrize("metric", [FvdYolox, Kvd])
def test_runs_of_the_same_seeds_are_compared_more_closely(metric: type[DistributionMetric]) -> None:
    x, y = drawn(0, 40, (1, 5), 0.3), drawn(1, 40, (1, 5))
    worse = {clip: 1.2 * array + 0.1 for clip, array in x.items()}
    first, second = result_of(metric, worse, y), result_of(metric, x, y)
    paired, apart = (distance_difference(first, second, same_clips=s) for s in (True, False))
    assert paired is not None and apart is not None and first.low is not None
    assert first.value is not None and second.value is not None
    assert paired.low > 0 and paired.value == first.value - second.value
    assert paired.high - paired.low < 0.8 * (apart.high - apart.low)
    assert sum(first.notes["left_out"]["generated"]) / 40 == pytest.approx(first.value, rel=0.1)


def test_favd_joins_what_is_seen_and_heard_in_one_clip() -> None:
    rng = np.random.default_rng(0)

    def clip() -> dict[str, np.ndarray]:
        return {"i3d": rng.normal(size=(2, 3)), "vggish": rng.normal(size=(4, 5, 2))}

    generated, reference = [clip() for _ in range(9)], [clip() for _ in range(8)]
    metric = Favd(Reference({f"r{i}": features for i, features in enumerate(reference)}))
    for index, features in enumerate(generated):
        observed = Observation(SoundEvents.empty(), Boxes.empty(), features=features)
        metric.update(Item(str(index), observed))
    rows = [
        np.array([[*c["i3d"].mean(0), *c["vggish"][2].mean(0)] for c in clips])
        for clips in (generated, reference)
    ]
    result = metric.compute()
    assert result.value == pytest.approx(frechet_distance(*rows))
    assert result.notes["dimensions"] == 5 and set(result.notes["views"]) >= {"left", "side"}
    with pytest.raises(NeedError, match="FAVD needs the feature 'vggish' of bare"):
        bare = Observation(SoundEvents.empty(), Boxes.empty(), features={"i3d": np.zeros((1, 3))})
        metric.update(Item("bare", bare))


def test_feature_sets_check_themselves() -> None:
    with pytest.raises(FeatureError, match="rows must be the 3 windows of the clips, got 2"):
        FeatureSet(np.zeros((2, 4)), np.array([1, 2]))
    with pytest.raises(FeatureError, match="at least one window"):
        FeatureSet(np.zeros((2, 4)), np.array([2, 0]))
    with pytest.raises(FeatureError, match="must be finite"):
        FeatureSet(np.full((2, 4), np.inf), np.array([1, 1]))
    with pytest.raises(FeatureError, match=r"\[windows, dimensions\], got \(4,\)"):
        FeatureSet(np.zeros(4), np.array([4]))


def test_rotated_sets_keep_their_distances() -> None:
    rng = np.random.default_rng(0)
    x, y = (FeatureSet.of_rows(rng.normal(size=(n, 30))) for n in (4, 6))
    a, b = rotated(x, y)
    assert a.dimensions == 10
    assert a.rows @ b.rows.T == pytest.approx(x.rows @ y.rows.T)
    assert rotated(a, b) == (a, b)


def test_exact_silence_is_told_where_decibels_have_no_floor() -> None:
    arrays = {"audioclip": drawn(0, 6, (4, 1, 3)), "vggish": drawn(0, 6, (4, 1, 3))}
    silent = np.array([False, True, False, False])
    assert silent_views(Clip(*_one_sided())).tolist() == silent.tolist()
    for metric, told in ((FadAudioClip, True), (KadAudioClip, True), (FadVggish, False)):
        (name,) = metric.backbones
        sets = [
            {
                clip: {name: array, "silent_views": silent & (index < count)}
                for index, (clip, array) in enumerate(arrays[name].items())
            }
            for count in (2, 0)
        ]
        filled = metric(Reference(sets[1]))
        for clip, features in sets[0].items():
            observed = Observation(SoundEvents.empty(), Boxes.empty(), features=features)
            filled.update(Item(clip, observed))
        said = [s for s in filled.compute().notes["warnings"] if "silent" in s]
        assert len(said) == told
        if told:
            assert "of the generated clips: right of 2." in said[0] and "−180 dB" in said[0]


def _one_sided() -> tuple[np.ndarray, np.ndarray]:
    format = SAVGBENCH
    video = np.zeros((format.frames, format.size, format.size, 3), np.uint8)
    audio = np.zeros((2, format.samples), np.float32)
    audio[0, 5] = 0.5
    return video, audio
