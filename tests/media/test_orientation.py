"""Which way round frames are shown: every reader and every written file as FFmpeg's command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from savg.clip import Clip
from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.frame_index import frames_at, index_video
from savg.media.frames import Frame, frame_at, frames_at_rate
from savg.media.mux import with_audio
from savg.media.orientation import UPRIGHT, Orientation, StreamOrientation, matrix_orientation
from savg.media.probe import video_info
from savg.video import Video
from tests.painted_videos import (
    ffmpeg,
    joined,
    painted,
    player_frame,
    shown_quarters,
    with_matrix,
    worst_colour,
)

FORMAT = ClipFormat(frames=4, fps=10, size=64, picture_height=36)
WIDE, TALL = 160 / 96, 96 / 160

SHOWN = {
    (0, ""): ("RGBW", WIDE),
    (0, "h"): ("GRWB", WIDE),
    (0, "v"): ("BWRG", WIDE),
    (90, ""): ("GWRB", TALL),
    (90, "h"): ("WGBR", TALL),
    (90, "v"): ("RBGW", TALL),
    (180, ""): ("WBGR", WIDE),
    (180, "h"): ("BWRG", WIDE),
    (180, "v"): ("GRWB", WIDE),
    (270, ""): ("BRWG", TALL),
    (270, "h"): ("RBGW", TALL),
    (270, "v"): ("WGBR", TALL),
}
"""Degrees counter-clockwise and mirror of FFmpeg's options → quarters as shown, width over height."""

SILENT = np.zeros((2, 8_000), np.float32)


def every_reader(path: Path) -> Iterator[tuple[str, Frame]]:
    """The first frame as each reader gives it."""
    yield "frames_at_rate", next(frames_at_rate(path, Fraction(10)))
    yield "frame_at", frame_at(path, 0)
    yield "index", next(frames_at(path, [0.0]))[1].rgb()
    yield "small", next(frames_at(path, [0.0]))[1].small(*reversed(frame_at(path, 0).shape[:2]))
    yield "Video", Video.read(path, FORMAT).frames[0]


