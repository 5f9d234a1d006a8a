"""Readers of videos and audio files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from savg.clip import Clip
from savg.data.starss.audio import load_audio
from savg.data.starss.presets import DEVELOPMENT
from savg.errors import MediaError
from savg.format import SAVGBENCH
from savg.media.audio_file import read_audio
from savg.media.audio_track import audio_of
from savg.media.channels import AMBISONICS, AudioRules
from savg.media.clip_reader import audio_note
from savg.media.comment import read_png_comment, write_png
from savg.media.frame_index import frames_at, index_video
from savg.media.frames import frame_at, frames_at_rate
from savg.media.mux import with_audio
from savg.media.probe import file_facts, frame_rate, plays_in_browsers, video_info
from savg.studio.shared.library import Library
from savg.studio.video_to_audio.uploads import Uploads
from savg.video import Video
from savg.viz.compose import read_entry_clip
from tests.fuzz.case import Reader, Seed, Trial
from tests.fuzz.judge import Fault
from tests.fuzz.readers.commands import command
from tests.videos import make_video, tiny_weights


def _video(
    suffix: str, *codecs: str, fps: int = 8, rate: int = 16_000, channels: int = 2, **options: str
) -> Seed:
    def build(folder: Path) -> None:
        make_video(
            folder / f"seed{suffix}", seconds=1.5, fps=fps, width=64, height=36, sample_rate=rate,
            channels=channels, codecs=codecs, options=options,  # type: ignore[arg-type]
        )  # fmt: skip

    return Seed(build, f"seed{suffix}")


def _audio(suffix: str, channels: int, subtype: str) -> Seed:
    def build(folder: Path) -> None:
        samples = np.random.default_rng(0).normal(0, 0.1, (6_000, channels))
        soundfile.write(folder / f"seed{suffix}", samples, 24_000, subtype=subtype)

    return Seed(build, f"seed{suffix}")


def _png(folder: Path) -> None:
    write_png(folder / "seed.png", np.full((36, 64, 3), 90, np.uint8), '{"savg": 1, "seed": 5}')


def _good_among_bad(folder: Path) -> None:
    """Two videos and the detectors; the second may be damaged."""
    make_video(folder / "videos" / "good.mp4", seconds=1, codecs=("libx264", "aac"))
    make_video(folder / "videos" / "worse.mp4", seconds=1, codecs=("libx264", "aac"))


def _batch(folder: Path) -> None:
    (folder / "videos").mkdir()
    _good_among_bad(folder)
    tiny_weights(folder / "weights")


SEEDS = {
    "mp4": _video(".mp4", "libx264", "aac", movflags="+faststart"),
    "fragments": _video(".mp4", "libx264", "aac", movflags="frag_keyframe+empty_moov"),
    "mov": _video(".mov", "mpeg4", "pcm_s16le"),
    "mkv": _video(".mkv", "libx264", "flac"),
    "webm": _video(".webm", "libvpx", "libopus", rate=48_000),
    "ts": _video(".ts", "libx264", "aac"),
    "avi": _video(".avi", "mpeg4", "pcm_s16le"),
    "flv": _video(".flv", "flv1", "aac", rate=44_100),
    "mpg": _video(".mpg", "mpeg1video", "mp2", fps=25, rate=44_100),
    "wmv": _video(".wmv", "wmv2", "mp2", rate=44_100),
    "surround": _video(".mp4", "libx264", "aac", channels=6, rate=48_000),
    "mono": _video(".mkv", "mpeg4", "pcm_s16le", channels=1),
    "wav": _audio(".wav", 2, "PCM_16"),
    "flac": _audio(".flac", 2, "PCM_16"),
    "foa": _audio(".wav", 4, "PCM_24"),
    "png": Seed(_png, "seed.png"),
    "batch": Seed(_batch, targets=("videos/worse.mp4",)),
}

VIDEOS = ("mp4", "fragments", "mov", "mkv", "webm", "ts", "avi", "flv", "mpg", "wmv")


def _on_path(read: Callable[[Path], object], trial: Trial) -> None:
    read(trial.path)


def _with_audio(trial: Trial) -> None:
    with_audio(trial.path, trial.out / "new.mp4", np.zeros((2, 24_000), np.float32), 16_000)


def _frames(trial: Trial) -> None:
    frame_at(trial.path, trial.rng.choice((0, 3, 100)))
    for _ in frames_at_rate(trial.path, trial.rng.choice((Fraction(4), Fraction(30_000, 1001)))):
        pass


def _any_audio(trial: Trial) -> None:
    rules = AudioRules(silent=trial.rng.random() < 0.5)
    audio_note(trial.path, rules)
    Clip.read(trial.path, audio=rules)
    told = AudioRules(trial.rng.choice(list(AMBISONICS)))
    with suppress(MediaError):  # rightly refused where there are not four channels
        audio_note(trial.path, told)
        Clip.read(trial.path, audio=told)


def _index(trial: Trial) -> None:
    video = index_video(trial.path)
    for _, frame in frames_at(video, (0.0, 0.3, 0.9, video.seconds)):
        frame.rgb(0, 4), frame.small(8, 8)


def _probe(trial: Trial) -> None:
    video_info(trial.path), frame_rate(trial.path), plays_in_browsers(trial.path)


def _annotate(trial: Trial) -> None:
    videos, weights = trial.path / "videos", trial.path / "weights"
    before = sum(path.is_file() for path in videos.iterdir())
    _, sentences = command(
        ["annotate", str(videos), "--out", str(trial.out), "--weights", str(weights)]
    )
    for name in ("good", "worse"):
        written = {path.name.partition(".")[2] for path in trial.out.glob(f"{name}.*")}
        if written not in (set(), {"boxes.csv", "events.csv", "overlay.mp4", "json"}):
            raise Fault(f"the results of {name} are not whole: {sorted(written)}")
        if name == "good" and not written:
            raise Fault(f"one bad file stopped the other: {sentences}")
    if len(sentences) + len(list(trial.out.glob("*.json"))) != before:
        raise Fault(f"{before} files, but {sentences}")


def _library(trial: Trial) -> None:
    Library(trial.scratch).add_upload(trial.path, trial.path.name)


def _upload(trial: Trial) -> None:
    copy = trial.scratch / "upload"
    if trial.path.is_file():
        copy.write_bytes(trial.path.read_bytes())
    else:
        copy = trial.path
    Uploads().receive(copy, trial.path.name, "visitor")


READERS = {
    "clip": Reader(partial(_on_path, Clip.read), VIDEOS, 6),
    "clip_own_length": Reader(partial(_on_path, partial(Clip.read, max_seconds=60.0)), VIDEOS, 6),
    "clip_of_any_audio": Reader(_any_audio, ("surround", "mono", "mp4", "ts"), 4),
    "video": Reader(partial(_on_path, Video.read), VIDEOS, 6),
    "audio_of": Reader(partial(_on_path, partial(audio_of, seconds=2.0)), VIDEOS, 4),
    "with_audio": Reader(_with_audio, VIDEOS, 6),
    "probe": Reader(_probe, VIDEOS, 4),
    "file_facts": Reader(partial(_on_path, partial(file_facts, format=SAVGBENCH)), VIDEOS, 4),
    "frames": Reader(_frames, VIDEOS, 4),
    "frame_index": Reader(_index, VIDEOS, 4),
    "entry_clip": Reader(partial(_on_path, read_entry_clip), VIDEOS, 3),
    "library": Reader(_library, ("mp4", "webm"), 2),
    "upload": Reader(_upload, ("mp4", "mkv"), 2),
    "png_comment": Reader(partial(_on_path, read_png_comment), ("png",), 4),
    "annotate": Reader(_annotate, ("batch",), 2),
    "audio": Reader(partial(_on_path, read_audio), ("wav", "flac"), 5),
    "ambisonics": Reader(partial(_on_path, partial(load_audio, settings=DEVELOPMENT)), ("foa",), 3),
}
