"""Room acoustics of takes: directions, channel order and signs, decay, paths."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from scene_takes import one_person

from savg.data.scenes.reverberation import (
    ELSEWHERE,
    foa_response,
    image_sources,
    require_acoustics,
    room_audio,
    source_at_camera,
)
from savg.data.scenes.room import Room, make_room
from savg.data.scenes.scene import Scene, Sound, Track
from savg.errors import SavgError

RATE = 24_000
ROOM = make_room(1000, 4)


def thing(azimuth: float, height: float = 0.0, distance: float = 1.5) -> tuple[Scene, Sound]:
    a = np.deg2rad(azimuth)
    track = Track((0.0,), (distance * np.cos(a),), (distance * np.sin(a),))
    sound = Sound(-1, 10, span=(1.0, 2.0), track=track, height=height)
    return replace(one_person(0.0, 4.0), sounds=(sound,), people=()), sound


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(round(seconds * RATE)).astype(np.float32)


def direction(foa: np.ndarray) -> tuple[float, float]:
    """Azimuth and elevation of the acoustic intensity: the mean of W times (X, Y, Z)."""
    w, y, z, x = foa.astype(float)
    i, j, k = (float(np.mean(w * c)) for c in (x, y, z))
    return float(np.rad2deg(np.arctan2(j, i))), float(np.rad2deg(np.arctan2(k, np.hypot(i, j))))


@pytest.mark.parametrize("azimuth", [0.0, 33.0, 90.0, -120.0, 179.0])
@pytest.mark.parametrize("height", [0.0, 0.7, -0.9])
def test_the_direct_sound_comes_from_the_source(azimuth: float, height: float) -> None:
    scene, sound = thing(azimuth, height)
    foa = source_at_camera(scene, sound, noise(1.0), RATE, reflections=False)
    assert foa.shape == (4, RATE)
    measured = direction(foa)
    assert abs((measured[0] - azimuth + 180) % 360 - 180) < 1
    assert measured[1] == pytest.approx(np.rad2deg(np.arctan2(height, 1.5)), abs=1)


def test_channels_are_w_y_z_x_with_y_to_the_left_and_sn3d() -> None:
    source = noise(0.2)
    for azimuth, height, expected in (
        (0.0, 0.0, (1, 0, 0, 1)),
        (90.0, 0.0, (1, 1, 0, 0)),
        (-90.0, 0.0, (1, -1, 0, 0)),
        (180.0, 0.0, (1, 0, 0, -1)),
        (0.0, 150.0, (1, 0, 1, 0)),
    ):
        scene, sound = thing(azimuth, height)
        foa = source_at_camera(scene, sound, source, RATE, reflections=False)
        share = foa @ source / (foa[0] @ source)
        assert share == pytest.approx(expected, abs=0.02)


def test_level_follows_distance() -> None:
    levels = []
    for distance in (1.0, 2.0, 3.0):
        scene, sound = thing(40.0, 0.0, distance)
        foa = source_at_camera(scene, sound, noise(0.5), RATE, reflections=False)
        levels.append(float(np.sqrt(np.mean(np.square(foa[0])))))
    assert levels[0] / levels[1] == pytest.approx(2.0, rel=1e-3)
    assert levels[1] == pytest.approx(1.0, rel=0.03)
    assert levels[0] / levels[2] == pytest.approx(3.0, rel=1e-3)


def test_first_reflections_are_mirror_images() -> None:
    """Computed by hand: each wall mirrors the source, farther and from another side."""
    point = np.array([1.2, -0.8, 0.3])
    images, gains, orders = image_sources(ROOM, tuple(point))
    assert images[orders == 0] == pytest.approx(point[None], abs=1e-6)
    assert gains[orders == 0] == pytest.approx(1.0)
    walls = ((-ROOM.back, ROOM.front), (-ROOM.right, ROOM.left))
    walls += ((-ROOM.eye, ROOM.height - ROOM.eye),)
    first = images[orders == 1]
    assert len(first) == 6
    response = foa_response(ROOM, tuple(point), RATE)
    for axis, pair in enumerate(walls):
        for wall in pair:
            image = point.copy()
            image[axis] = 2 * wall - point[axis]
            gap = np.linalg.norm(first - image, axis=1)
            assert gap.min() < 1e-3
            distance = np.linalg.norm(image)
            sample = round((distance - np.linalg.norm(point)) / 343.0 * RATE)
            level = ELSEWHERE * float(gains[orders == 1][gap.argmin()]) * 2.0 / distance
            toward = image / distance
            near = response[:, sample - 1 : sample + 2]
            expected = level * np.array([1.0, toward[1], toward[2], toward[0]])
            measured = near[:, np.abs(near[0] - level).argmin()]
            assert measured == pytest.approx(expected, abs=0.35 * level)


@pytest.mark.parametrize("index", [0, 4, 16, 28])
def test_energy_decays_in_the_reverberation_time(index: int) -> None:
    """Schroeder's integral from -5 to -25 dB, extrapolated to -60 dB."""
    room = make_room(1000, index)
    response = foa_response(room, (1.3, 0.9, 0.2), RATE).astype(float)
    for channel, near in zip(response, (0.2, 0.4, 0.4, 0.4), strict=True):
        energy_left = np.cumsum(np.square(channel[::-1]))[::-1]
        decibel = 10 * np.log10(energy_left / energy_left[0] + 1e-12)
        steep = (decibel < -5) & (decibel > -25)
        slope = np.polyfit(np.flatnonzero(steep) / RATE, decibel[steep], 1)[0]
        assert -60 / slope == pytest.approx(room.reverberation, rel=near)
    energy = np.square(response).sum(axis=1)
    assert 0.15 < energy[1:].max() / energy[0] < 0.7
    direct = (2.0 / np.linalg.norm((1.3, 0.9, 0.2))) ** 2
    assert -8 < 10 * np.log10(direct / energy[0]) < 8