def with_sound(source: Path, target: Path) -> Path:
    ffmpeg(
        "-i",
        source,
        "-f",
        "lavfi",
        "-i",
        "anullsrc=r=16000:cl=stereo:d=0.5",
        "-map",
        "0:v",
        "-map",
        "1:a",
        "-c:v",
        "copy",
        target,
    )
    return target


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A painted video by its codec, in mp4 with silent audio."""
    folder = tmp_path_factory.mktemp("plain")

    def make(codec: str) -> Path:
        path = folder / f"{codec}.mp4"
        if not path.exists():
            painted(folder / "mute.mp4", "-c:v", codec, "-pix_fmt", "yuv420p")
            with_sound(folder / "mute.mp4", path)
        return path

    return make


CONTAINERS = [
    ("libx264", "mp4"),
    ("libx264", "mov"),
    ("libx264", "mkv"),
    ("mpeg4", "mp4"),
    ("mpeg4", "mkv"),
    ("libx265", "mov"),
]


@pytest.mark.parametrize(("codec", "suffix"), CONTAINERS)
@pytest.mark.parametrize(("degrees", "mirror"), SHOWN)
def test_every_display_matrix_in_every_container(
    tmp_path, plain, codec, suffix, degrees, mirror
) -> None:
    path = with_matrix(plain(codec), tmp_path / f"a.{suffix}", degrees, mirror)
    quarters, ratio = SHOWN[degrees, mirror]
    expected = player_frame(path)
    assert shown_quarters(expected)[0] == quarters
    assert expected.shape == ((160, 96, 3) if ratio < 1 else (96, 160, 3))
    for name, image in every_reader(path):
        letters, shape = shown_quarters(image)
        assert (name, letters) == (name, quarters) and shape == pytest.approx(ratio, rel=0.06)
        if name in ("frames_at_rate", "frame_at", "index"):
            np.testing.assert_array_equal(image, expected)
    assert shown_quarters(Clip.read(path, FORMAT).video[0])[0] == quarters
    info = video_info(path)
    assert (info.height, info.width) == expected.shape[:2]
    index = index_video(path)
    assert (index.height, index.width) == expected.shape[:2]


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize(("degrees", "mirror"), SHOWN)
def test_a_written_file_shows_what_the_readers_see(tmp_path, plain, codec, degrees, mirror) -> None:
    path = with_matrix(plain(codec), tmp_path / "a.mp4", degrees, mirror)
    copied = with_audio(path, tmp_path / "b.mp4", SILENT, 16_000)
    assert copied == (codec == "libx264" and (degrees, mirror) == (0, ""))
    assert shown_quarters(player_frame(tmp_path / "b.mp4"))[0] == SHOWN[degrees, mirror][0]
    assert shown_quarters(frame_at(tmp_path / "b.mp4", 0))[0] == SHOWN[degrees, mirror][0]


@pytest.mark.parametrize(
    ("flip", "turn", "quarters"),
    [
        ("", "90", "GWRB"),
        ("horizontal", "90", "RBGW"),
        ("vertical", "0", "BWRG"),
        ("", "180", "WBGR"),
    ],
)
@pytest.mark.parametrize("suffix", ["ts", "mkv", "mp4"])
def test_an_orientation_among_the_coded_frames(
    tmp_path, plain, suffix, flip, turn, quarters
) -> None:
    path = tmp_path / f"a.{suffix}"
    options = f"display_orientation=insert:rotate={turn}" + (f":flip={flip}" if flip else "")
    ffmpeg("-i", plain("libx264"), "-c", "copy", "-bsf:v", f"h264_metadata={options}", path)
    assert shown_quarters(player_frame(path))[0] == quarters
    assert {shown_quarters(image)[0] for _, image in every_reader(path)} == {quarters}
    shown = {shown_quarters(image)[0] for image in frames_at_rate(path, Fraction(10))}
    assert shown == {quarters}
    assert with_audio(path, tmp_path / "b.mp4", SILENT, 16_000) is False
    assert shown_quarters(player_frame(tmp_path / "b.mp4"))[0] == quarters


def test_an_orientation_that_comes_later_is_not_copied_away(tmp_path, plain) -> None:
    """Two parts, the second of them turned by 180°."""
    turned = "h264_metadata=display_orientation=insert:rotate=180"
    copy = ("-i", plain("libx264"), "-an", "-c", "copy")
    ffmpeg(*copy, tmp_path / "a.ts")
    ffmpeg(*copy, "-bsf:v", turned, tmp_path / "b.ts")
    both = joined(tmp_path / "c.mkv", tmp_path / "a.ts", tmp_path / "b.ts")
    shown = [shown_quarters(image)[0] for image in frames_at_rate(both, Fraction(10))]
    assert shown[:5] == ["RGBW"] * 5 and shown[5:] == ["WBGR"] * len(shown[5:]) and len(shown) >= 9
    assert with_audio(both, tmp_path / "d.mp4", SILENT, 16_000) is False
    assert shown_quarters(player_frame(tmp_path / "d.mp4", 0.2))[0] == "RGBW"
    assert shown_quarters(player_frame(tmp_path / "d.mp4", 0.7))[0] == "WBGR"


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("suffix", ["avi", "mov", "mkv"])
def test_images_with_exif_orientation(tmp_path, suffix, tag) -> None:
    image = pytest.importorskip("PIL.Image")
    frame = player_frame(painted(tmp_path / "a.mkv", "-c:v", "ffv1"))
    still = image.fromarray(frame)
    exif = still.getexif()
    exif[0x0112] = tag
    for k in range(3):
        still.save(tmp_path / f"{k}.jpg", exif=exif, quality=95)
    path = tmp_path / f"b.{suffix}"
    ffmpeg("-framerate", "5", "-i", tmp_path / "%d.jpg", "-c", "copy", path)
    expected = shown_quarters(player_frame(path))
    assert len({expected[0]} | {"RGBW"}) == (1 if tag == 1 else 2)
    for name, shown in every_reader(path):
        assert (name, shown_quarters(shown)[0]) == (name, expected[0])


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_wide_pixels_that_are_turned(tmp_path, suffix) -> None:
    """80×96 pixels, twice as wide as high, turned by 90°: 96×160."""
    flat = painted(
        tmp_path / "a.mp4",
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv420p",
        "-aspect",
        "160:96",
        size=(80, 96),
    )
    path = with_matrix(flat, tmp_path / f"b.{suffix}", 90)
    with_audio(path, tmp_path / "c.mp4", SILENT, 16_000)
    for name, image in (*every_reader(path), ("written", player_frame(tmp_path / "c.mp4"))):
        letters, shape = shown_quarters(image)
        assert (name, letters) == (name, "GWRB") and shape == pytest.approx(TALL, rel=0.06)
    assert (video_info(path).width, video_info(path).height) == (96, 160)


def test_rows_of_a_turned_frame_are_those_shown(tmp_path, plain) -> None:
    for degrees, mirror in SHOWN:
        path = with_matrix(plain("libx264"), tmp_path / "a.mp4", degrees, mirror)
        frame = next(frames_at(path, [0.1]))[1]
        whole = frame.rgb()
        np.testing.assert_array_equal(frame.rgb(11, 58), whole[11:58])
        small = cv2.resize(
            whole, (whole.shape[1] // 2, whole.shape[0] // 2), interpolation=cv2.INTER_AREA
        )
        other = frame.small(small.shape[1], small.shape[0])
        assert np.abs(other.astype(int) - small).mean() < 3


def test_an_index_refuses_frames_of_other_sizes(tmp_path) -> None:
    parts = [tmp_path / "0.ts", tmp_path / "1.ts"]
    for path, size in zip(parts, [(64, 48), (48, 64)], strict=True):
        painted(path, "-c:v", "mpeg2video", "-bf", "0", size=size)
    both = joined(tmp_path / "both.ts", *parts)
    with pytest.raises(MediaError, match=r"both\.ts has frames of 64×48 and of 48×64 pixels"):
        list(frames_at(both, [0.0, 0.8]))


def test_matrices_of_no_use_and_of_odd_angles() -> None:
    assert matrix_orientation([0] * 9) is UPRIGHT and not UPRIGHT
    assert matrix_orientation([1 << 16, 0, 0, 0, 0, 0, 0, 0, 1 << 30]) is UPRIGHT
    assert matrix_orientation([3 << 16, 0, 0, 0, 2 << 16, 0, 0, 0, 1 << 30]) == UPRIGHT
    cosine, sine = round(0.8 * 65536), round(0.6 * 65536)
    odd = matrix_orientation([cosine, sine, 0, -sine, cosine, 0, 0, 0, 1 << 30])
    assert odd == Orientation(degrees=37.0)
    image = np.zeros((41, 41, 3), np.uint8)
    image[20, 35] = 255
    y, x = np.unravel_index(odd.apply(image)[..., 0].argmax(), (41, 41))
    assert (x, y) == (32, 29)


def test_a_frame_without_a_matrix_is_upright() -> None:
    assert StreamOrientation().of(av.VideoFrame(16, 16, "yuv420p")) is UPRIGHT


def test_the_painted_video_has_the_colours_it_says(tmp_path) -> None:
    assert worst_colour(player_frame(painted(tmp_path / "a.mkv", "-c:v", "ffv1"))) <= 2
