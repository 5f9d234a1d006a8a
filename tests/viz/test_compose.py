"""Composed videos: when each clip's video and audio play, and that both are unchanged."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from savg.annotation import Alignment, Boxes, SoundEvents
from savg.audio.levels import level_difference_db
from savg.clip import Clip
from savg.errors import SavgError
from savg.format import ClipFormat
from savg.viz.cards import card, spectrogram_card, to_ascii
from savg.viz.compose import CARD_SECONDS, TITLE_SECONDS, Composed, Entry, compose, read_entry_clip

FORMAT = ClipFormat(frames=8, size=64, picture_height=36)


def flash(second: float, left: float, right: float, format: ClipFormat = FORMAT) -> Clip:
    """Grey, white from a second on for a frame, with a burst of noise that begins then."""
    video = np.full((format.frames, format.size, format.size, 3), 60, np.uint8)
    video[:, : format.top] = video[:, format.bottom :] = 0
    video[round(second * format.fps), format.top : format.bottom] = 255
    audio = np.zeros((2, format.samples), np.float32)
    burst = np.random.default_rng(0).uniform(-1, 1, format.sample_rate // 4)
    start = round(second * format.sample_rate)
    audio[:, start : start + len(burst)] = np.array([[left], [right]]) * burst
    return Clip(video, audio, format)


@dataclass
class DecodedVideo:
    """The decoded frames of a file, and its audio."""

    video: np.ndarray
    audio: np.ndarray
    fps: int
    sample_rate: int = 16_000


def decode(path: Path, written: Composed) -> DecodedVideo:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    matrix = 1 if written.height >= 720 or written.width >= 1280 else 6
    assert {(f.colorspace, f.color_range, f.color_primaries) for f in frames} == {(matrix, 1, 1)}
    video = np.stack([f.to_ndarray(format="rgb24") for f in frames])
    assert video.shape == (round(written.seconds * written.fps), written.height, written.width, 3)
    format = ClipFormat(fps=written.fps, size=16, picture_height=16)
    return DecodedVideo(
        video, Clip.read(path, format, max_seconds=written.seconds).audio, written.fps
    )


def onsets(clip: DecodedVideo, level: float) -> list[float]:
    """Seconds at which audio after at least 0.3 s of near silence reaches a level."""
    loud = np.flatnonzero(np.abs(clip.audio).max(axis=0) > level) / clip.sample_rate
    return [
        float(t) for t, before in zip(loud, [-9.0, *loud[:-1]], strict=True) if t - before > 0.3
    ]


def flashes(clip: DecodedVideo, columns: slice) -> list[float]:
    """Seconds of the frames with white in some columns."""
    bright = (clip.video[:, :, columns].min(axis=3) > 200).mean(axis=(1, 2))
    return [float(n) / clip.fps for n in np.flatnonzero(bright > 0.5 * bright.max())]


def part(clip: DecodedVideo, start: float, end: float) -> np.ndarray:
    rate = clip.sample_rate
    return clip.audio[:, round(start * rate) : round(end * rate)]


def test_side_by_side_each_clips_audio_plays_in_turn_in_time_and_at_its_level(
    tmp_path: Path,
) -> None:
    one, two = flash(0.5, 0.5, 0.25), flash(1.25, 0.05, 0.2)
    written = compose(tmp_path / "a.mp4", [Entry(one, "One"), Entry(two, "Two")], title="Both")
    assert written.fps == 4 and written.seconds == TITLE_SECONDS + 2 * 2.0
    assert written.width % 2 == written.height % 2 == 0
    clip = decode(tmp_path / "a.mp4", written)
    half = written.width // 2
    assert flashes(clip, slice(30, half - 30)) == [2.5, 4.5]
    assert flashes(clip, slice(half + 30, -30)) == [3.25, 5.25]
    starts = onsets(clip, 0.05)
    assert starts == pytest.approx([2.5, 5.25], abs=0.02)
    for source, start in ((one, 2.0), (two, 4.0)):
        excerpt = part(clip, start, start + 2)
        assert level_difference_db(excerpt) == pytest.approx(
            level_difference_db(source.audio), abs=0.2
        )
        rms = np.sqrt(np.square([excerpt, source.audio]).mean(axis=2))
        np.testing.assert_allclose(20 * np.log10(rms[0] / rms[1]), 0, atol=0.2)
    assert np.abs(part(clip, 0, 1.9)).max() < 0.01


def test_side_by_side_one_clips_audio_plays_and_the_shorter_one_waits(tmp_path: Path) -> None:
    long = ClipFormat(frames=12, size=64, picture_height=36)
    entries = [Entry(flash(0.5, 0.5, 0.25)), Entry(flash(2.25, 0.1, 0.4, long))]
    written = compose(tmp_path / "a.mp4", entries, audio=1)
    clip = decode(tmp_path / "a.mp4", written)
    assert written.seconds == 3.0
    assert onsets(clip, 0.05) == pytest.approx([2.25], abs=0.02)
    assert level_difference_db(clip.audio) == pytest.approx(-12.04, abs=0.2)


def test_in_turn_each_after_a_card_with_its_label(tmp_path: Path) -> None:
    steps = []
    entries = [Entry(flash(0.5, 0.5, 0.25), "One"), Entry(flash(1.0, 0.25, 0.5), "Two")]
    written = compose(
        tmp_path / "a.mp4", entries, "sequence", on_step=lambda done, total: steps.append(done)
    )
    assert written.seconds == 2 * (CARD_SECONDS + 2.0) and steps == list(range(1, 25))
    clip = decode(tmp_path / "a.mp4", written)
    expected = [CARD_SECONDS + 0.5, 2 * CARD_SECONDS + 2 + 1.0]
    assert flashes(clip, slice(None)) == expected
    assert onsets(clip, 0.1) == pytest.approx(expected, abs=0.02)


def test_rates_of_frames_and_samples_may_differ(tmp_path: Path) -> None:
    fast = ClipFormat(frames=20, fps=10, sample_rate=48_000, size=64, picture_height=36)
    entries = [Entry(flash(0.5, 0.5, 0.25)), Entry(flash(1.5, 0.3, 0.3, fast))]
    written = compose(tmp_path / "a.mp4", entries, "sequence")
    assert written.fps == 20 and written.seconds == 4.0
    clip = decode(tmp_path / "a.mp4", written)
    assert flashes(clip, slice(None))[0] == 0.5 and flashes(clip, slice(None))[-2:] == [3.5, 3.55]
    assert onsets(clip, 0.1) == pytest.approx([0.5, 3.5], abs=0.02)


def test_an_overlay_beside_spectrograms_with_a_moving_line(tmp_path: Path) -> None:
    clip = flash(0.5, 0.5, 0.25)
    no_detections = (Boxes.empty(), SoundEvents.empty(), Alignment(np.zeros(0, bool)))
    written = compose(tmp_path / "a.mp4", [Entry(clip, "", no_detections)], "overlay-spectrogram")
    assert (written.width, written.fps, written.seconds) == (1280, 20, 2.0)
    shown = decode(tmp_path / "a.mp4", written)
    card_ = spectrogram_card(clip, 640, written.height - 44)
    gap = 44 + (card_.top + card_.bottom) // 2  # between the channels
    line = shown.video[:, gap - 2 : gap + 3, 640:].min(axis=(1, 3)).argmax(axis=1)
    expected = card_.left + (card_.right - card_.left) * (np.arange(40) + 0.5) / 40
    assert np.abs(line - expected).max() <= 2
    assert onsets(shown, 0.1) == pytest.approx([0.5], abs=0.02)


def test_a_card_holds_any_text() -> None:
    assert to_ascii("Zoë’s “30°” – naïve … 日\n\tx") == 'Zoe\'s "30 deg" - naive ... ? x'
    for text in ("", "word", "word " * 200, "w" * 500):
        image = card(text, 200, 60, 20)
        assert image.shape == (60, 200, 3) and image.dtype == np.uint8
        assert (image[:, :3].max() < 100) and (image[:, -3:].max() < 100)
        assert bool(text.strip()) == bool((image > 128).any())


def test_spectrograms_are_those_of_their_channels() -> None:
    format = ClipFormat(frames=8, size=64, picture_height=36)
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(format.samples) / format.sample_rate)
    clip = Clip(np.zeros((8, 64, 64, 3), np.uint8), np.stack([tone, 0 * tone]).astype("f4"), format)
    shown = spectrogram_card(clip, 640, 480)
    middle = (shown.top + shown.bottom) // 2
    assert shown.image[shown.top : middle - 20, 320].max() > 200
    assert shown.image[middle + 20 : shown.bottom, 320].max() < 20


def test_files_are_read_near_their_own_size_and_rate(tmp_path: Path) -> None:
    flash(0.5, 0.5, 0.25).write(tmp_path / "small.mp4")
    clip = read_entry_clip(tmp_path / "small.mp4")
    assert (clip.format.fps, clip.format.frames, clip.format.size) == (4, 8, 256)
    assert clip.format.sample_rate == 48_000
    from savg.media.encode import write_video

    wide = np.random.default_rng(0).integers(0, 255, (50, 270, 480, 3), np.uint8)
    write_video(tmp_path / "wide.mp4", wide, 25, np.zeros((2, 96_000), np.float32), 48_000)
    clip = read_entry_clip(tmp_path / "wide.mp4")
    assert (clip.format.fps, clip.format.frames, clip.format.size) == (25, 50, 480)
    assert clip.format.picture_height == 270
    strip = np.zeros((25, 4, 4000, 3), np.uint8)
    write_video(tmp_path / "strip.mp4", strip, 25, np.zeros((2, 48_000), np.float32), 48_000)
    assert read_entry_clip(tmp_path / "strip.mp4").format.picture_height == 2


def test_arguments_that_do_not_fit_are_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Entry(flash(0.5, 0.5, 0.25))
    for arguments, words in (
        (([],), "at least one"),
        (([entry] * 10,), "at most 9, got 10"),
        (([entry], "grid"), "side-by-side, sequence"),
        (([entry], "overlay-spectrogram"), "observed"),
    ):
        with pytest.raises(ValueError, match=words):
            compose(tmp_path / "a.mp4", *arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="below 1, got 1"):
        compose(tmp_path / "a.mp4", [entry], audio=1)
    monkeypatch.setitem(sys.modules, "moviepy", None)
    with pytest.raises(SavgError, match="moviepy"):
        compose(tmp_path / "a.mp4", [entry])
    assert not list(tmp_path.iterdir())
