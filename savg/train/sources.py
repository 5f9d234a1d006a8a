"""Training data: packed sets of clips, drawn on the spot or made from a folder of clips."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savg.annotation import Boxes, ClipLabels
from savg.clip import Clip
from savg.data.packed import PackedClips, PackLayout, Progress, pack_clips, pack_scenes
from savg.data.packing import Purpose, bench_layout, pack_bench
from savg.data.savgbench import SPLITS, SavgBench, splits_in
from savg.errors import SavgError
from savg.format import SAVGBENCH, ClipFormat
from savg.hub import Card
from savg.paths import existing

if TYPE_CHECKING:
    from savg.data.scenes import World

WORLDS = ("demo", "solo", "varied")


@dataclass(frozen=True)
class Synthetic:
    """How many clips of which worlds are drawn, with the seeds of `split` from `first` on."""

    worlds: tuple[str, ...] = ("demo",)
    clips: tuple[int, ...] = (1000,)
    split: str = "train"
    first: int = 0

    def __post_init__(self) -> None:
        if len(self.worlds) != len(self.clips) or not self.worlds or min(self.clips) < 1:
            raise ValueError("Synthetic takes as many numbers of clips as worlds, from 1 on.")
        if any(world not in WORLDS for world in self.worlds):
            raise ValueError(f"a world is one of {', '.join(WORLDS)}, not {self.worlds}.")


@dataclass(frozen=True)
class Wanted:
    """The part of clips that a recipe needs: `format`, pictures `size` wide, with sound or without.

    Without video synthetic clips are black, and take a fraction of the time to draw.
    """

    format: ClipFormat = SAVGBENCH
    size: int = 64
    audio: bool = True
    video: bool = True

    @property
    def small(self) -> ClipFormat:
        """The format of the packed pictures."""
        return self.format.with_size(self.size)


class ClipSet:
    """Packs one after another; `len` is the number of clips.

    small: the format of the pictures, with as many frames as are kept of each clip; notes: what a
    recipe wants to remember of a clip, by its index.
    """

    def __init__(self, packs: Sequence[PackedClips]) -> None:
        self.packs = list(packs)
        self.ends = np.cumsum([len(pack) for pack in self.packs])
        self.notes: dict[int, Any] = {}
        first = self.packs[0]
        self.small = first.format.with_size(first.size).with_frames(first.video.shape[1])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def _place(self, index: int) -> tuple[PackedClips, int]:
        number = int(np.searchsorted(self.ends, index, side="right"))
        return self.packs[number], index - int(self.ends[number] - len(self.packs[number]))

    def video(self, index: int, frames: slice = slice(None)) -> NDArray[np.uint8]:
        """Frames [F, size, size, 3] of a clip, padding included."""
        pack, place = self._place(index)
        picture = pack.video[place, frames]
        video = np.zeros((len(picture), pack.size, pack.size, 3), np.uint8)
        first, last = pack.layout.kept_rows
        video[:, first:last] = picture
        return video

    def picture(self, index: int, frame: int) -> NDArray[np.uint8]:
        """The rows of one frame that hold the picture [h, w, 3]."""
        pack, place = self._place(index)
        return np.array(pack.video[place, frame])

    def audio(self, index: int) -> NDArray[np.float32]:
        """Sound [2, T] of a clip in −1..1."""
        pack, place = self._place(index)
        return pack.sound(place)

    def labels(self, index: int) -> ClipLabels:
        """Labels of a clip, in pixels of the format."""
        pack, place = self._place(index)
        return pack.labels(place)

    def boxes(self, index: int) -> Boxes:
        """Person boxes of a clip, in pixels of the format's frame; frames count the kept pictures."""
        pack, place = self._place(index)
        boxes, kept = pack.boxes(place), pack.frame_index[place]
        if len(kept) == pack.format.frames:
            return boxes
        boxes = boxes.select(np.isin(boxes.frames, kept))
        return replace(boxes, frames=np.searchsorted(kept, boxes.frames))


def open_clips(data: str, run: Path, wanted: Wanted, synthetic: Synthetic) -> ClipSet:
    """The clips of `data`: "synthetic", a folder of packed clips, a set of clips in the published
    layout (its development part, if it has both), or a folder with mp4 files.

    What has to be packed first goes to RUN/data, once. SavgError for data that cannot be used.
    """
    if data == "synthetic":
        return ClipSet(
            [
                _scenes(run, world, count, wanted, synthetic)
                for world, count in zip(synthetic.worlds, synthetic.clips, strict=True)
            ]
        )
    folder = existing(data, "folder of training data")
    if (folder / "meta.json").is_file():
        return ClipSet([_checked(PackedClips(folder), wanted)])
    bench = _bench(folder)
    if bench is not None:
        return ClipSet([_bench_pack(run, bench, wanted)])
    films = sorted(path for path in folder.rglob("*.mp4") if not path.name.startswith("."))
    if not films:
        raise SavgError(f"{folder}: no mp4 file in it; expected clips with sound to train on.")
    out = run / "data" / f"films-{wanted.format.frames}x{wanted.size}"
    names = [str(film.relative_to(folder)) for film in films]
    origin = {"folder": folder.name, "films": names}
    layout = PackLayout(len(films), wanted.format, wanted.size, audio=wanted.audio, origin=origin)
    found = _kept(out, layout, list(range(len(films))))
    return ClipSet(
        [found or pack_clips(out, _films(folder, films, wanted), layout, progress=_bar())]
    )


