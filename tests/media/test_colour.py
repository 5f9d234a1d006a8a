"""Colours of frames: read as players show them, written with tags that say how they are coded."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from savg.clip import Clip
from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.colour import HD, SD, ColourTags, tags_for, to_rgb, to_yuv420
from savg.media.encode import write_video
from savg.media.frame_index import frames_at
from savg.media.frames import frame_at, frames_at_rate
from savg.media.mux import with_audio
from savg.media.strips import Canvas
from tests.painted_videos import (
    COLOURS,
    ffmpeg,
    painted,
    player_frame,
    quarter_values,
    quarters,
    rgb_of,
    worst_colour,
)

SIZES = [(160, 96), (1280, 720)]
SILENT = np.zeros((2, 8_000), np.float32)
CODES = {"bt709": 1, "fcc": 4, "bt470bg": 5, "smpte170m": 6, "smpte240m": 7, "bt2020nc": 9}
BY_CODE = {1: "bt709", 6: "smpte170m"}


def tags(path: Path) -> tuple[int, int, int, int]:
    """Matrix, range, primaries and transfer of a file's first frame."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    return frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc


def stored_colours(path: Path) -> np.ndarray:
    """The colours of the quarters, from the file's planes by its tags, without any converter."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    planes = [np.frombuffer(p, np.uint8).reshape(-1, p.line_size) for p in frame.planes]
    colours = []
    for y in (frame.height // 4, 3 * frame.height // 4):
        for x in (frame.width // 4, 3 * frame.width // 4):
            values = planes[0][y, x], planes[1][y // 2, x // 2], planes[2][y // 2, x // 2]
            colours.append(rgb_of(values, BY_CODE[frame.colorspace], frame.color_range == 2))
    return np.array(colours)


@pytest.mark.parametrize("size", SIZES, ids=["SD", "HD"])
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", CODES)
def test_tagged_colours_are_read_by_their_tags(tmp_path, matrix, full, size) -> None:
    tag = f"colorspace={matrix}:range={'pc' if full else 'tv'}"
    path = painted(
        tmp_path / "a.mkv",
        "-c:v",
        "libx264",
        "-qp",
        "0",
        "-pix_fmt",
        "yuv444p",
        size=size,
        matrix=matrix,
        full=full,
        tags=tag,
        seconds=0.2,
    )
    assert tags(path)[:2] == (CODES[matrix], 2 if full else 1)
    assert worst_colour(frame_at(path, 0)) <= 2
    np.testing.assert_array_equal(frame_at(path, 0), player_frame(path))


@pytest.mark.parametrize(
    ("size", "matrix"),
    [
        ((160, 96), "smpte170m"),
        ((720, 576), "smpte170m"),
        ((1280, 720), "bt709"),
        ((720, 1280), "bt709"),
        ((1280, 536), "bt709"),
        ((1920, 960), "bt709"),
    ],
)
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
def test_untagged_colours_are_read_as_players_guess(tmp_path, size, matrix, full) -> None:
    path = painted(
        tmp_path / "a.mkv",
        "-c:v",
        "libx264",
        "-qp",
        "0",
        "-pix_fmt",
        "yuv420p",
        size=size,
        matrix=matrix,
        full=full,
        tags="range=pc" if full else "",
        seconds=0.2,
    )
    assert tags(path)[0] == 2
    for image in (frame_at(path, 0), next(frames_at(path, [0.0]))[1].rgb()):
        assert worst_colour(image) <= 3
    rows = next(frames_at(path, [0.0]))[1].rgb(size[1] // 4 - 3, size[1] // 4 + 3)
    np.testing.assert_array_equal(rows, frame_at(path, 0)[size[1] // 4 - 3 : size[1] // 4 + 3])
    small = next(frames_at(path, [0.0]))[1].small(64, 48)
    assert worst_colour(small) <= 4


KINDS = [
    ("libx264", "yuv422p", "mp4"),
    ("libx264", "yuv420p10le", "mkv"),
    ("libx265", "yuv420p10le", "mp4"),
    ("libvpx-vp9", "yuv420p", "webm"),
    ("libvpx-vp9", "yuva420p", "webm"),
    ("prores_ks", "yuva444p10le", "mov"),
    ("qtrle", "argb", "mov"),
    ("png", "rgba", "mov"),
    ("png", "gray", "mkv"),
    ("png", "pal8", "avi"),
    ("mjpeg", "yuvj422p", "avi"),
    ("rawvideo", "yuyv422", "avi"),
    ("rawvideo", "bgr24", "avi"),
    ("ffv1", "gray16le", "mkv"),
    ("ffv1", "yuv410p", "mkv"),
    ("gif", "bgr8", "gif"),
    ("mpeg2video", "yuv420p", "ts"),
]


ODD = [kind for kind in KINDS if not kind[0].startswith("libx26")]
"""Kinds whose encoders take odd sizes."""


@pytest.mark.parametrize(
    ("codec", "pixels", "suffix", "size"),
    [(*kind, (96, 56)) for kind in KINDS] + [(*kind, (97, 55)) for kind in ODD],
)
def test_every_pixel_format_is_shown_as_ffmpeg_shows_it(
    tmp_path, codec, pixels, suffix, size
) -> None:
    """Away from edges, where converters interpolate chroma in ways of their own."""
    path = painted(
        tmp_path / f"a.{suffix}", "-c:v", codec, "-pix_fmt", pixels, size=size, seconds=0.2, fps=25
    )
    expected = np.array(quarter_values(player_frame(path)))
    with_audio(path, tmp_path / "b.mp4", SILENT, 16_000)
    for image in (frame_at(path, 0), next(frames_at_rate(path, Fraction(10)))):
        assert image.shape == (size[1], size[0], 3)
        assert np.abs(np.array(quarter_values(image)) - expected).max() <= 2
    written = player_frame(tmp_path / "b.mp4")
    assert written.shape == (size[1] // 2 * 2, size[0] // 2 * 2, 3)
    assert np.abs(np.array(quarter_values(written)) - expected).max() <= 6


def test_a_gif_with_transparency_is_shown_as_ffmpeg_shows_it(tmp_path) -> None:
    path = tmp_path / "a.gif"
    holes = "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='if(lt(X,40),0,255)'"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=96x64:r=5:d=1", "-vf", holes, path)
    np.testing.assert_array_equal(frame_at(path, 3), player_frame(path, 0.6))


@pytest.mark.parametrize("size", SIZES, ids=["SD", "HD"])
def test_written_colours_are_tagged_and_right(tmp_path, size) -> None:
    image = quarters(list(COLOURS.values()), *size)
    path = tmp_path / "a.mp4"
    write_video(path, [image] * 3, 10, SILENT[:, :4_800], 16_000)
    assert tags(path) == ((1, 1, 1, 1) if size[1] >= 720 else (6, 1, 1, 1))
    assert np.abs(stored_colours(path) - list(COLOURS.values())).max() <= 4
    assert worst_colour(player_frame(path)) <= 4 and worst_colour(frame_at(path, 0)) <= 4


TAGGED = [(size, matrix, True) for size in SIZES for matrix in ("bt709", "smpte170m", "bt2020nc")]
GUESSED = [((160, 96), "smpte170m", False), ((1280, 720), "bt709", False)]


@pytest.mark.parametrize(("size", "matrix", "tagged"), TAGGED + GUESSED)
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
def test_colours_stay_when_video_is_coded_anew(tmp_path, size, full, matrix, tagged) -> None:
    tag = f"range={'pc' if full else 'tv'}" + (f":colorspace={matrix}" if tagged else "")
    path = painted(
        tmp_path / "a.mkv",
        "-c:v",
        "libx264",
        "-qp",
        "0",
        "-pix_fmt",
        "yuv444p",
        size=size,
        matrix=matrix,
        full=full,
        tags=tag,
        seconds=0.3,
    )
    assert with_audio(path, tmp_path / "b.mp4", SILENT[:, :4_800], 16_000) is False
    assert np.abs(stored_colours(tmp_path / "b.mp4") - list(COLOURS.values())).max() <= 5
    assert worst_colour(player_frame(tmp_path / "b.mp4")) <= 5


@pytest.mark.parametrize(
    ("primaries", "transfer"), [("bt2020", "bt2020-10"), ("smpte432", "bt709")]
)
def test_primaries_and_transfer_stay_what_the_file_says(tmp_path, primaries, transfer) -> None:
    tag = f"colorspace=bt709:color_primaries={primaries}:color_trc={transfer}:range=tv"
    path = painted(
        tmp_path / "a.mkv", "-c:v", "libx264", "-qp", "0", tags=tag, matrix="bt709", seconds=0.3
    )
    source = tags(path)
    with_audio(path, tmp_path / "b.mp4", SILENT, 16_000)
    assert tags(tmp_path / "b.mp4") == (6, 1, *source[2:])


def test_a_clip_keeps_its_pixels_in_the_tagged_file(tmp_path) -> None:
    """The conversion without a tag, as it always was for small frames."""
    rng = np.random.default_rng(0)
    image = np.repeat(np.repeat(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8), 8, 0), 8, 1)
    plain = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv420p").to_ndarray()
    np.testing.assert_array_equal(to_yuv420(image, SD).to_ndarray(), plain)
    clip = Clip(np.stack([image] * 2), SILENT, ClipFormat(frames=2, fps=4))
    clip.write(tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    np.testing.assert_array_equal(Clip.read(tmp_path / "a.mp4", clip.format).video, frames)


def test_strips_are_tagged_as_they_are_coded() -> None:
    format = ClipFormat(size=64, picture_height=36)
    image = quarters(list(COLOURS.values()), 64, 36)
    planes = Canvas(format).frame(image).to_ndarray()
    for y, x, colour in ((9, 16, "R"), (9, 48, "G"), (27, 16, "B"), (27, 48, "W")):
        row, column = (format.top + y) // 2, x // 2
        chroma = planes[64:].reshape(2, 32, 32)[:, row, column]
        shown = rgb_of((planes[format.top + y, x], *chroma), "smpte170m")
        assert np.abs(np.array(shown) - COLOURS[colour]).max() <= 3


def test_tags_by_size() -> None:
    assert tags_for(256, 256) == SD == ColourTags(6) and tags_for(720, 576) == SD
    assert tags_for(1280, 720) == HD == ColourTags(1) and tags_for(720, 1280) == HD


@pytest.mark.parametrize("code", [3, 10, 12])
def test_unusual_matrices_are_read_by_their_nearest(code) -> None:
    """Reserved: as untagged; BT.2020 of constant luminance; derived from primaries."""
    matrix = {3: SD, 10: ColourTags(9), 12: HD}[code]
    frame = to_yuv420(quarters(list(COLOURS.values()), 160, 96), matrix)
    frame.colorspace = code
    assert worst_colour(to_rgb(frame)) <= 3


@pytest.mark.parametrize(("code", "name"), [(8, "YCgCo"), (14, "ICtCp")])
def test_colours_that_cannot_be_shown_are_said(tmp_path, code, name) -> None:
    painted(tmp_path / "b.mkv", "-c:v", "libx264", "-pix_fmt", "yuv420p")
    path, mark = tmp_path / "a.mkv", f"h264_metadata=matrix_coefficients={code}"
    ffmpeg("-i", tmp_path / "b.mkv", "-c", "copy", "-bsf:v", mark, path)
    message = rf"a\.mkv has frames in {name}: expected RGB, grey, or YUV of BT\.601"
    for read in (
        lambda: frame_at(path, 0),
        lambda: list(frames_at(path, [0.0])),
        lambda: list(frames_at_rate(path, Fraction(10))),
    ):
        with pytest.raises(MediaError, match=message):
            read()
