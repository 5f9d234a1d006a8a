"""Clips: format arithmetic, checks, and what survives a trip through files of many kinds."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest

from savg.audio.levels import level_difference_db
from savg.clip import Clip
from savg.errors import MediaError
from savg.format import SAVGBENCH, ClipFormat
from savg.media.audio_file import read_audio
from savg.media.encode import write_video


def walking_block(format: ClipFormat = SAVGBENCH) -> Clip:
    """A block that walks one step a frame over a flat ground; a tone 12 dB louder on the left,
    with a click at 2.5 s."""
    video = np.zeros((format.frames, format.size, format.size, 3), np.uint8)
    video[:, format.top : format.bottom] = (40, 60, 80)
    step = format.size // (format.frames + 2)
    for i in range(format.frames):
        video[i, format.top + 20 : format.top + 60, i * step : (i + 2) * step] = (230, 200, 40)
    t = np.arange(format.samples) / format.sample_rate
    tone = 0.4 * np.sin(2 * np.pi * 440 * t)
    click = format.samples // 2
    tone[click : click + 40] = 0.9
    return Clip(video, np.stack([tone, tone / 4]).astype(np.float32))


def centre(frame: np.ndarray) -> float:
    """Horizontal centre of the yellow block in pixels."""
    mask = (frame[..., 0] > 150) & (frame[..., 2] < 120)
    return float(np.nonzero(mask)[1].mean())


def test_every_length_follows_from_the_format() -> None:
    assert (SAVGBENCH.samples, SAVGBENCH.seconds, SAVGBENCH.label_frames) == (80_000, 5.0, 50)
    assert (SAVGBENCH.top, SAVGBENCH.bottom) == (56, 200)
    assert ClipFormat(frames=7, fps=3).duration == Fraction(7, 3)
    small = SAVGBENCH.with_size(64)
    assert (small.top, small.bottom, small.samples) == (14, 50, 80_000)
    with pytest.raises(ValueError, match="frames must be a whole number ≥ 1, got 0"):
        ClipFormat(frames=0)
    with pytest.raises(ValueError, match=r"picture_height must be ≤ size, 256, .*, got 300"):
        ClipFormat(picture_height=300)


def test_a_wrong_clip_names_expected_and_received_shape() -> None:
    good = walking_block()
    with pytest.raises(ValueError, match=r"\(20, 256, 256, 3\), got uint8 \(19, 256, 256, 3\)"):
        Clip(good.video[:-1], good.audio)
    with pytest.raises(ValueError, match=r"float32 \(2, 80000\), got float64"):
        Clip(good.video, good.audio.astype(float))
    with pytest.raises(ValueError, match="audio must be finite"):
        Clip(good.video, np.full_like(good.audio, np.nan))
    with pytest.raises(ValueError, match=r"in −1\.\.1, got a peak of 3"):
        Clip(good.video, np.full_like(good.audio, 3.0))


def test_mirroring_flips_video_and_channels() -> None:
    once = walking_block().mirrored()
    assert level_difference_db(once.audio) == pytest.approx(-12.04, abs=0.1)
    assert centre(once.video[3]) == pytest.approx(255 - centre(walking_block().video[3]))
    twice = once.mirrored()
    np.testing.assert_array_equal(twice.video, walking_block().video)
    np.testing.assert_array_equal(twice.audio, walking_block().audio)


def test_writing_and_reading_keeps_video_audio_and_time(tmp_path: Path) -> None:
    clip = walking_block()
    clip.write(tmp_path / "clip.mp4")
    with av.open(str(tmp_path / "clip.mp4")) as file:
        video, audio = file.streams.video[0], file.streams.audio[0]
        assert (video.codec_context.name, video.pix_fmt) == ("h264", "yuv420p")
        assert (video.average_rate, video.frames) == (4, 20)
        assert (audio.codec_context.name, audio.channels, audio.rate) == ("aac", 2, 16_000)
        assert float(video.duration * video.time_base) == 5.0
    back = Clip.read(tmp_path / "clip.mp4")
    for i in range(20):
        assert centre(back.video[i]) == pytest.approx(centre(clip.video[i]), abs=1.0)
    assert np.abs(back.video.astype(int) - clip.video).mean() < 3
    assert level_difference_db(back.audio) == pytest.approx(12.04, abs=0.1)
    # audio neither early nor late: the best shift of the decoded audio is none
    shifts = range(-40, 41)
    spans = [
        float(clip.audio[0, 39_000:41_000] @ back.audio[0, 39_000 + k : 41_000 + k]) for k in shifts
    ]
    assert abs(shifts[int(np.argmax(spans))]) <= 1


FOREIGN = {
    "mp3.mp4": ["-c:v", "libx264", "-c:a", "libmp3lame", "-b:a", "64k"],
    "vp9.webm": ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-c:a", "libopus"],
    "mpeg4.avi": ["-c:v", "mpeg4", "-q:v", "3", "-c:a", "pcm_s16le"],
    "mov.mov": ["-c:v", "mjpeg", "-q:v", "3", "-c:a", "aac", "-ar", "48000"],
    "fast.mp4": ["-r", "24", "-c:v", "libx264", "-c:a", "aac", "-ar", "44100"],
    "wide.mkv": ["-vf", "crop=256:144,scale=640:360", "-c:v", "libx264", "-c:a", "flac"],
}


@pytest.mark.parametrize("name", FOREIGN)
def test_any_common_file_becomes_the_same_clip(name: str, tmp_path: Path) -> None:
    clip = walking_block()
    clip.write(tmp_path / "source.mp4")
    target = tmp_path / name
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-i",
        tmp_path / "source.mp4",
        *FOREIGN[name],
        target,
    ]
    subprocess.run([str(part) for part in command], check=True)
    back = Clip.read(target)
    assert back.format == SAVGBENCH
    for i in range(20):
        assert centre(back.video[i]) == pytest.approx(centre(clip.video[i]), abs=2.5), i
    assert level_difference_db(back.audio) == pytest.approx(12.04, abs=0.5)
    late = int(np.argmax(np.abs(back.audio[0]))) - int(np.argmax(np.abs(clip.audio[0])))
    assert abs(late) < 0.03 * 16_000


def test_short_and_long_files(tmp_path: Path) -> None:
    short = ClipFormat(frames=6)
    short_clip = Clip(
        walking_block().video[:6],
        np.ascontiguousarray(walking_block().audio[:, : short.samples]),
        short,
    )
    short_clip.write(tmp_path / "short.mp4")
    padded = Clip.read(tmp_path / "short.mp4")
    assert padded.format == SAVGBENCH
    assert centre(padded.video[19]) == pytest.approx(centre(walking_block().video[5]), abs=1)
    assert np.abs(padded.audio[:, 26_000:]).max() < 1e-3
    own = Clip.read(tmp_path / "short.mp4", max_seconds=30)
    assert own.format == short


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_audio_files(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"audio{suffix}"
    walking_block().write_audio(path)
    audio, rate = read_audio(path)
    assert rate == 16_000
    np.testing.assert_allclose(audio, walking_block().audio, atol=1 / 32_000)
    with pytest.raises(MediaError, match=r"must be \.wav or \.flac, got \.ogg"):
        walking_block().write_audio(tmp_path / "audio.ogg")
    (tmp_path / "bad.wav").write_text("no audio")
    with pytest.raises(MediaError, match="not an audio file"):
        read_audio(tmp_path / "bad.wav")


QUARTER_TURNS = {
    # display matrix a, b, c, d → where the stored frame's left half is shown
    "upright": ((1, 0, 0, 1), "left"),
    "clockwise": ((0, 1, -1, 0), "top"),
    "upside down": ((-1, 0, 0, -1), "right"),
    "anticlockwise": ((0, -1, 1, 0), "bottom"),
}


@pytest.mark.parametrize("turn", QUARTER_TURNS)
def test_a_phone_held_another_way_is_shown_upright(turn: str, tmp_path: Path) -> None:
    """The rotation that a phone writes into the track header, patched in by the QuickTime layout:
    x' = a·x + c·y, y' = b·x + d·y with y downwards."""
    path = tmp_path / "phone.mp4"
    video = np.zeros((4, 128, 128, 3), np.uint8)
    video[:, :, :64] = (230, 30, 30)
    format = SAVGBENCH.with_frames(4)
    write_video(path, video, 4, np.zeros((2, format.samples), np.float32), 16_000)
    data = bytearray(path.read_bytes())
    (a, b, c, d), side = QUARTER_TURNS[turn]
    matrix = data.index(b"tkhd") + 4 + 40
    one = lambda value: (value << 16).to_bytes(4, "big", signed=True)  # noqa: E731
    assert data[matrix : matrix + 4] == one(1)
    for offset, value in ((0, a), (4, b), (12, c), (16, d)):
        data[matrix + offset : matrix + offset + 4] = one(value)
    path.write_bytes(data)
    image = Clip.read(path, format).video[0].astype(int)
    red = image[..., 0] - image[..., 2] > 80
    half = np.zeros((256, 256), bool)
    places = {"left": np.s_[:, :128], "right": np.s_[:, 128:]}
    places |= {"top": np.s_[:128], "bottom": np.s_[128:]}
    half[places[side]] = True
    assert (red == half).mean() > 0.97
