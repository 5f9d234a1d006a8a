"""Films: pictures by time from real files, silent ones included, and with new sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from savg.annotation import Boxes
from savg.clip import Clip
from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.audio_file import read_audio, write_audio
from savg.media.frame_sampling import choose_frames
from savg.media.frames import frames_at_rate
from savg.media.mux import with_audio
from savg.media.probe import frame_rate
from savg.video import Video

FORM = ClipFormat(frames=4, fps=4, sample_rate=16_000, size=32, picture_height=18)


def grey(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Pictures whose brightness tells their number."""
    return [np.full((height, width, 3), 20 + 8 * i, np.uint8) for i in range(count)]


def write_silent(path: Path, pictures: list[np.ndarray], times: list[Fraction]) -> Path:
    """A film without sound whose pictures come at the given seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.options = "yuv444p", {"crf": "1", "bf": "0"}
        stream.codec_context.time_base = Fraction(1, 1000)
        for picture, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.time_base, frame.pts = Fraction(1, 1000), round(time * 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def numbers(frames: np.ndarray) -> list[int]:
    """Which picture each one is, by its brightness in the middle."""
    middle = frames[:, frames.shape[1] // 2, frames.shape[2] // 2].mean(-1)
    return [round((float(value) - 20) / 8) for value in middle]


def test_a_silent_film_is_read_at_its_own_rate(tmp_path: Path) -> None:
    path = write_silent(tmp_path / "a.mp4", grey(10), [Fraction(i, 5) for i in range(10)])
    assert frame_rate(path) == 5
    film = Video.read(path, FORM)
    assert film.fps == 5 and film.duration == 2 and film.frames.shape == (10, 32, 32, 3)
    assert numbers(film.frames) == list(range(10))


def test_uneven_pictures_stay_until_the_next_one(tmp_path: Path) -> None:
    times = [Fraction(0), Fraction(1), Fraction(11, 10), Fraction(2)]
    path = write_silent(tmp_path / "a.mp4", grey(4), times)
    shown = numbers(np.stack(list(frames_at_rate(path, Fraction(10)))))
    assert shown[:10] == [0] * 10 and shown[10] == 1 and shown[11:20] == [2] * 9
    assert set(shown[20:]) == {3} and len(shown) >= 21


def test_fast_films_are_thinned_to_what_networks_look_at(tmp_path: Path) -> None:
    path = write_silent(tmp_path / "a.mp4", grey(25), [Fraction(i, 50) for i in range(25)])
    film = Video.read(path, FORM)
    assert film.fps == 25 and len(film.frames) == 13
    assert numbers(film.frames) == list(range(0, 25, 2))


def test_new_sound_leaves_the_pictures(tmp_path: Path) -> None:
    path = write_silent(tmp_path / "a.mp4", grey(10, 49, 65), [Fraction(i, 5) for i in range(10)])
    t = np.arange(32_000) / 16_000
    sound = np.stack([0.5 * np.sin(2 * np.pi * 440 * t), 0.1 * np.sin(2 * np.pi * 440 * t)])
    with_audio(path, tmp_path / "b.mp4", sound.astype(np.float32), 16_000)
    assert frame_rate(tmp_path / "b.mp4") == 5
    frames = np.stack(list(frames_at_rate(tmp_path / "b.mp4", Fraction(5))))
    assert frames.shape == (10, 48, 64, 3) and numbers(frames) == list(range(10))
    clip = Clip.read(tmp_path / "b.mp4", ClipFormat(frames=8, fps=4))
    left, right = clip.audio.std(axis=1)
    assert left == pytest.approx(0.5 / np.sqrt(2), rel=0.03)
    assert right == pytest.approx(0.1 / np.sqrt(2), rel=0.05)


def test_times_are_those_of_the_rule_for_features() -> None:
    film = Video(np.stack(grey(20, 32, 32)), Fraction(4))
    slow, fast = choose_frames(4, 20, 5, (8, 25)).indices
    assert (film.at(8, 0, 40) == slow).all()
    assert (film.at(25, 0, 125) == fast).all()
    assert (film.at(8, 2, 8) == slow[16:24]).all()
    assert (film.at(8, 4, 16) == [*slow[32:], *[19] * 8]).all()  # its last frame stays


def test_a_mirrored_film_and_its_boxes() -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), dtype=np.uint8)
    boxes = Boxes([1], [0], [[10.0, 20.0, 30.0, 60.0]])
    mirrored = Video(pictures, Fraction(4), boxes).mirrored()
    assert (mirrored.frames == pictures[:, :, ::-1]).all()
    assert mirrored.boxes.xyxy.tolist() == [[226.0, 20.0, 246.0, 60.0]]


def test_wrong_files_and_pictures_are_named(tmp_path: Path) -> None:
    write_audio(tmp_path / "s.wav", np.zeros((2, 1600), np.float32), 16_000)
    assert read_audio(tmp_path / "s.wav")[1] == 16_000
    with pytest.raises(MediaError, match=r"s\.wav has no pictures"):
        Video.read(tmp_path / "s.wav")
    (tmp_path / "t.mp4").write_text("no film")
    with pytest.raises(MediaError, match=r"t\.mp4"):
        Video.read(tmp_path / "t.mp4")
    with pytest.raises(MediaError, match="no such"):
        Video.read(tmp_path / "none.mp4")
    path = write_silent(tmp_path / "a.mp4", grey(10), [Fraction(i, 5) for i in range(10)])
    with pytest.raises(MediaError, match=r"longer than 1 s"):
        Video.read(path, FORM, max_seconds=1)
    with pytest.raises(ValueError, match="size, size, 3"):
        Video(np.zeros((2, 8, 9, 3), np.uint8), Fraction(4))
    with pytest.raises(ValueError, match="uint8"):
        Video(np.zeros((2, 8, 8, 3), np.float32), Fraction(4))
