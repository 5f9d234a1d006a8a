"""Training data: packed sets of clips, synthetic or packed from a folder of clips."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from savg.clip import Clip
from savg.data.packed import PackedClips, PackLayout, Progress, pack_clips, pack_scenes
from savg.data.packing import Purpose, bench_layout, pack_bench
from savg.data.savgbench import SPLITS, SavgBench, splits_in
from savg.data.scenes.world import SPLIT, WORLDS
from savg.detectors import person_detector
from savg.errors import SavgError
from savg.format import SAVGBENCH, ClipFormat
from savg.hub import Card
from savg.paths import existing
from savg.train.clip_set import ClipSet
from savg.train.video_files import Labelled, labelled_clips, video_files

if TYPE_CHECKING:
    from savg.data.scenes import World

MICROPHONES = {"ideal": 0.0, "mixed": 0.75, "real": 1.0}
"""Name → share of scenes whose sound is as real rooms and microphones make it."""
MIXES = {"mixed": ("furnished", "furnished1", "furnished2", "varied")}
"""Names that stand for several worlds, in equal parts."""


@dataclass(frozen=True)
class Synthetic:
    """Synthetic clips: a number of clips for each world, with the seeds of `split` from `first`.

    worlds: names of worlds; clips: number of clips of each world; split: whose seeds and people are
    taken; first: number of the first seed; microphones: "ideal", "real" for sound as real rooms and
    microphones make it, or "mixed" for three quarters of it; held_out: voices and instruments that
    are never trained on; rooms: of each world, so many of its rooms, evenly spread (0: all).
    """

    worlds: tuple[str, ...] = ("demo",)
    clips: tuple[int, ...] = (1000,)
    split: str = "train"
    first: int = 0
    microphones: str = "ideal"
    held_out: bool = False
    rooms: int = 0

    def __post_init__(self) -> None:
        if len(self.worlds) != len(self.clips) or not self.worlds or min(self.clips) < 1:
            raise ValueError(
                f"Synthetic.clips must be one count ≥ 1 for each world, got {self.clips}."
            )
        if any(world not in WORLDS for world in self.worlds):
            raise ValueError(
                f"Synthetic.worlds must be among {', '.join(WORLDS)}, got {self.worlds}."
            )
        if self.microphones not in MICROPHONES:
            known = ", ".join(MICROPHONES)
            raise ValueError(f"microphones must be one of {known}, got {self.microphones!r}.")
        if self.rooms < 0:
            raise ValueError(f"Synthetic.rooms must be 0 (all) or more, got {self.rooms}.")

    def world(self, name: str) -> World:
        """The world of that name with these microphones and voices."""
        world = world_of(name, "test" if self.held_out else self.split)
        held_out = self.held_out or world.held_out
        if 0 < self.rooms < world.rooms:
            views = (world.views or tuple(range(world.rooms)))[:: world.rooms // self.rooms]
            world = replace(world, rooms=self.rooms, views=views[: self.rooms])
        return replace(world, real_microphones=MICROPHONES[self.microphones], held_out=held_out)

    @property
    def tag(self) -> str:
        """What differs from the world as it is, for the name of a pack."""
        microphones = "" if self.microphones == "ideal" else f"-{self.microphones}"
        rooms = f"-rooms{self.rooms}" if self.rooms else ""
        return microphones + "-held" * self.held_out + rooms

    def with_world(self, names: str) -> Synthetic:
        """As many clips of other worlds: `names` of worlds or mixes, separated by commas.

        ValueError for an unknown name, or more worlds than clips.
        """
        worlds = [w for name in names.split(",") for w in MIXES.get(name.strip(), (name.strip(),))]
        if any(world not in WORLDS for world in worlds):
            known = ", ".join((*WORLDS, *MIXES))
            raise ValueError(f"world must be among {known}, got {names!r}.")
        total, count = sum(self.clips), len(worlds)
        clips = tuple((total + k) // count for k in range(count))
        return replace(self, worlds=tuple(worlds), clips=clips)


@dataclass(frozen=True)
class ClipSpec:
    """The part of clips that a recipe needs: `format`, frames `size` wide, with or without audio;
    persons: the detector that finds people in files without a table of them ("": none).

    Without video synthetic clips are black, and take a fraction of the time to draw.
    """

    format: ClipFormat = SAVGBENCH
    size: int = 64
    audio: bool = True
    video: bool = True
    persons: str = ""

    @property
    def small_format(self) -> ClipFormat:
        """The format of the packed frames."""
        return self.format.with_size(self.size)

    @property
    def tag(self) -> str:
        """Number and width of a clip's frames, for the name of a pack."""
        return f"{self.format.frames}x{self.size}" if self.video else "sound"

    def layout(self, count: int, origin: dict[str, Any] | None = None) -> PackLayout:
        """The layout of a pack of `count` clips."""
        return PackLayout(count, self.format, self.size, audio=self.audio, origin=origin or {})