def _bench(folder: Path) -> SavgBench | None:
    """The set of clips in a folder, if it is one in the published layout."""
    there = {split for _, split in splits_in(folder)}
    chosen = next((split for split in SPLITS if split in there), None)
    return None if chosen is None else SavgBench(folder, chosen)


def _bench_pack(run: Path, bench: SavgBench, wanted: Wanted) -> PackedClips:
    """The pack of a set of clips in RUN/data, made as `dataset pack` makes it if it is not there."""
    purpose = Purpose(wanted.size, None if wanted.video else 1, wanted.audio)
    layout = bench_layout(bench, purpose, wanted.format)
    pictures = f"{wanted.format.frames}x{wanted.size}" if wanted.video else "sound"
    out = run / "data" / f"{bench.split}-{pictures}"
    found = _kept(out, layout, list(range(len(bench))))
    return found or pack_bench(out, bench, layout, progress=_bar(bench.folder.name))


def card_of(data: str, facts: Mapping[str, Any]) -> Card:
    """The card of weights trained on `data`."""
    if data == "synthetic":
        return Card("MIT", "trained by savg.train on synthetic scenes", facts=facts)
    origin = f"trained by savg.train on {Path(data).name}"
    return Card("as the training data's", origin, facts=facts)


def world_of(name: str) -> World:
    """The world of that name."""
    from savg.data.scenes import World

    worlds = {"demo": World.demo, "solo": World.solo, "varied": World.varied}
    return worlds[name]()


def _scenes(run: Path, world: str, count: int, wanted: Wanted, synthetic: Synthetic) -> PackedClips:
    """The pack of one world's clips in RUN/data, made if it is not there."""
    import torch

    from savg.data.scenes import split_seed

    form = wanted.format
    pictures = f"{form.frames}x{wanted.size}" if wanted.video else "sound"
    name = f"{synthetic.split}-{world}-{pictures}"
    seeds = [split_seed(synthetic.split, synthetic.first + index) for index in range(count)]
    out = run / "data" / name
    layout = PackLayout(count, form, wanted.size, audio=wanted.audio)
    found = _kept(out, layout, seeds)
    if found is not None:
        return found
    if not wanted.video:
        return pack_clips(out, _sounds(world, seeds, wanted), layout, seeds, _bar(name))
    processes = min(torch.get_num_threads(), max(1, count // 16))
    return pack_scenes(
        out,
        world_of(world),
        seeds,
        form,
        wanted.size,
        audio=wanted.audio,
        processes=processes,
        progress=_bar(name),
    )


def _kept(out: Path, layout: PackLayout, keys: Sequence[int]) -> PackedClips | None:
    """The pack already in `out` if it is of this layout and these keys."""
    if not (out / "meta.json").is_file():
        return None
    found = PackedClips(out)
    old, new = (json.loads(json.dumps(one.meta())) for one in (found.layout, layout))
    if not new["origin"]:
        old.pop("origin"), new.pop("origin")
    return found if old == new and np.array_equal(found.keys, keys) else None


def _checked(pack: PackedClips, wanted: Wanted) -> PackedClips:
    if pack.format != wanted.format or (wanted.video and pack.size != wanted.size):
        raise SavgError(
            f"{pack.folder} holds pictures {pack.size} wide of {pack.format}: expected "
            f"{wanted.size} of {wanted.format}."
        )
    if wanted.audio and pack.audio is None:
        raise SavgError(f"{pack.folder} was packed without sound, which this recipe needs.")
    kept, frames = pack.video.shape[1], pack.format.frames
    if wanted.audio and wanted.video and kept < frames:
        raise SavgError(f"{pack.folder} keeps {kept} of {frames} pictures, this recipe needs all.")
    return pack


@dataclass(frozen=True)
class _Film:
    clip: Clip
    labels: ClipLabels | None
    boxes: Boxes | None


def _sounds(world: str, seeds: Sequence[int], wanted: Wanted) -> Iterator[_Film]:
    """Synthetic clips with labels, the pictures left black."""
    from savg.data.scenes import draw_scene
    from savg.data.scenes.render import labels_of
    from savg.data.scenes.sound import dry_sound, stereo_sound

    form, small, drawn = wanted.format, wanted.small, world_of(world)
    video = np.zeros((small.frames, small.size, small.size, 3), np.uint8)
    for seed in seeds:
        scene = draw_scene(seed, drawn, form.seconds)
        dry = [dry_sound(scene, sound, form.sample_rate) for sound in scene.sounds]
        audio = stereo_sound(scene, form.sample_rate, dry)
        yield _Film(Clip(video, audio, small), labels_of(scene, form), None)


def _films(folder: Path, films: Sequence[Path], wanted: Wanted) -> Iterator[_Film]:
    """Clips from files, labels from metadata…/NAME.csv and boxes from boxes…/NAME.csv."""
    tables: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.csv")):
        tables.setdefault(path.stem, []).append(path)
    for film in films:
        labels: ClipLabels | None = None
        boxes: Boxes | None = None
        for table in tables.get(film.stem, ()):
            if table.parent.name.startswith("metadata"):
                labels = ClipLabels.read_csv(table)
            elif table.parent.name.startswith("boxes"):
                boxes = Boxes.read_csv(table)
        yield _Film(Clip.read(film, wanted.format), labels, boxes)


def _bar(name: str = "films") -> Progress:
    """A progress bar on standard error, made at the first report."""
    from tqdm import tqdm

    made: list[Any] = []

    def tell(done: int, total: int) -> None:
        if not made:
            made.append(tqdm(total=total, initial=done - 1, desc=f"packing {name}", mininterval=5))
        made[0].update(done - made[0].n)
        if done == total:
            made[0].close()

    return tell
