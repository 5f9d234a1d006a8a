"""Directions and Ambisonics: closed forms, py360convert and scipy as oracles."""

from __future__ import annotations

import numpy as np
import py360convert
import pytest
from scipy.spatial.transform import Rotation

from savg import geometry
from savg.audio.levels import level_difference_db


def unit(azimuth: float, elevation: float = 0.0) -> np.ndarray:
    """Front, left, up."""
    a, e = np.deg2rad(azimuth), np.deg2rad(elevation)
    return np.array([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)])


@pytest.mark.parametrize("yaw", [-170.0, -30.0, 0.0, 10.0, 95.0])
def test_rotation_moves_a_source_as_scipy_rotates_its_direction(yaw: float) -> None:
    rng = np.random.default_rng(0)
    for azimuth, elevation in rng.uniform([-180, -80], [180, 80], (20, 2)):
        rotated = geometry.foa_rotation(yaw) @ geometry.foa_gains(azimuth, elevation)
        front, left, up = Rotation.from_euler("z", -yaw, degrees=True).apply(
            unit(azimuth, elevation)
        )
        np.testing.assert_allclose(rotated, [1.0, left, up, front], atol=1e-12)


def test_rotation_towards_a_source_brings_it_to_the_front() -> None:
    rng = np.random.default_rng(1)
    foa = geometry.foa_gains(70.0)[:, None] * rng.standard_normal(100)
    stereo = geometry.foa_to_stereo(geometry.rotate_foa(foa, 70.0))
    np.testing.assert_allclose(stereo[0], stereo[1], atol=1e-12)


@pytest.mark.parametrize("azimuth", [-60.0, -30.0, 0.0, 5.0, 30.0, 90.0])
def test_stereo_is_two_opposed_cardioids(azimuth: float) -> None:
    left, right = geometry.stereo_gains(azimuth)
    sine = np.sin(np.deg2rad(azimuth))
    assert left == pytest.approx(1 + sine)
    assert right == pytest.approx(1 - sine)


def test_a_source_at_plus_30_degrees_is_left_everywhere() -> None:
    x = float(geometry.azimuth_to_x(30.0))
    assert x < 128
    expected = 128 - 128 / np.tan(np.deg2rad(50)) * np.tan(np.deg2rad(30))
    assert x == pytest.approx(expected)
    foa = geometry.foa_gains(30.0)[:, None] * np.ones((1, 8))
    assert level_difference_db(geometry.foa_to_stereo(foa)) == pytest.approx(
        20 * np.log10(3), abs=1e-6
    )


def test_azimuth_and_pixel_are_inverse_and_cover_the_field_of_view() -> None:
    azimuth = np.linspace(-50, 50, 101)
    x = geometry.azimuth_to_x(azimuth)
    np.testing.assert_allclose(geometry.x_to_azimuth(x), azimuth, atol=1e-9)
    assert x[0] == pytest.approx(256) and x[-1] == pytest.approx(0)
    assert (np.diff(x) < 0).all()
    assert np.isnan(geometry.azimuth_to_x([90.0, 180.0, -135.0])).all()
    np.testing.assert_allclose(geometry.azimuth_to_x(30.0 + 360.0), geometry.azimuth_to_x(30.0))


@pytest.mark.parametrize(
    ("azimuth", "elevation"), [(30, 0), (-40, 0), (0, 0), (20, 15), (-35, -12), (12, 25)]
)
def test_projection_agrees_with_py360convert(azimuth: float, elevation: float) -> None:
    """A bright spot in a panorama, projected by py360convert, lands on the pixel of `project`."""
    width, height = 1440, 720
    longitude = (np.arange(width) + 0.5) / width * 360 - 180  # grows to the right
    latitude = 90 - (np.arange(height) + 0.5) / height * 180
    spot = np.exp(
        -(
            (longitude[None] + azimuth) ** 2 * np.cos(np.deg2rad(elevation)) ** 2
            + (latitude[:, None] - elevation) ** 2
        )
        / 2
    )
    panorama = np.repeat((255 * spot)[..., None], 3, axis=2).astype(np.float32)
    fov_v = 2 * np.rad2deg(np.arctan(np.tan(np.deg2rad(50)) * 144 / 256))
    view = py360convert.e2p(panorama, (100, fov_v), 0, 0, (144, 256), mode="bilinear")[..., 0]
    y, x = (np.arange(144) + 0.5) @ view.sum(1), (np.arange(256) + 0.5) @ view.sum(0)
    expected_x, expected_y = geometry.project(azimuth, elevation)
    assert x / view.sum() == pytest.approx(float(expected_x), abs=1.0)
    assert y / view.sum() == pytest.approx(float(expected_y), abs=1.0)


def test_a_wrong_audio_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"must have shape \(4, samples\), got \(2, 5\)"):
        geometry.rotate_foa(np.zeros((2, 5)), 0)
    with pytest.raises(ValueError, match=r"\(4, samples\)"):
        geometry.foa_to_stereo(np.zeros((2, 5)))


def test_a_path_is_straight_between_points_that_share_the_time() -> None:
    times = np.array([-1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 9.0])
    at = geometry.on_path((0, 100, 40), times, 4.0)
    assert at.tolist() == [0, 0, 50, 100, 70, 40, 40]
    assert geometry.on_path((7,), np.array([0.0, 5.0]), 5.0).tolist() == [7, 7]