def open_clips(data: str, run: Path, spec: ClipSpec, synthetic: Synthetic) -> ClipSet:
    """The clips of `data`; those that must be packed first are packed to RUN/data, once.

    Args:
        data: "synthetic", a folder of packed clips, a set of clips in the published layout (its
            development part, if it has both), or a folder with videos.
        run: folder of the run.
        spec: the part of the clips that is needed.
        synthetic: the clips of "synthetic".

    Raises:
        SavgError: the folder holds no clips, or lacks a part of `spec`.
    """
    if data == "synthetic":
        worlds = zip(synthetic.worlds, synthetic.clips, strict=True)
        sources = [_scenes(run, *world, spec, synthetic) for world in worlds]
        return ClipSet([source.pack() for source in sources])
    folder = existing(data, "folder of training data")
    if (folder / "meta.json").is_file():
        return ClipSet([_checked(PackedClips(folder), spec)])
    splits = {name for _, name in splits_in(folder)}
    split = next((name for name in SPLITS if name in splits), None)
    source = _bench(run, folder, split, spec) if split else _files(run, folder, spec)
    return ClipSet([source.pack()])


@dataclass(frozen=True)
class _Source:
    """Clips that `write` packs into `out` with this layout and these keys, once."""

    out: Path
    layout: PackLayout
    keys: Sequence[int]
    write: Callable[[], PackedClips]

    def pack(self) -> PackedClips:
        """The pack in `out` if it has this layout and these keys, else a new one."""
        if not (self.out / "meta.json").is_file():
            return self.write()
        try:
            existing_pack = PackedClips(self.out)
        except SavgError as error:
            print(f"{error} The clips are packed again.", file=sys.stderr)
            return self.write()
        packed, required = (
            json.loads(json.dumps(layout.meta())) for layout in (existing_pack.layout, self.layout)
        )
        if not required["origin"]:
            packed.pop("origin"), required.pop("origin")
        if packed == required and np.array_equal(existing_pack.keys, self.keys):
            return existing_pack
        return self.write()


