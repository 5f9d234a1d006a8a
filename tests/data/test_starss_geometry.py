"""Geometry against independent paths: spherical harmonics of scipy, an integrated camera, py360convert.

None of the expected values here comes from savg.geometry.
"""

from __future__ import annotations

import numpy as np
import py360convert
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y

from savg import geometry
from savg.data.starss.labels import RecordingLabels
from savg.data.starss.results import Candidate, Construction
from savg.data.starss.windows import clip_labels, judge

SETTINGS = Construction()
YAWS = (0.0, 10.0, 37.5, 90.0, 123.0, 180.0, 250.0, 359.0, -45.0)


# ---- Ambisonics


def harmonics(azimuth: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    """Real spherical harmonics of first order [4, N], ACN order, SN3D scale, angles in radians."""
    rows = []
    for degree, order in ((0, 0), (1, -1), (1, 0), (1, 1)):
        value = sph_harm_y(degree, abs(order), np.pi / 2 - elevation, azimuth)
        if order:
            part = value.imag if order < 0 else value.real
            value = np.sqrt(2.0) * (-1.0) ** order * part
        rows.append(np.real(value) * np.sqrt(4 * np.pi / (2 * degree + 1)))
    return np.stack(rows)


def sphere() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Azimuths, elevations and weights that integrate polynomials of the sphere exactly."""
    heights, weights = np.polynomial.legendre.leggauss(6)
    azimuths = np.arange(12) * 2 * np.pi / 12
    azimuth, height = np.meshgrid(azimuths, heights)
    weight = np.repeat(weights[:, None], 12, axis=1) * 2 * np.pi / 12
    return azimuth.ravel(), np.arcsin(height).ravel(), weight.ravel()


def directions(azimuth: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    """Unit vectors [N, 3]: front, left, up."""
    flat = np.cos(elevation)
    return np.stack([np.cos(azimuth) * flat, np.sin(azimuth) * flat, np.sin(elevation)], -1)


def angles(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Azimuth and elevation in radians of vectors [N, 3]."""
    return np.arctan2(vectors[:, 1], vectors[:, 0]), np.arcsin(np.clip(vectors[:, 2], -1, 1))


def rotated(
    azimuth: np.ndarray, elevation: np.ndarray, yaw: float
) -> tuple[np.ndarray, np.ndarray]:
    """Directions relative to a listener who rotated `yaw` degrees to the left."""
    rotation = Rotation.from_rotvec([0.0, 0.0, -np.deg2rad(yaw)])
    return angles(rotation.apply(directions(azimuth, elevation)))


def random_directions(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    vectors = np.random.default_rng(seed).normal(size=(count, 3))
    return angles(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_plane_waves_are_coded_in_acn_and_sn3d() -> None:
    azimuth, elevation = random_directions(0, 200)
    gains = geometry.foa_gains(np.rad2deg(azimuth), np.rad2deg(elevation))
    assert np.allclose(gains, harmonics(azimuth, elevation), atol=1e-12)


@pytest.mark.parametrize("yaw", YAWS)
def test_rotation_integrated_over_the_sphere(yaw: float) -> None:
    """Column j: share of each harmonic in the rotated harmonic j, by integration."""
    azimuth, elevation, weight = sphere()
    before = harmonics(azimuth, elevation)
    after = harmonics(*rotated(azimuth, elevation, yaw))
    norms = (before**2 * weight).sum(1)
    expected = (after * weight) @ before.T / norms
    assert np.allclose(geometry.foa_rotation(yaw), expected, atol=1e-12)


@pytest.mark.parametrize("yaw", YAWS)
def test_rotation_and_decoding_of_many_sources(yaw: float) -> None:
    """Noise sources at random places, decoded for a listener who rotated."""
    rng = np.random.default_rng(int(yaw) % 360)
    azimuth, elevation = random_directions(int(yaw) % 360 + 1, 8)
    audio = rng.normal(size=(8, 400))
    foa = harmonics(azimuth, elevation) @ audio

    rotated_gains = harmonics(*rotated(azimuth, elevation, yaw))
    w, y = rotated_gains[0], rotated_gains[1]
    expected = np.stack([(w + y) @ audio, (w - y) @ audio])
    decoded = geometry.foa_to_stereo(geometry.rotate_foa(foa, yaw))
    assert np.allclose(decoded, expected, atol=1e-11)


def test_rotation_fitted_to_rotated_sources() -> None:
    azimuth, elevation = random_directions(3, 300)
    before = harmonics(azimuth, elevation)
    for yaw in np.random.default_rng(4).uniform(-360, 360, 10):
        after = harmonics(*rotated(azimuth, elevation, yaw))
        fitted = np.linalg.lstsq(before.T, after.T, rcond=None)[0].T
        assert np.allclose(geometry.foa_rotation(yaw), fitted, atol=1e-11)


@pytest.mark.parametrize("view", [0, 40, 130, 200, 330])
def test_the_left_channel_points_to_the_left_of_the_view(view: int) -> None:
    """The loudest direction of either channel, searched on a grid of the horizon."""
    azimuth = np.arange(360)
    waves = harmonics(np.deg2rad(azimuth), np.zeros(360))
    gains = np.abs(geometry.foa_to_stereo(geometry.rotate_foa(waves, view)))
    assert azimuth[gains[0].argmax()] == (view + 90) % 360
    assert azimuth[gains[1].argmax()] == (view - 90) % 360
    assert np.isclose(gains[0].max(), 2.0) and np.isclose(gains[0].min(), 0.0, atol=1e-12)
    left = (azimuth - view) % 360
    louder = gains[0] > gains[1] + 1e-9
    assert np.array_equal(louder, (left > 0) & (left < 180))


# ---- the image plane


def integrated_focal(width: float, field_of_view: float) -> float:
    """Distance of a plane at which the angles of `width` pixels sum up to the field of view."""

    def span(focal: float) -> float:
        return quad(lambda x: focal / (focal**2 + x**2), -width / 2, width / 2)[0]

    return brentq(lambda f: span(f) - np.deg2rad(field_of_view), 1.0, 10 * width, xtol=1e-12)


def marched(azimuth: float, elevation: float, focal: float) -> tuple[float, float]:
    """Position of a point at the picture's centre after the camera rotates away from its direction.

    The image flow of a rotating camera, integrated from the centre: no projection of a direction.
    """
    a, e = np.deg2rad(azimuth), np.deg2rad(elevation)
    target = np.array([-np.sin(a) * np.cos(e), -np.sin(e), np.cos(a) * np.cos(e)])
    axis = np.cross([0.0, 0.0, 1.0], target)
    sine = np.linalg.norm(axis)
    if sine < 1e-12:
        return 0.0, 0.0
    p, q, r = axis / sine

    def flow(_: float, at: np.ndarray) -> list[float]:
        x, y = at
        return [
            focal * q - r * y - p * x * y / focal + q * x * x / focal,
            r * x - focal * p - p * y * y / focal + q * x * y / focal,
        ]

    angle = np.arctan2(sine, target[2])
    end = solve_ivp(flow, (0.0, angle), [0.0, 0.0], rtol=1e-10, atol=1e-10).y[:, -1]
    return float(end[0]), float(end[1])


@pytest.mark.parametrize("field_of_view", [60.0, 100.0, 120.0])
def test_the_focal_length_sums_up_to_the_field_of_view(field_of_view: float) -> None:
    expected = integrated_focal(256.0, field_of_view)
    assert np.isclose(geometry.focal_length(256.0, field_of_view), expected, rtol=1e-9)


def labels_at(azimuth: float, elevation: float) -> RecordingLabels:
    """Somebody who speaks for 5 s at one place."""
    frames = np.arange(50)
    zeros = frames * 0
    return RecordingLabels(frames, zeros, zeros, zeros + azimuth, zeros + elevation)


def placed(azimuth: float, elevation: float, view: int) -> tuple[float, float]:
    """Position by `clip_labels` of a direction in the picture of a view."""
    table = clip_labels(labels_at(azimuth, elevation), Candidate(0, view, 0), SETTINGS)
    return float(table.x[0]), float(table.y[0])


@pytest.mark.parametrize("seed", range(5))
def test_labels_lie_where_the_integrated_camera_sees_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    focal = integrated_focal(256.0, 100.0)
    for _ in range(12):
        view = int(rng.integers(0, 360))
        away, elevation = rng.uniform(-60, 60), rng.uniform(-35, 35)
        x, y = marched(away, elevation, focal)
        position = placed(view + away, elevation, view)
        assert position == pytest.approx((128 + x, 72 + y), abs=0.006)


# ---- py360convert


HEIGHT_FOV = float(np.rad2deg(2 * np.arctan(np.tan(np.deg2rad(50)) * 144 / 256)))


def panorama(azimuth: float, elevation: float, radius: float = 0.8) -> np.ndarray:
    """An equirectangular image 1920×960, dark but for a soft dot of `radius` degrees; front in the
    middle, left on the left."""
    height, width = 960, 1920
    columns = 180.0 - (np.arange(width) + 0.5) * 360.0 / width
    rows = 90.0 - (np.arange(height) + 0.5) * 180.0 / height
    a, e = np.meshgrid(np.deg2rad(columns), np.deg2rad(rows))
    dot = directions(np.deg2rad(np.array([azimuth])), np.deg2rad(np.array([elevation])))[0]
    chord = np.linalg.norm(directions(a, e) - dot, axis=-1)
    return np.exp(-0.5 * np.square(chord / np.deg2rad(radius))).astype(np.float32)


def view_of(image: np.ndarray, view: int) -> np.ndarray:
    """The view by py360convert, whose angle is positive to the right."""
    right = (-view + 180) % 360 - 180
    return py360convert.e2p(image, (100.0, HEIGHT_FOV), right, 0.0, (144, 256), mode="bilinear")


def brightest(image: np.ndarray) -> tuple[float, float]:
    """Centre of the light in pixels, counted from the image's corner."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    light = np.where(image > 0.3 * image.max(), image, 0.0)
    return float((light * x).sum() / light.sum()), float((light * y).sum() / light.sum())


@pytest.mark.parametrize("seed", range(6))
def test_a_dot_lies_at_its_label(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    azimuth, elevation = rng.uniform(-180, 180), rng.uniform(-22, 22)
    image = panorama(azimuth, elevation)
    for away in (-44, -20, 0, 13, 44):
        view = round(azimuth + away) % 360
        x, y = brightest(view_of(image, view))
        assert placed(azimuth, elevation, view) == pytest.approx((x, y), abs=1.0)


def test_left_is_left() -> None:
    """A dot on the left of the front is in the left half, and moves right as the view goes left."""
    image = panorama(30.0, 0.0)
    across = [brightest(view_of(image, view))[0] for view in (0, 10, 20, 30, 40, 60)]
    assert across == sorted(across)
    assert across[0] < 80 and abs(across[3] - 128) < 0.6 and across[-1] > 176
    labels = [placed(30.0, 0.0, view)[0] for view in (0, 10, 20, 30, 40, 60)]
    assert labels == pytest.approx(across, abs=1.0)
    up = brightest(view_of(panorama(0.0, 20.0), 0))[1]
    assert up < 72 and abs(placed(0.0, 20.0, 0)[1] - up) < 1.0


@pytest.mark.parametrize(
    ("azimuth", "elevation"), [(0, 0), (163, 31), (-97, -25), (45, 36), (180, -28)]
)
def test_the_judge_accepts_the_views_that_show_the_dot(azimuth: int, elevation: int) -> None:
    """A view that holds the dot is accepted and no other; the dot may touch an edge, its light decides
    only where its centre is clearly within or without."""
    image = panorama(azimuth, elevation, radius=0.4)
    accepted = {c.view for c in judge(labels_at(azimuth, elevation), 5.0, SETTINGS).candidates}
    tested = [view for view in range(0, 360, 10) if not at_edge(azimuth, elevation, view)]
    assert len(tested) >= 30
    assert [v for v in tested if v in accepted] == [
        v for v in tested if view_of(image, v).max() > 0.6
    ]


def at_edge(azimuth: float, elevation: float, view: int) -> bool:
    """Within three pixels of the picture's edge, by the integrated camera."""
    away = (azimuth - view + 180) % 360 - 180
    if abs(away) > 80:
        return False
    x, y = marched(away, elevation, integrated_focal(256.0, 100.0))
    return abs(abs(x) - 128) < 3 or abs(abs(y) - 72) < 3
