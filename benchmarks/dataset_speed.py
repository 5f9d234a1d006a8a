"""Speed of `dataset build`: `python -m benchmarks.dataset_speed [--clips N] [--out DIR]`.

Seconds of recording cut into clips by one core in a second (process time, one thread), on synthetic
1920×960 recordings with the development steps, from opening the files to the finished reports; and
how much longer the same clips take when each is built by itself. That plain construction gets the list
of accepted windows, so it omits the judgement; for each it seeks to the window, decodes it, projects
its frames with py360convert, filters its audio (with a second of run-in) and codes it. The two
alternate in rounds; the plain one builds every n-th clip and is scaled. Clips of both are compared with
their frames and audio before coding.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import av
import cv2
import numpy as np
import py360convert
import soundfile
from scipy import signal

from savg.clip import Clip
from savg.data.savgbench import BenchItem, SavgBench
from savg.data.starss import construct, cutting, projection, synth
from savg.data.starss.audio import RecordingAudio
from savg.data.starss.build import build
from savg.data.starss.labels import read_labels
from savg.data.starss.recordings import Files, Recording, find_recordings
from savg.data.starss.results import Candidate, ClipRecord, Construction
from savg.data.starss.windows import clip_labels
from savg.evaluation.result_files import RESULTS
from savg.geometry import foa_to_stereo, rotate_foa
from savg.media import frame_index, strips
from savg.media.colour import to_rgb
from savg.paths import atomic_file

TAKES = {"takes of 60 s": (3, 60.0), "takes of 20 s, densely populated": (6, 20.0)}
"""Recordings and seconds of each. People are not silent as long in short takes."""

SETTINGS = Construction()
_RUN_IN = 1.0


def plain_clip(files: Files, record: ClipRecord, settings: Construction, out: Path) -> Clip:
    """One clip and its labels built and written by itself, without sharing work with others."""
    format = settings.format
    begin = record.start / format.label_fps
    times = [begin + index / format.fps for index in range(format.frames)]
    frames: list[np.ndarray] = []
    with av.open(str(files.video)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        container.seek(int(begin / stream.time_base), stream=stream)
        previous = None
        for frame in container.decode(stream):
            while previous is not None and len(frames) < format.frames:
                if frame.time - 1e-3 <= times[len(frames)] + 1e-9:
                    break
                frames.append(plain_view(to_rgb(previous), record.view, settings))
            previous = frame
            if len(frames) == format.frames:
                break
    audio = plain_audio(files.audio, begin, record.view, settings)
    clip = Clip(np.stack(frames), audio, format)
    clip.write(out / f"{record.name}.mp4")
    labels = read_labels(files.labels)
    candidate = Candidate(record.start, record.view, record.category)
    clip_labels(labels, candidate, settings).write_csv(out / f"{record.name}.csv")
    return clip


def plain_view(panorama: np.ndarray, view: int, settings: Construction) -> np.ndarray:
    """One frame with py360convert, padded."""
    format = settings.format
    half = np.tan(np.radians(settings.field_of_view / 2)) * format.picture_height / format.size
    field = (settings.field_of_view, float(np.degrees(2 * np.arctan(half))))
    size = (format.picture_height, format.size)
    frame = np.zeros((format.size, format.size, 3), np.uint8)
    frame[format.top : format.bottom] = py360convert.e2p(panorama, field, -view, 0, size)
    return frame


def plain_audio(path: Path, begin: float, view: int, settings: Construction) -> np.ndarray:
    """The audio of one window: read, filtered, resampled, rotated and decoded."""
    format = settings.format
    with soundfile.SoundFile(path) as source:
        rate = source.samplerate
        lead = round(min(begin, _RUN_IN) * rate)
        source.seek(round(begin * rate) - lead)
        foa = source.read(lead + round((format.seconds + 0.1) * rate)).T
    sections = signal.butter(4, settings.high_pass, "high", fs=rate, output="sos")
    common = np.gcd(rate, format.sample_rate)
    foa = signal.resample_poly(
        signal.sosfilt(sections, foa, axis=1), format.sample_rate // common, rate // common, axis=1
    )
    stereo = foa_to_stereo(rotate_foa(foa, view)) * 10 ** (settings.gain_db / 20)
    first = lead * format.sample_rate // rate
    window = stereo[:, first : first + format.samples]
    window = np.pad(window, ((0, 0), (0, format.samples - window.shape[1])))
    return np.clip(window, -1, 1).astype(np.float32)


class Stages:
    """Process time by stage, each moment counted once, for the innermost running stage."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._running: list[str] = []
        self._since = 0.0

    def _switch(self) -> None:
        now = time.process_time()
        if self._running:
            self.spent[self._running[-1]] += now - self._since
        self._since = now

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the block's time as `name`."""
        self._switch()
        self._running.append(name)
        try:
            yield
        finally:
            self._switch()
            self._running.pop()

    def function(self, original: Callable[..., Any], name: str) -> Callable[..., Any]:
        """A function that counts as a stage."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return original(*args, **kwargs)

        return counted

    def generator(self, original: Callable[..., Any], name: str) -> Callable[..., Any]:
        """A generator whose own steps count as a stage."""

        def counted(*args: Any) -> Iterator[Any]:
            steps = original(*args)
            while True:
                with self.stage(name):
                    item = next(steps, None)
                if item is None:
                    return
                yield item

        return counted

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count the stages of every construction in the block; the rest is "other"."""
        parts = [
            (construct, "judge", "labels"),
            (construct, "read_labels", "labels"),
            (construct, "clip_labels", "labels"),
            (construct, "load_audio", "sound: filter, resample"),
            (RecordingAudio, "clip", "sound: turn, decode"),
            (construct, "index_video", "video: index"),
            (frame_index.IndexedFrame, "rgb", "video: convert"),
            (projection.Projector, "prepare", "video: project"),
            (projection.Projector, "view", "video: project"),
            (strips.Canvas, "frame", "video: convert"),
            (strips.Strip, "__init__", "code: start"),
            (strips.Strip, "show", "code: frames"),
            (strips.Strip, "_code_audio", "code: audio"),
            (strips.Strip, "cut", "write clips"),
            (cutting, "_write_panorama", "write panoramas"),
            (Recording, "fingerprint", "hashes"),
        ]
        with ExitStack() as stack:
            for owner, name, stage in parts:
                counted = self.function(getattr(owner, name), stage)
                stack.enter_context(patch.object(owner, name, counted))
            counted = self.generator(frame_index._decoded, "video: decode")
            stack.enter_context(patch.object(frame_index, "_decoded", counted))
            with self.stage("other (reports, tables, folders)"):
                yield