def test_audio_with_reflections_still_comes_from_the_source_side() -> None:
    for azimuth in (70.0, -70.0, 130.0):
        scene, sound = thing(azimuth, 0.0, 1.5)
        foa = source_at_camera(scene, sound, noise(1.0), RATE)
        assert foa.shape[1] > RATE
        assert abs(direction(foa)[0] - azimuth) < 25


def test_a_moving_source_is_audible_along_its_path() -> None:
    scene, sound = thing(0.0)
    track = Track((1.0, 4.0), (1.5, 1.5), (1.4, -1.4))
    sound = replace(sound, span=(1.0, 4.0), track=track)
    source = noise(3.0)
    for reflections, near in ((False, 1.0), (True, 25.0)):
        foa = source_at_camera(scene, sound, source, RATE, reflections)
        for begin in np.arange(0, 3 * RATE, RATE // 2):
            middle = 1.0 + (begin + RATE / 4) / RATE
            x, y = track.at(middle)
            part = foa[:, begin : begin + RATE // 2]
            assert direction(part)[0] == pytest.approx(np.rad2deg(np.arctan2(y, x)), abs=near)


def test_a_standing_source_has_one_response_over_its_span() -> None:
    scene, sound = thing(50.0, 0.3)
    pulse = np.zeros(RATE, np.float32)
    pulse[100] = 1.0
    foa = source_at_camera(scene, sound, pulse, RATE)
    room = make_room(scene.room_seed, scene.room)
    response = foa_response(room, tuple(np.round(scene.points(sound, [1.0])[0], 3)), RATE)
    direct = source_at_camera(scene, sound, pulse, RATE, reflections=False)
    foa[:, :RATE] -= direct
    length = min(response.shape[1], RATE - 100)
    assert foa[:, 100 : 100 + length] == pytest.approx(response[:, :length], abs=1e-5)


def test_a_take_has_its_sounds_where_they_belong_and_a_floor_of_noise() -> None:
    scene, _ = thing(90.0)
    foa = room_audio(scene, RATE, [0.05 * noise(1.0)])
    assert foa.shape == (4, 4 * RATE) and foa.dtype == np.float32
    levels = [float(np.std(foa[0, a:b])) for a, b in ((0, RATE), (RATE, 2 * RATE))]
    assert 0 < levels[0] < 0.2 * levels[1]
    assert direction(foa[:, RATE : 2 * RATE])[0] == pytest.approx(90, abs=15)
    assert np.array_equal(foa, room_audio(scene, RATE, [0.05 * noise(1.0)]))


def test_without_pyroomacoustics_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require_acoustics()
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(SavgError, match=r"pip install 'savg-studio\[dataset\]'"):
        require_acoustics()
    room = Room(**{**vars(ROOM), "key": (5, 5)})
    with pytest.raises(SavgError, match="pyroomacoustics"):
        foa_response(room, (1.0, 0.0, 0.0), RATE)
