"""Synthetic recordings in the layout of STARSS23, to test its construction and training.

`foa_dev/dev-train-sony/fold3_roomR_mixNNN.wav` (24 kHz, first-order Ambisonics, ACN/SN3D, 16 bit),
`video_dev/…mp4` (equirectangular) and `metadata_dev/…csv` (frame of 100 ms, class, source, azimuth,
elevation, distance in cm). The labels are exact: they come from the drawn scene (`scenes.recording`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from savg.command import begin_worker, uninterrupted
from savg.data.scenes import Scene, World
from savg.data.scenes.audio import dry_audio
from savg.data.scenes.recording import draw_recording
from savg.data.scenes.reverberation import require_acoustics, room_audio
from savg.data.scenes.world import WORLDS
from savg.data.starss.panorama_video import write_panorama_video
from savg.errors import SavgError
from savg.json_files import read_object
from savg.media.audio_file import write_audio
from savg.paths import atomic_file
from savg.temporary import remove_abandoned

RATE = 24_000
GAIN_DB = -38.0
"""Level of recordings relative to the clips cut from them [S1]."""
GROUP = "dev-train-sony"
FOLDERS = {"foa_dev": ".wav", "video_dev": ".mp4", "metadata_dev": ".csv"}
"""Folders of audio, video and labels → their files' suffix."""
FRAME = 0.1
"""Seconds of a label frame."""
PLAN_FILE = "synthetic.json"
MIN_SECONDS, MAX_SECONDS = 6.0, 600.0
MAX_RECORDINGS = 10_000
"""Recordings of one seed."""


@dataclass(frozen=True)
class Plan:
    """Settings of all recordings of a folder; seconds each, size (width, height) in pixels.

    world: name of the world, as in `World.named`; held_out: with what is never trained on.
    """

    seed: int
    seconds: float = 60.0
    size: tuple[int, int] = (1920, 960)
    world: str = "varied"
    held_out: bool = False

    def __post_init__(self) -> None:
        if self.world not in WORLDS:
            raise SavgError(f"world must be one of {', '.join(WORLDS)}, got {self.world!r}.")
        width, height = self.size
        if self.seed < 0:
            raise SavgError(f"seed must be ≥ 0, got {self.seed}.")
        if not MIN_SECONDS <= self.seconds <= MAX_SECONDS:
            limits = f"{MIN_SECONDS:g}…{MAX_SECONDS:g} s"
            raise SavgError(f"seconds must be in {limits}, got {self.seconds:g} s.")
        if width != 2 * height or width % 4 or not 64 <= width <= 7680:
            raise SavgError(
                f"A panorama must be twice as wide as high, with a width of 64…7680 that 4 divides, "
                f"got {width}x{height}."
            )


def draw_take(plan: Plan, index: int) -> tuple[str, Scene]:
    """Name and scene of recording `index` of a plan."""
    world = World.named(plan.world, plan.held_out)
    scene = draw_recording(plan.seed * MAX_RECORDINGS + index, world, plan.seconds)
    return f"fold3_room{scene.room + 1}_mix{index + 1:03d}", scene


def write_starss(
    out: Path,
    recordings: int,
    seed: int,
    seconds: float = 60.0,
    size: tuple[int, int] = (1920, 960),
    processes: int = 1,
    progress: Callable[[int, int], None] | None = None,
    world: str = "varied",
    held_out: bool = False,
) -> list[str]:
    """Write recordings 0 … `recordings` - 1 of a seed below `out` and return their names.

    Existing ones are not written again, so that a stopped run is resumed and a later one adds to it.
    Raises SavgError where `out` holds recordings of another plan. progress: called with done and total.
    """
    plan = Plan(seed, float(seconds), size, world, held_out)
    if not 1 <= recordings <= MAX_RECORDINGS:
        raise SavgError(f"recordings must be in 1…{MAX_RECORDINGS}, got {recordings}.")
    require_acoustics()
    _record_plan(out, plan)
    if progress is not None:
        progress(0, recordings)
    names: dict[int, str] = {}
    if processes <= 1:
        for index in range(recordings):
            names[index] = write_recording(out, plan, index)
            if progress is not None:
                progress(len(names), recordings)
    else:
        context = get_context("spawn")
        stop = context.Event()
        count = min(processes, recordings)
        with ProcessPoolExecutor(count, context, _start, (stop,)) as pool:
            try:
                with uninterrupted():
                    jobs = {
                        pool.submit(write_recording, out, plan, i): i for i in range(recordings)
                    }
                for job in as_completed(jobs):
                    names[jobs[job]] = job.result()
                    if progress is not None:
                        progress(len(names), recordings)
            except BaseException:
                stop.set()
                pool.shutdown(cancel_futures=True)
                for folder in (out / kind / GROUP for kind in FOLDERS):
                    remove_abandoned(folder)
                raise
    return [names[index] for index in range(recordings)]


