"""Screening sounds judged by number, after a round trip through FLAC; and the rules for passing."""

from __future__ import annotations

from collections import Counter
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import hilbert

from savg.audio.headphone_check import (
    Audio,
    antiphase_trial,
    channel_bursts,
    huggins_trial,
    speech_noise_at,
)
from savg.audio.loudness import RATE, integrated_loudness
from savg.media.audio_file import read_audio, write_audio
from savg.mos.study.screening import (
    RULES,
    Progress,
    ScreeningAnswer,
    draw,
    make_set,
    progress,
    stages,
)

RNG = np.random.default_rng(5)


def stored(tmp_path: Path, sound: Audio) -> Audio:
    write_audio(tmp_path / "s.flac", sound, RATE)
    read, rate = read_audio(tmp_path / "s.flac")
    assert rate == RATE and read.shape == sound.shape
    return read


def intervals(sound: Audio) -> list[Audio]:
    assert sound.shape == (2, 4 * RATE)
    starts = [0, 3 * RATE // 2, 3 * RATE]
    for start in starts[:-1]:
        assert not sound[:, start + RATE : start + RATE * 3 // 2].any()
    return [sound[:, s : s + RATE] for s in starts]


def correlation_between(sound: Audio, low: float, high: float) -> complex:
    """Normalised interaural cross-spectrum of a band: 1 in phase, −1 in opposite phase."""
    left, right = np.fft.rfft(sound.astype(float), axis=1)
    hertz = np.fft.rfftfreq(sound.shape[1], 1 / RATE)
    band = (hertz >= low) & (hertz <= high)
    cross = (left[band] * right[band].conj()).sum()
    return complex(cross / np.sqrt((abs(left[band]) ** 2).sum() * (abs(right[band]) ** 2).sum()))


def level(wave: np.ndarray) -> float:
    return 10 * float(np.log10(np.mean(wave.astype(float) ** 2)))


@pytest.mark.parametrize("target", [1, 2, 3])
def test_huggins_pitch_turns_the_band_and_nothing_else(tmp_path: Path, target: int) -> None:
    for i, part in enumerate(intervals(stored(tmp_path, huggins_trial(target, RNG))), 1):
        if i != target:
            np.testing.assert_array_equal(part[0], part[1])
            continue
        inside = correlation_between(part, 568, 632)
        assert inside.real < -0.98 and abs(inside.imag) < 0.02
        for low, high in ((20, 555), (645, 20_000)):
            assert correlation_between(part, low, high).real > 0.999
        whole = np.corrcoef(part)[0, 1]
        assert whole == pytest.approx(1 - 2 * 72 / 24_000, abs=2e-3)


def test_neither_ear_alone_tells_the_huggins_interval(tmp_path: Path) -> None:
    inside, total = [], []
    for target in (1, 2, 3) * 4:
        part = intervals(stored(tmp_path, huggins_trial(target, RNG)))[target - 1]
        power = abs(np.fft.rfft(part.astype(float), axis=1)) ** 2
        inside.append(power[:, 564:637].mean(axis=1))
        total.append(power[:, 700:20_000].mean(axis=1))
    band_over_rest = 10 * np.log10(np.mean(inside, axis=0) / np.mean(total, axis=0))
    np.testing.assert_allclose(band_over_rest, 0.0, atol=0.6)
    np.testing.assert_allclose(
        10 * np.log10(np.mean(total)) - 10 * np.log10(0.01 * RATE), 0, atol=1
    )


def test_antiphase_tones_have_their_phase_level_and_frequency(tmp_path: Path) -> None:
    parts = intervals(stored(tmp_path, antiphase_trial(("opposite", "plain", "softer"))))
    middle = slice(RATE // 5, RATE * 4 // 5)
    opposite, plain, softer = (p[:, middle] for p in parts)
    assert np.corrcoef(opposite)[0, 1] == pytest.approx(-1, abs=1e-6)
    np.testing.assert_array_equal(plain[0], plain[1])
    np.testing.assert_array_equal(softer[0], softer[1])
    assert level(softer) - level(plain) == pytest.approx(-6.0, abs=0.01)
    assert level(opposite) - level(plain) == pytest.approx(0.0, abs=0.01)
    assert not (opposite[0] + opposite[1]).any()
    phase = np.unwrap(np.angle(hilbert(plain[0].astype(float))))
    turns = np.diff(phase[1000:-1000]).mean() * RATE / (2 * np.pi)
    assert turns == pytest.approx(200.0, abs=0.05)
    ramp = parts[1][0, : RATE // 10]
    assert abs(ramp[0]) < 1e-4 and np.abs(ramp[: RATE // 100]).max() < 0.01


def test_channel_sounds_are_on_their_side(tmp_path: Path) -> None:
    left, right, centre = (
        stored(tmp_path, channel_bursts(s, RNG)) for s in ("left", "right", "centre")
    )
    assert left[0].any() and not left[1].any()
    assert right[1].any() and not right[0].any()
    np.testing.assert_array_equal(centre[0], centre[1])
    assert abs(level(left[0]) - level(right[1])) < 0.5
    assert np.abs(centre).max() < 1.0


@pytest.mark.parametrize("loudness", [-30.0, -23.0])
def test_the_volume_noise_has_the_loudness_of_the_study(tmp_path: Path, loudness: float) -> None:
    noise = stored(tmp_path, speech_noise_at(RNG, loudness))
    assert integrated_loudness(noise) == pytest.approx(loudness, abs=0.05)
    np.testing.assert_array_equal(noise[0], noise[1])
    assert np.abs(noise).max() < 0.9


def test_the_set_holds_every_answer_and_draws_are_fair() -> None:
    number = count()
    sounds = [s for s, _ in make_set(1, -23.0, lambda: f"x{next(number)}")]
    assert len({s.id for s in sounds}) == len(sounds) == 25
    assert all(a.media == f"{a.id}.flac" for a in sounds)
    lone: Counter[str] = Counter()
    for seed in range(100):
        first, second = (draw(sounds, "huggins", seed, a) for a in (0, 1))
        assert Counter(s.answer for s in first) == {"1": 2, "2": 2, "3": 2}
        assert not {s.id for s in first} & {s.id for s in second}
        assert first == draw(sounds, "huggins", seed, 0)
        channels = draw(sounds, "channels", seed, 0)
        answers = Counter(s.answer for s in channels)
        assert len(channels) == 4 and answers["centre"] == 1 and len(answers) == 3
        lone.update(a for a, n in answers.items() if n == 2)
        assert len({s.id for s in draw(sounds, "antiphase", seed, 0)}) == 6
        assert len(draw(sounds, "volume", seed, 0)) == 1
    assert 30 < lone["left"] < 70
    orders = {tuple(s.answer for s in draw(sounds, "huggins", seed, 0)) for seed in range(50)}
    assert len(orders) > 25


def answers(stage: str, attempt: int, right: int) -> list[ScreeningAnswer]:
    trials = RULES[stage].trials  # type: ignore[index]
    return [ScreeningAnswer(stage, attempt, i, i < right) for i in range(trials)]  # type: ignore[arg-type]


def test_the_rules_for_passing() -> None:
    assert [r.stage for r in stages("in_person")] == ["channels", "volume", "huggins"]
    assert [r.stage for r in stages("remote")][-1] == "antiphase"
    assert progress("remote", []) == Progress("open", "channels", 0, 0)
    begun = answers("channels", 0, 4) + answers("volume", 0, 0)
    assert progress("remote", begun) == Progress("open", "huggins", 0, 0)
    assert progress("remote", [*begun, ScreeningAnswer("huggins", 0, 0, True)]).trial == 1
    five = begun + answers("huggins", 0, 5)
    assert progress("in_person", five) == Progress("open", "huggins", 1, 0)
    assert progress("in_person", five + answers("huggins", 1, 5)) == Progress("failed", "huggins")
    good = five + answers("huggins", 1, 6)
    assert progress("in_person", good) == Progress("passed")
    assert progress("remote", good) == Progress("open", "antiphase", 0, 0)
    assert progress("remote", good + answers("antiphase", 0, 5)).state == "passed"
    assert progress("remote", good + answers("antiphase", 0, 4)).state == "failed"


def test_swapped_earcups_fail() -> None:
    swapped = [ScreeningAnswer("channels", a, i, i == 3) for a in (0, 1) for i in range(4)]
    assert progress("in_person", swapped) == Progress("failed", "channels")