def _scenes(run: Path, world: str, count: int, spec: ClipSpec, synthetic: Synthetic) -> _Source:
    """Synthetic clips of one world."""
    import torch

    from savg.data.scenes import split_seed

    name = f"{synthetic.split}-{world}-{spec.tag}{synthetic.tag}"
    out, layout = run / "data" / name, spec.layout(count)
    seeds = [split_seed(synthetic.split, synthetic.first + index) for index in range(count)]

    def draw() -> PackedClips:
        if not spec.video:
            return pack_clips(
                out,
                _audio_only(synthetic.world(world), seeds, spec),
                layout,
                seeds,
                _progress_bar(name),
            )
        return pack_scenes(
            out,
            synthetic.world(world),
            seeds,
            spec.format,
            spec.size,
            audio=spec.audio,
            processes=min(torch.get_num_threads(), max(1, count // 16)),
            progress=_progress_bar(name),
        )

    return _Source(out, layout, seeds, draw)


def _bench(run: Path, folder: Path, split: str, spec: ClipSpec) -> _Source:
    """A set of clips in the published layout, packed as `dataset pack` does it."""
    bench = SavgBench(folder, split)
    purpose = Purpose(spec.size, None if spec.video else 1, spec.audio)
    layout = bench_layout(bench, purpose, spec.format)
    out = run / "data" / f"{bench.split}-{spec.tag}"
    bar = _progress_bar(bench.folder.name)
    return _Source(
        out, layout, range(len(bench)), lambda: pack_bench(out, bench, layout, progress=bar)
    )


def _files(run: Path, folder: Path, spec: ClipSpec) -> _Source:
    """The videos below a folder."""
    videos = video_files(folder, spec.format)
    if not videos:
        raise SavgError(f"{folder}: no video in it; training data must be clips with audio.")
    names = [str(video.path.relative_to(folder)) for video in videos]
    origin: dict[str, Any] = {"folder": folder.name, "films": names}
    if any(video.windows > 1 for video in videos):
        origin["windows"] = [video.windows for video in videos]
    if spec.persons:
        origin["persons"] = spec.persons
    count = sum(video.windows for video in videos)
    tag = f"-{spec.persons}" if spec.persons else ""
    out = run / "data" / f"films-{spec.format.frames}x{spec.size}{tag}"
    layout = spec.layout(count, origin)

    def write() -> PackedClips:
        persons = person_detector(spec.persons) if spec.persons else None
        clips = labelled_clips(folder, videos, spec.format, persons)
        return pack_clips(out, clips, layout, progress=_progress_bar())

    return _Source(out, layout, range(count), write)


def card_of(data: str, facts: Mapping[str, Any]) -> Card:
    """The card of weights trained on `data`."""
    if data == "synthetic":
        return Card("MIT", "trained by savg.train on synthetic scenes", facts=facts)
    origin = f"trained by savg.train on {Path(data).name}"
    return Card("as the training data's", origin, facts=facts)


def world_of(name: str, split: str = "train") -> World:
    """The world of that name; a furnished one of the test split with people, rooms, voices and notes
    never trained on (the drawn worlds' scenes differ by their seeds alone)."""
    from savg.data.scenes import World

    return World.named(name, held_out=split == "test" and name in SPLIT)


def _checked(pack: PackedClips, spec: ClipSpec) -> PackedClips:
    if pack.format != spec.format or (spec.video and pack.size != spec.size):
        raise SavgError(
            f"{pack.folder}: frames must be {spec.size} px wide of {spec.format}, got {pack.size} px "
            f"of {pack.format}."
        )
    if spec.audio and pack.audio is None:
        raise SavgError(f"{pack.folder} was packed without audio, which this recipe needs.")
    count, frames = pack.video.shape[1], pack.format.frames
    if spec.audio and spec.video and count < frames:
        raise SavgError(f"{pack.folder}: all {frames} frames must be packed, got {count}.")
    return pack


def _audio_only(world: World, seeds: Sequence[int], spec: ClipSpec) -> Iterator[Labelled]:
    """Synthetic clips with labels and black frames."""
    from savg.data.scenes import draw_scene
    from savg.data.scenes.audio import dry_audio, stereo_audio
    from savg.data.scenes.render import labels_of

    format, small = spec.format, spec.small_format
    video = np.zeros((small.frames, small.size, small.size, 3), np.uint8)
    for seed in seeds:
        scene = draw_scene(seed, world, format.seconds)
        dry = [dry_audio(scene, sound, format.sample_rate) for sound in scene.sounds]
        audio = stereo_audio(scene, format.sample_rate, dry)
        yield Labelled(Clip(video, audio, small), labels_of(scene, format), None)


def _progress_bar(name: str = "videos") -> Progress:
    """A progress bar on standard error, created at the first report."""
    from tqdm import tqdm

    bars: list[Any] = []

    def report(done: int, total: int) -> None:
        if not bars:
            bars.append(tqdm(total=total, initial=done - 1, desc=f"packing {name}", mininterval=5))
        bars[0].update(done - bars[0].n)
        if done == total:
            bars[0].close()

    return report
