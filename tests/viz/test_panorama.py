"""The view in the panorama, against py360convert's projection (an independent implementation)."""

from __future__ import annotations

import numpy as np
import pytest
from py360convert import e2p
from scipy.ndimage import binary_dilation as dilation
from scipy.ndimage import binary_erosion as erosion

from savg.annotation import ClipLabels
from savg.geometry import azimuth_to_x, project, wrap_degrees
from savg.viz.panorama import HEIGHT, WIDTH, View, directions, draw_view, outline, panorama_position

VIEWS = [0, 10, 90, 135, 180, 200, 270, 350]


def clip_view(panorama: np.ndarray, view: float, mode: str = "bilinear") -> np.ndarray:
    """The view of a clip's camera by py360convert, which counts azimuths to the right."""
    right = -float(wrap_degrees(view))
    vertical = np.rad2deg(2 * np.arctan(np.tan(np.deg2rad(50)) * 144 / 256))
    return e2p(panorama, (100, vertical), right, 0, (144, 256), mode=mode)


def direction_maps() -> np.ndarray:
    """A panorama whose channels are the unit vector of each pixel's direction: front, left, up."""
    column, row = np.meshgrid(np.arange(2 * WIDTH) + 0.5, np.arange(2 * HEIGHT) + 0.5)
    azimuth = np.deg2rad(360 * (0.5 - column / (2 * WIDTH)))
    elevation = np.deg2rad(180 * (0.5 - row / (2 * HEIGHT)))
    flat = np.cos(elevation)
    return np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], -1)


@pytest.mark.parametrize("view", VIEWS)
def test_pixels_look_where_py360convert_looks(view: int) -> None:
    sampled = clip_view(direction_maps(), view)
    # py360convert puts its first and last pixel on the image's very edges.
    x, y = np.meshgrid(np.linspace(0, 256, 256), np.linspace(0, 144, 144))
    azimuth, elevation = (np.deg2rad(a) for a in directions(View(view), x, y))
    flat = np.cos(elevation)
    ours = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], -1)
    angle = np.rad2deg(np.arccos(np.clip((ours * sampled).sum(-1), -1, 1)))
    assert angle.max() < 0.4


@pytest.mark.parametrize("view", VIEWS)
def test_the_lit_part_is_the_clips_view(view: int) -> None:
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    drawn = draw_view(white, View(view))
    inside = clip_view(drawn, view, "nearest")[10:-10, 12:-12]
    assert (inside == 255).all()
    # The line lies on the edge, within 5 pixels; beyond it everything is dimmed.
    column, row = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    azimuth = wrap_degrees(360 * (0.5 - column / WIDTH) - view)
    x, y = project(azimuth, 180 * (0.5 - row / HEIGHT))
    shown = np.tile((x >= 0) & (x <= 256) & (y >= 0) & (y <= 144), 3)
    grown, shrunk = (f(shown, np.ones((11, 11)))[:, WIDTH:-WIDTH] for f in (dilation, erosion))
    assert (drawn[shrunk] == 255).all() and shrunk.sum() > 15_000
    assert (drawn[~grown] == 85).all()


@pytest.mark.parametrize("view", VIEWS)
def test_the_outline_is_the_pictures_edge_and_stays_in_one_piece(view: int) -> None:
    azimuth, elevation = outline(View(view), 40)
    assert np.abs(np.diff(azimuth)).max() < 4
    x, y = project(wrap_degrees(azimuth - view), elevation)
    on_side = np.isclose(x, 0) | np.isclose(x, 256)
    on_top = np.isclose(y, 0) | np.isclose(y, 144)
    assert (on_side | on_top).all() and on_side.any() and on_top.any()
    assert azimuth.max() - azimuth.min() == pytest.approx(100)


def test_rotating_the_view_moves_the_outline_around_the_seam() -> None:
    """A view at 180° is that at 0°, half a panorama on: one part at either edge."""
    white = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    front, back = draw_view(white, View(0)), draw_view(white, View(180))
    difference = np.roll(front, WIDTH // 2, axis=1).astype(int) - back
    assert (np.abs(difference) > 8).mean() < 2e-4
    lit = np.flatnonzero(back[HEIGHT // 2, :, 0] >= 200)
    assert lit.min() == 0 and lit.max() == WIDTH - 1
    assert not ((lit > 120) & (lit < 520)).any()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("azimuth", [-30.0, 0.0, 25.0])
def test_marks_are_at_the_sounds_azimuth(view: int, azimuth: float) -> None:
    x = float(azimuth_to_x(azimuth))
    labels = ClipLabels([3], [9], [x], [72.0])  # type: ignore[arg-type]
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    drawn = draw_view(black, View(view), labels, frame=3).astype(int)
    amber = (drawn[..., 0] > 150) & (drawn[..., 2] < 60)
    rows, columns = np.nonzero(amber)
    assert rows.mean() + 0.5 == pytest.approx(HEIGHT / 2, abs=0.6)
    turn = np.exp(2j * np.pi * (columns + 0.5) / WIDTH).mean()
    centre = np.angle(turn) / (2 * np.pi) * WIDTH % WIDTH
    expected = (0.5 - (view + azimuth) / 360.0) * WIDTH
    off = (centre - expected + WIDTH / 2) % WIDTH - WIDTH / 2
    assert abs(off) < 0.6
    small = draw_view(black, View(view), labels, frame=4).astype(int)
    assert ((small[..., 0] > 150) & (small[..., 2] < 60)).sum() < amber.sum() / 2


def test_left_is_left() -> None:
    assert panorama_position(90, 45) == (WIDTH / 4, HEIGHT / 4)
    azimuth, elevation = directions(View(0), 0.0, 0.0)
    assert azimuth > 0 and elevation > 0


def test_a_strip_replaces_a_missing_panorama() -> None:
    labels = ClipLabels([0], [0], [128.0], [72.0])  # type: ignore[arg-type]
    strip = draw_view(None, View(90), labels, 0)
    assert strip.shape == (HEIGHT // 2, WIDTH, 3)
    inside, outside = strip[40, WIDTH // 4 + 9], strip[40, 3 * WIDTH // 4 + 9]
    assert (inside.astype(int) > outside.astype(int) + 20).all()
    assert draw_view(np.zeros((100, 200, 3), np.uint8), View(0)).shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(ValueError, match=r"height, width, 3"):
        draw_view(np.zeros((100, 200), np.uint8), View(0))