def measure(starss: Path, work: Path, clips: int, rounds: int) -> dict[str, Any]:
    """Our construction of all recordings, alternating with the plain one of some of their clips."""
    stages, ours, plain, count = Stages(), 0.0, 0.0, 0
    worst = Agreement()
    recordings = {recording.name: recording for recording in find_recordings(starss).recordings}
    for round_ in range(rounds):
        out, plain_out = work / f"ours{round_}", work / f"plain{round_}"
        start = time.process_time()
        with stages.watching():
            outcome = build(starss, out, SETTINGS, processes=1)
        ours += time.process_time() - start
        plain_out.mkdir()
        bench = SavgBench(outcome.folder)
        every = [
            (result.name, record)
            for result in outcome.results
            for record in result.clips[:: max(1, len(result.clips) // clips)]
        ]
        for name, record in every[round_::rounds]:
            with recordings[name].files(work) as files:
                start = time.process_time()
                uncoded = plain_clip(files, record, SETTINGS, plain_out)
                plain += time.process_time() - start
            worst.note(bench[record.name], uncoded, plain_out)
            count += 1
    clip_count = sum(len(result.clips) for result in outcome.results)
    seconds = sum(result.seconds for result in outcome.results)
    return {
        "recording seconds": seconds,
        "clips": clip_count,
        "seconds": ours / rounds,
        "real time factor": seconds / (ours / rounds),
        "ms a clip, ours": 1e3 * ours / rounds / clip_count,
        "ms a clip, plain": 1e3 * plain / count,
        "times faster": (plain / count) / (ours / rounds / clip_count),
        "plain clips made": count,
        "stages": {name: spent / ours for name, spent in stages.spent.items()},
        "worst": asdict(worst),
    }


@dataclass
class Agreement:
    """The worst PSNR and SNR in dB of coded clips against uncoded ones, and unequal tables."""

    picture: float = 99.0
    plain_picture: float = 99.0
    sound: float = 99.0
    plain_sound: float = 99.0
    tables: int = 0

    def note(self, item: BenchItem, uncoded: Clip, plain_out: Path) -> None:
        """Compare our clip and the plain one with the clip before coding."""
        plain = Clip.read(plain_out / f"{item.name}.mp4")
        for clip, kind in ((item.clip, ""), (plain, "plain_")):
            error = np.mean((clip.picture.astype(float) - uncoded.picture) ** 2)
            noise = np.mean((clip.audio - uncoded.audio) ** 2) / np.mean(uncoded.audio**2)
            for name, value in (
                (f"{kind}picture", 10 * np.log10(255**2 / error)),
                (f"{kind}sound", -10 * np.log10(noise)),
            ):
                setattr(self, name, min(getattr(self, name), float(value)))
        table = (plain_out / f"{item.name}.csv").read_text(encoding="utf-8")
        self.tables += table != item.labels_path.read_text(encoding="utf-8")


def as_text(tables: dict[str, dict[str, Any]], heading: Sequence[str]) -> str:
    """The tables in Markdown."""
    names = list(tables)
    rows = {
        "recording, seconds": lambda t: f"{t['recording seconds']:.0f}",
        "clips built": lambda t: f"{t['clips']}",
        "**recording seconds a core-second**": lambda t: f"**{t['real time factor']:.0f}**",
        "ms a clip": lambda t: f"{t['ms a clip, ours']:.0f}",
        "ms a clip, each by itself": lambda t: f"{t['ms a clip, plain']:.0f}",
        "**times faster**": lambda t: f"**{t['times faster']:.0f}**",
        "clips built by themselves and compared": lambda t: f"{t['plain clips made']}",
        "worst PSNR of a coded clip, ours / by itself, dB": lambda t: _both(t, "picture"),
        "worst SNR of a coded clip, ours / by itself, dB": lambda t: _both(t, "sound"),
        "label tables that differ": lambda t: f"{t['worst']['tables']}",
    }
    lines = [*heading, "", "| | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    lines += [
        f"| {row} | {' | '.join(cell(tables[n]) for n in names)} |" for row, cell in rows.items()
    ]
    stages = sorted(
        {name for table in tables.values() for name in table["stages"]},
        key=lambda name: -sum(table["stages"].get(name, 0.0) for table in tables.values()),
    )
    lines += ["", "Where the time goes:", "", "| | " + " | ".join(names) + " |"]
    lines += ["|---|" + "---:|" * len(names)]
    for stage in stages:
        shares = (f"{100 * tables[name]['stages'].get(stage, 0.0):.0f} %" for name in names)
        lines.append(f"| {stage} | {' | '.join(shares)} |")
    return "\n".join(lines) + "\n"


def _both(table: dict[str, Any], name: str) -> str:
    return f"{table['worst'][name]:.1f} / {table['worst'][f'plain_{name}']:.1f}"


def main() -> None:
    """Write the recordings, measure, print the tables and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=6, help="plain clips of each recording")
    parser.add_argument("--rounds", type=int, default=2, help="of both constructions")
    parser.add_argument("--recordings", type=Path, help="folder of the recordings, for later runs")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    tables = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for index, (name, (count, seconds)) in enumerate(TAKES.items()):
            starss = (args.recordings or work) / f"takes{index}"
            if not starss.exists():
                synth.write_starss(starss, count, seed=7 + index, seconds=seconds)
            place = work / f"built{index}"
            place.mkdir()
            if not tables:
                build(starss, place / "warm", SETTINGS, processes=1)
            tables[name] = measure(starss, place, args.clips, args.rounds)
    machine = f"{platform.processor() or platform.machine()}, one core"
    versions = f"PyAV {av.__version__}, OpenCV {cv2.__version__}, numpy {np.__version__}"
    heading = [
        "# Speed of the construction from recordings",
        "",
        f"`python -m benchmarks.dataset_speed` on {machine}, {versions}.",
        "Synthetic 1920×960 recordings, development steps; process time, everything included.",
        f"Load of the machine meanwhile: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.",
    ]
    text = as_text(tables, heading)
    print(text)
    result = {"machine": machine, "versions": versions, "tables": tables}
    for suffix, content in ((".md", text), (".json", json.dumps(result, indent=1) + "\n")):
        with atomic_file(args.out / f"dataset_speed{suffix}") as part:
            part.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
