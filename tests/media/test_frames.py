"""Frames of video files by time, upright, and fitted into a format."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import pytest

from savg.errors import MediaError
from savg.format import SAVGBENCH
from savg.media.container import open_container, video_stream
from savg.media.frames import decode, fit_frame, frame_at, frames_at_rate
from tests.videos import make_video, rotated
from tests.videos_by_brightness import grey, numbers, write_silent

H264 = ("libx264", "aac")


def test_uneven_frames_stay_until_the_next_one(tmp_path: Path) -> None:
    times = [Fraction(0), Fraction(1), Fraction(11, 10), Fraction(2)]
    path = write_silent(tmp_path / "a.mp4", grey(4), times)
    shown = numbers(np.stack(list(frames_at_rate(path, Fraction(10)))))
    assert shown[:10] == [0] * 10 and shown[10] == 1 and shown[11:20] == [2] * 9
    assert set(shown[20:]) == {3} and len(shown) >= 21


def test_frames_of_any_shape_are_fitted() -> None:
    wide = np.full((360, 640, 3), 200, np.uint8)
    frame = fit_frame(wide, SAVGBENCH)
    assert (frame[56:200] > 190).all() and not frame[:56].any() and not frame[200:].any()
    tall = fit_frame(np.full((400, 100, 3), 200, np.uint8), SAVGBENCH)
    assert (tall[:, 96:160] > 190).all() and not tall[:, :96].any()


def test_an_image_without_pixels_is_refused() -> None:
    with pytest.raises(MediaError, match="An image of 5×0 pixels cannot be fitted"):
        fit_frame(np.zeros((0, 5, 3), np.uint8), SAVGBENCH)


def test_decoded_frames_know_when_they_are_shown(tmp_path: Path) -> None:
    path = write_silent(tmp_path / "a.mkv", grey(3), [Fraction(1), Fraction(3, 2), Fraction(4)])
    with open_container(path) as container:
        frames = list(decode(container, video_stream(container, path)))
    start = frames[0].time
    assert [frame.begin for frame in frames] == pytest.approx([0.0, 0.5, 3.0], abs=1e-3)
    assert [frame.time - start for frame in frames] == pytest.approx([0.0, 0.5, 3.0], abs=1e-3)
    assert [frame.end - frame.begin for frame in frames] == pytest.approx([1 / 30] * 3)
    assert numbers(np.stack([frame.rgb() for frame in frames])) == [0, 1, 2]


def test_a_frame_is_stored_as_it_is_and_shown_upright(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", width=128, height=64, codecs=H264, audio=False)
    path = rotated(source, tmp_path / "rotated.mp4")
    with open_container(path) as container:
        frame = next(decode(container, video_stream(container, path)))
        assert frame.stored().shape == (64, 128, 3) and frame.luma().shape == (64, 128)
        assert frame.rgb().shape == (128, 64, 3)


@pytest.mark.parametrize(("number", "shown"), [(0, 0), (3, 3), (7, 7), (99, 7)])
def test_a_frame_by_its_number(tmp_path: Path, number: int, shown: int) -> None:
    path = make_video(tmp_path / "a.mkv", seconds=2, fps=4, audio=False)
    frame = frame_at(path, number)
    assert frame.shape == (144, 256, 3)
    assert frame.mean() == pytest.approx(20 + 10 * shown, abs=4)
    assert (frame == list(frames_at_rate(path, Fraction(4)))[shown]).all()


def test_a_file_without_frames_is_refused(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", frames=False)
    with pytest.raises(MediaError, match=r"a\.mkv has no"):
        frame_at(path, 0)


def test_album_art_is_no_video(tmp_path: Path) -> None:
    song = make_video(tmp_path / "song.mkv", audio=True, frames=False)
    image = tmp_path / "cover.png"
    cv2.imwrite(str(image), np.full((48, 64, 3), 90, np.uint8))
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", song, "-i", image]
    command += ["-map", "0:a", "-map", "1:v", "-c:v", "mjpeg", "-disposition:v", "attached_pic"]
    subprocess.run([str(part) for part in [*command, tmp_path / "a.mp4"]], check=True)
    with open_container(tmp_path / "a.mp4") as container:
        assert container.streams.video
        with pytest.raises(MediaError, match=r"a\.mp4 has no frames that can be read"):
            video_stream(container, tmp_path / "a.mp4")