def _start(stop: Any) -> None:
    """Prepare a worker process: it ends at once when `stop` is set or its parent has ended."""
    begin_worker(stop.wait)


def write_recording(out: Path, plan: Plan, index: int) -> str:
    """Write recording `index` of a plan unless it exists; returns its name."""
    name, scene = draw_take(plan, index)
    write_take(out, name, scene, plan.size)
    return name


def write_take(out: Path, name: str, scene: Scene, size: tuple[int, int]) -> None:
    """Write a scene as recording `name` unless it exists, its labels last."""
    audio, video, labels = (
        out / folder / GROUP / f"{name}{suffix}" for folder, suffix in FOLDERS.items()
    )
    if labels.exists() and audio.exists() and video.exists():
        return
    for path in (audio, video, labels):
        remove_abandoned(path.parent)
    dry = [dry_audio(scene, sound, RATE) for sound in scene.sounds]
    write_audio(audio, room_audio(scene, RATE, dry) * np.float32(10 ** (GAIN_DB / 20)), RATE)
    write_panorama_video(video, scene, size, dry, RATE)
    with atomic_file(labels) as part:
        part.write_text("".join(f"{','.join(map(str, row))}\n" for row in label_rows(scene)))


def label_rows(scene: Scene) -> list[tuple[int, ...]]:
    """Rows (frame, class, source, azimuth, elevation, distance) of the events active mid-frame.

    Whole degrees and centimetres, as in STARSS23; a person's source number is one more than their
    index, objects have numbers of their own.
    """
    times = (np.arange(int(scene.seconds / FRAME + 1e-6)) + 0.5) * FRAME
    rows: set[tuple[int, ...]] = set()
    for sound in scene.sounds:
        frames = np.flatnonzero(sound.active(times))
        x, y, z = scene.points(sound, times[frames]).T
        azimuth = np.rint(np.rad2deg(np.arctan2(y, x))).astype(int)
        azimuth = (azimuth + 180) % 360 - 180
        elevation = np.rint(np.rad2deg(np.arctan2(z, np.hypot(x, y)))).astype(int)
        distance = np.rint(100 * np.sqrt(x * x + y * y + z * z)).astype(int)
        source = sound.person + 1 if sound.person >= 0 else 20 + sound.label
        constant = [np.full_like(frames, value) for value in (sound.label, source)]
        table = np.stack([frames, *constant, azimuth, elevation, distance], axis=1)
        rows.update(tuple(row) for row in table.tolist())
    return sorted(rows)


def _record_plan(out: Path, plan: Plan) -> None:
    """Write the plan to the folder; SavgError where the folder has another one."""
    path = out / PLAN_FILE
    values = json.loads(json.dumps(asdict(plan)))
    if path.exists():
        existing = {"world": "varied", "held_out": False, **read_object(path)}
        if existing != values:
            raise SavgError(
                f"{out} holds synthetic recordings made with other settings ({existing}); "
                "use these, or another folder."
            )
        return
    if (out / "foa_dev").exists() or (out / "foa_dev.zip").exists():
        raise SavgError(f"{out} holds recordings that are not synthetic; choose another folder.")
    with atomic_file(path) as part:
        part.write_text(json.dumps(values) + "\n", encoding="utf-8")
