"""What real microphones and rooms do to the sound of a scene."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import signal

from savg.data.scenes import World, draw_scene, split_seed
from savg.data.scenes.audio import foa_audio, stereo_audio
from savg.data.scenes.microphones import (
    IDEAL,
    Microphones,
    as_recorded,
    diffuse_tail,
)
from savg.data.scenes.scene import Scene

RATE = 16_000
REAL = replace(World.varied(), real_microphones=1.0)


def side_scene() -> Scene:
    """A scene whose one source stands well to the left."""
    for index in range(200):
        scene = draw_scene(split_seed("test", index), World.varied())
        if not scene.people[0].track.moves and scene.azimuths(0, [0.0])[0] > 30:
            return scene
    raise AssertionError("no such scene")


def level_difference(stereo: np.ndarray) -> float:
    """Left over right in dB."""
    left, right = np.mean(np.square(stereo.astype(float)), axis=1)
    return float(10 * np.log10(left / right))


def noise(channels: int = 4, seconds: float = 2.0) -> np.ndarray:
    rng = np.random.default_rng(3)
    return 0.1 * rng.standard_normal((channels, round(seconds * RATE))).astype(np.float32)


def gain_db(audio: np.ndarray, reference: np.ndarray, low: float, high: float) -> np.ndarray:
    """Level of each channel over that of the reference in a band, in dB."""
    f, power = signal.welch(audio, RATE, nperseg=4096)
    _, before = signal.welch(reference, RATE, nperseg=4096)
    band = (f >= low) & (f < high)
    return 10 * np.log10(power[:, band].sum(1) / before[:, band].sum(1))


def test_without_errors_nothing_changes() -> None:
    audio = noise()
    assert np.array_equal(as_recorded(audio, Microphones(), RATE), audio)
    # All filters at work, but with nothing to change.
    almost = replace(IDEAL, seed=5)
    assert np.allclose(as_recorded(audio, almost, RATE), audio, atol=1e-6)


def test_a_scene_of_ideal_microphones_is_that_of_the_world_without() -> None:
    scene = draw_scene(4, World.varied())
    assert scene.microphones == IDEAL
    real = draw_scene(4, REAL)
    assert real.microphones != IDEAL and replace(real, microphones=IDEAL) == scene


def test_level_differences_shrink_with_the_diffuse_sound() -> None:
    scene = side_scene()
    levels = (-60.0, 0.0, 6.0, 12.0, 18.0, 24.0)
    found = [
        level_difference(
            stereo_audio(replace(scene, microphones=Microphones(late_db=db, seed=1)), RATE)
        )
        for db in levels
    ]
    assert all(a > b for a, b in pairwise(found)), found
    assert found[0] > 6 and 0 < found[-1] < 2.5


def test_left_stays_left() -> None:
    sides, found = [], []
    for index in range(60):
        scene = draw_scene(split_seed("test", index), REAL)
        if scene.people[0].track.moves:
            continue
        sides.append(float(scene.azimuths(0, [0.0])[0]))
        stereo = stereo_audio(scene, RATE)
        # What is heard of speech and music, without rumble and hiss.
        sos = signal.butter(4, (300, 4000), "bandpass", fs=RATE, output="sos")
        found.append(level_difference(signal.sosfilt(sos, stereo)))
    side, difference = np.array(sides), np.array(found)
    wide = np.abs(side) > 15
    assert wide.sum() > 20 and np.mean(np.sign(side[wide]) == np.sign(difference[wide])) > 0.9
    assert 0.05 < np.polyfit(side, difference, 1)[0] < 0.25, "dB a degree"


def test_the_same_seed_is_the_same_sound_and_another_is_not() -> None:
    one, two = (stereo_audio(draw_scene(9, REAL), RATE) for _ in range(2))
    assert np.array_equal(one, two)
    assert Microphones.draw(np.random.default_rng(1)) == Microphones.draw(np.random.default_rng(1))
    assert Microphones.draw(np.random.default_rng(1)) != Microphones.draw(np.random.default_rng(2))


def test_two_channels_are_the_first_of_four() -> None:
    scene = draw_scene(12, REAL)
    foa = foa_audio(scene, RATE)
    stereo = stereo_audio(scene, RATE)
    both = np.stack([foa[0] + foa[1], foa[0] - foa[1]])
    loudest = np.abs(both).max()
    assert np.corrcoef(both.ravel(), stereo.ravel())[0, 1] > 0.98
    assert np.isfinite(foa).all() and 0 < loudest < 20 and np.abs(stereo).max() <= 0.9501


def test_bass_and_aliasing_take_the_directional_channels_alone() -> None:
    audio = noise()
    out = as_recorded(audio, Microphones(bass=200.0, aliasing=4000.0), RATE)
    low, middle, high = (
        gain_db(out, audio, *band) for band in ((40, 60), (800, 1200), (7000, 7900))
    )
    # 6 dB an octave: 50 Hz is two octaves below 200 Hz.
    assert low[1:] == pytest.approx([-12.3] * 3, abs=1.0) and abs(low[0]) < 0.3
    assert np.abs(middle).max() < 0.5
    assert high[1:] == pytest.approx([-6.4] * 3, abs=1.0) and abs(high[0]) < 0.3


def test_gains_delays_tilt_and_high_pass_are_what_they_are_called() -> None:
    audio = noise()
    out = as_recorded(
        audio, Microphones(gains_db=(1.0, -2.0, 0.0, 3.0), delays_us=(0, 62.5, 0, 0)), RATE
    )
    assert gain_db(out, audio, 300, 6000) == pytest.approx([1, -2, 0, 3], abs=0.05)
    # 62.5 µs are one sample.
    assert np.corrcoef(out[1, 1:], audio[1, :-1])[0, 1] > 0.999
    tilted = as_recorded(audio, Microphones(tilt=-3.0), RATE)
    fall = gain_db(tilted, audio, 3900, 4100) - gain_db(tilted, audio, 980, 1020)
    assert fall == pytest.approx([-6.0] * 4, abs=0.3)
    cut = as_recorded(audio, Microphones(high_pass=200.0), RATE)
    assert gain_db(cut, audio, 195, 205) == pytest.approx([-3.0] * 4, abs=0.6)
    assert (gain_db(cut, audio, 40, 60) < -20).all()


def test_ambience_has_its_level_and_is_diffuse() -> None:
    silence = np.zeros((4, 10 * RATE), np.float32)
    for quiet in (Microphones(noise_db=-50.0, seed=2), Microphones(fan_db=-50.0, seed=2)):
        out = as_recorded(silence, quiet, RATE).astype(float)
        rms = 10 * np.log10(np.mean(np.square(out), axis=1))
        assert rms[0] == pytest.approx(-50, abs=1.5)
        assert rms[1:] == pytest.approx([-54.8] * 3, abs=1.6)
        assert np.abs(np.corrcoef(out) - np.eye(4)).max() < 0.3
    hum = as_recorded(silence, Microphones(hum_db=-40.0, mains=60.0, seed=2), RATE)[0]
    f, power = signal.welch(hum, RATE, nperseg=16_000)
    assert set(f[np.argsort(power)[-6:]] // 59) <= {1, 2, 3, 4, 5, 6}
    assert 20 * np.log10(np.std(hum)) == pytest.approx(-40, abs=0.5)


def test_the_tail_is_diffuse_and_decays_in_its_time() -> None:
    tail = diffuse_tail(Microphones(reverberation=2.0, seed=7), 0.4, RATE).astype(float)
    energy = np.square(tail).sum(1)
    assert energy[0] == pytest.approx(1, abs=1e-4)
    assert energy[1:] == pytest.approx([1 / 3] * 3, rel=0.15)
    assert np.abs(np.corrcoef(tail) - np.eye(4)).max() < 0.1
    rest = 10 * np.log10(np.cumsum(np.square(tail[0])[::-1])[::-1])
    times = np.arange(len(rest)) / RATE
    part = (times > 0.05) & (times < 0.35)
    assert -60 / np.polyfit(times[part], rest[part], 1)[0] == pytest.approx(0.8, rel=0.12)
    damped = diffuse_tail(Microphones(reverberation=2.0, damping=0.4, seed=7), 0.4, RATE)
    late = slice(round(0.25 * RATE), None)
    highs, lows = (
        gain_db(damped[:, late], tail[:, late], *band).mean() for band in ((4000, 7000), (200, 800))
    )
    assert highs < lows - 6


def test_a_tilted_tail_has_more_lows_and_the_same_energy() -> None:
    flat, tilted = (
        diffuse_tail(Microphones(seed=7, late_tilt=tilt), 0.5, RATE).astype(float)
        for tilt in (0.0, -2.0)
    )
    assert np.square(tilted[0]).sum() == pytest.approx(np.square(flat[0]).sum(), rel=1e-4)
    low, high = (gain_db(tilted, flat, f / 1.2, f * 1.2).mean() for f in (250, 4000))
    # Four octaves from 250 Hz to 4 kHz.
    assert low - high == pytest.approx(8.0, abs=1.5)


def test_rustle_is_high_has_its_level_and_a_direction() -> None:
    silence = np.zeros((4, 8 * RATE), np.float32)
    shares, highs, directions = [], [], []
    for seed in range(8):
        out = as_recorded(silence, Microphones(rustle_db=-40.0, seed=seed), RATE).astype(float)
        assert 20 * np.log10(np.std(out[0])) == pytest.approx(-40, abs=1.5)
        w, y, _, x = out
        intensity = np.array([w @ x, w @ y]) / (w @ w)
        shares.append(np.linalg.norm(intensity))
        directions.append(np.rad2deg(np.arctan2(intensity[1], intensity[0])))
        f, power = signal.welch(w, RATE, nperseg=1024)
        highs.append(power[f > 2000].mean() / power[(f > 20) & (f < 200)].mean())
    # Half of it is diffuse; a source that walks or stands high or low has less level in x and y.
    assert all(0.1 < share < 0.6 for share in shares), shares
    assert min(highs) > 30, highs
    assert np.ptp(directions) > 90, directions


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reverberation": 0.0}, "reverberation must be > 0, got 0"),
        ({"damping": -1.0}, "damping must be > 0, got -1"),
        ({"bass": -5.0}, "bass must be ≥ 0, got -5"),
        ({"gains_db": (1.0, 2.0)}, "gains_db must have 4 values, got 2"),
    ],
)
def test_impossible_microphones_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Microphones(**change)
