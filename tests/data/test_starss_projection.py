"""Perspective views of panoramas, as py360convert makes them."""

import numpy as np
import pytest
from py360convert import e2p

from savg.data.starss.projection import Projector


@pytest.mark.parametrize(
    ("size", "view", "field"),
    [
        ((1920, 960), (256, 144), 100.0),
        ((256, 128), (256, 144), 100.0),
        ((512, 256), (64, 36), 60.0),
    ],
)
def test_views_are_those_of_py360convert(size, view, field):
    panorama = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    project = Projector(size, view, field)
    assert project.last - project.first < 0.7 * size[1]
    vertical = 2 * np.degrees(np.arctan(np.tan(np.radians(field / 2)) * view[1] / view[0]))
    for azimuth in (0, 10, 90, 137, 180, 190, 350):
        ours = project(panorama, azimuth).astype(int)
        theirs = e2p(panorama, (field, vertical), -azimuth, 0, (view[1], view[0]), mode="bilinear")
        assert np.abs(ours - theirs).max() <= 1, azimuth


def test_azimuths_to_the_left_are_seen_left_of_the_centre():
    panorama = np.zeros((180, 360, 3), np.uint8)
    panorama[85:95, 180 - 32 : 180 - 28] = 255
    project = Projector((360, 180), (256, 144), 100.0)
    columns = project(panorama, 0)[72, :, 0].astype(float)
    centre = (columns * np.arange(256)).sum() / columns.sum()
    focal = 128 / np.tan(np.radians(50))
    assert centre == pytest.approx(128 - focal * np.tan(np.radians(30)), abs=1.5)
    columns = project(panorama, 30)[72, :, 0].astype(float)
    assert (columns * np.arange(256)).sum() / columns.sum() == pytest.approx(127.5, abs=1.0)


def test_antialiasing_averages_before_sampling():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (960, 1920, 3), dtype=np.uint8)
    plain, averaged = (Projector((1920, 960), (256, 144), 100.0, a) for a in (False, True))
    assert averaged(noise, 40).std() < 0.5 * plain(noise, 40).std()
    flat = np.full_like(noise, 77)
    np.testing.assert_array_equal(averaged(flat, 180), plain(flat, 180))
    seam = np.zeros_like(noise)
    seam[:, :3], seam[:, -3:] = 200, 200
    rows = averaged(seam, 180)[72, 118:138, 0]
    assert rows.max() > 150 and rows[0] == rows[-1] == 0


def test_rows_of_the_wrong_shape_are_named():
    with pytest.raises(ValueError, match=r"shape \(364, 1920, 3\), got \(960, 1920, 3\)"):
        Projector((1920, 960), (256, 144), 100.0).prepare(np.zeros((960, 1920, 3), np.uint8))
