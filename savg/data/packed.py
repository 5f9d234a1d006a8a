"""Packed clips: a folder of memory-mapped arrays that training reads without decoding anything.

    meta.json          format, size, rows, resize, counts, and where the clips came from
    video.npy          uint8 [N, F, rows, size, 3], only the rows that hold the picture
    frame_index.npy    int16 [N, F], numbers of these frames in the clip
    audio.npy          int16 [N, 2, T] (absent from packs of video alone)
    labels.npy         float32 [N, L, 4] (frame, class, x, y), label_counts.npy int32 [N]
    boxes.npy          float32 [N, B, 5] (frame, x0, y0, x1, y1), box_counts.npy int32 [N]
    keys.npy           int64 [N], the seed or index of each clip

Labels and boxes are in pixels of the clip's own format (256 wide), whatever `size` the frames have.
Nothing is mirrored in a pack: training mirrors frames and channels together, or neither.
A folder is filled beside its place and renamed when complete; an interrupted one is resumed.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.annotation import Boxes, ClipLabels
from savg.arrays import open_array
from savg.clip import Clip
from savg.data.published_loader import published_resize
from savg.data.scenes import World, draw_scene, render
from savg.errors import Cancelled, SavgError
from savg.format import ClipFormat

Progress = Callable[[int, int], Any]
"""Called with clips done and total; returning False stops, and the next call resumes there."""

VERSION = 1

RESIZES = ("area", "published")
"""Ways to reduce frames: averaging, or the published loader's resize."""


class Labelled(Protocol):
    """A clip to pack, with its labels and boxes, None for unknown ones."""

    @property
    def clip(self) -> Clip: ...

    @property
    def labels(self) -> ClipLabels | None: ...

    @property
    def boxes(self) -> Boxes | None: ...


@dataclass(frozen=True)
class PackLayout:
    """Shapes of a pack: clips of `format`, frames `size` wide.

    rows: first and last + 1 of the packed rows of the size×size frame, by default those of the
    picture; frames: number of frames packed of each clip, by default all; resize: how larger frames
    are reduced, one of RESIZES; origin: where the clips come from, for meta.json. Raises ValueError
    for impossible values.
    """

    count: int
    format: ClipFormat = field(default_factory=ClipFormat)
    size: int = 64
    rows: tuple[int, int] | None = None
    frames: int | None = None
    audio: bool = True
    origin: dict[str, Any] = field(default_factory=dict)
    resize: str = "area"

    def __post_init__(self) -> None:
        if self.resize not in RESIZES:
            raise ValueError(f"PackLayout.resize must be one of {RESIZES}, got {self.resize!r}.")
        if self.count < 1:
            raise ValueError(f"PackLayout.count must be ≥ 1, got {self.count}.")
        if self.frames is not None and not 1 <= self.frames <= self.format.frames:
            raise ValueError(
                f"PackLayout.frames must be in 1…{self.format.frames}, got {self.frames}."
            )
        if self.rows is not None and not 0 <= self.rows[0] < self.rows[1] <= self.size:
            raise ValueError(f"PackLayout.rows must be in 0…{self.size}, got {self.rows}.")

    @property
    def row_range(self) -> tuple[int, int]:
        """First and last + 1 of the packed rows."""
        small = self.format.with_size(self.size)
        return self.rows or (small.top, small.bottom)

    def arrays(self) -> dict[str, tuple[type, tuple[int, ...]]]:
        """Type and shape of each array."""
        n, format = self.count, self.format
        frames = self.frames or format.frames
        first, last = self.row_range
        table: dict[str, tuple[type, tuple[int, ...]]] = {
            "video": (np.uint8, (n, frames, last - first, self.size, 3)),
            "frame_index": (np.int16, (n, frames)),
            "labels": (np.float32, (n, 2 * format.label_frames, 4)),
            "label_counts": (np.int32, (n,)),
            "boxes": (np.float32, (n, 8 * format.frames, 5)),
            "box_counts": (np.int32, (n,)),
            "keys": (np.int64, (n,)),
        }
        if self.audio:
            table["audio"] = (np.int16, (n, 2, format.samples))
        return table

    def meta(self) -> dict[str, Any]:
        """Content of meta.json."""
        return {"version": VERSION, **asdict(self), "rows": list(self.row_range)}

    def frame_numbers(self, index: int) -> NDArray[np.int64]:
        """Numbers [F] of the packed frames of clip `index`: evenly spaced, from a start that varies."""
        total = self.format.frames
        count = self.frames or total
        start = (index * 7919) % total if count < total else 0
        return np.sort((start + np.arange(count) * total // count) % total)


class PackedClips:
    """A packed folder, read as memory maps: `video`, `audio`, `frame_index`, `keys` and, clip by
    clip, `waveform(i)`, `labels(i)`, `boxes(i)` and `clip(i)`.

    Raises SavgError where the folder is not a complete pack.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        try:
            meta = json.loads((self.folder / "meta.json").read_text(encoding="utf-8"))
            format = ClipFormat(**meta["format"])
            self.layout = PackLayout(
                meta["count"], format, meta["size"], tuple(meta["rows"]), meta["frames"],
                meta["audio"], meta["origin"], meta.get("resize", "area"),
            )  # fmt: skip
            if meta["version"] != VERSION:
                raise SavgError(
                    f"{self.folder}: version of the pack must be {VERSION}, got {meta['version']}."
                )
            self._arrays = {
                name: _open(self.folder, name, dtype, shape)
                for name, (dtype, shape) in self.layout.arrays().items()
            }
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise SavgError(f"{self.folder} is not a folder of packed clips ({error}).") from error
        self.format = format
        self.size = self.layout.size
        self.video: NDArray[np.uint8] = self._arrays["video"]
        self.audio: NDArray[np.int16] | None = self._arrays.get("audio")
        self.frame_index: NDArray[np.int16] = self._arrays["frame_index"]
        self.keys: NDArray[np.int64] = self._arrays["keys"]

    def __len__(self) -> int:
        return self.layout.count

    def waveform(self, index: int) -> NDArray[np.float32]:
        """Audio of a clip, float32 [2, T] in −1..1; SavgError for a pack without audio."""
        if self.audio is None:
            raise SavgError(f"{self.folder} was packed without audio.")
        return self.audio[index].astype(np.float32) / np.float32(32767)

    def labels(self, index: int) -> ClipLabels:
        """Labels of a clip, in pixels of its own format."""
        rows = self._arrays["labels"][index][: int(self._arrays["label_counts"][index])]
        return ClipLabels(rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3])

    def boxes(self, index: int) -> Boxes:
        """Boxes of people in a clip; `frames` are numbers of the clip's frames, packed or not."""
        rows = self._arrays["boxes"][index][: int(self._arrays["box_counts"][index])]
        return Boxes(rows[:, 0], np.zeros(len(rows), np.int64), rows[:, 1:], None)

    def clip(self, index: int) -> Clip:
        """A clip at the packed size, other rows black; SavgError where not all frames are packed."""
        small = self.format.with_size(self.size)
        if self.video.shape[1] != small.frames:
            raise SavgError(
                f"{self.folder} holds {self.video.shape[1]} of {small.frames} frames of each clip."
            )
        video = np.zeros((small.frames, self.size, self.size, 3), np.uint8)
        first, last = self.layout.row_range
        video[:, first:last] = self.video[index]
        return Clip(video, self.waveform(index), small)


def _open(folder: Path, name: str, dtype: type, shape: tuple[int, ...]) -> NDArray[Any]:
    array = open_array(folder / f"{name}.npy")
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{name}.npy is {array.dtype} {array.shape}, expected {shape}")
    return array


def pack_scenes(
    out: str | os.PathLike[str],
    world: World,
    seeds: Sequence[int],
    format: ClipFormat | None = None,
    size: int = 64,
    *,
    rows: tuple[int, int] | None = None,
    frames: int | None = None,
    audio: bool = True,
    processes: int = 1,
    progress: Progress | None = None,
) -> PackedClips:
    """Render the scenes of `seeds` into a packed folder; see `PackLayout` for the options.

    `processes` > 1 renders in as many spawned processes (so the caller's main module needs its
    `if __name__ == "__main__"`). An interrupted call is resumed.
    """
    clip_format = format or ClipFormat()
    origin = {"world": json.loads(json.dumps(asdict(world)))}
    layout = PackLayout(len(seeds), clip_format, size, rows, frames, audio, origin)
    draw = partial(_render_seed, world, clip_format, size)
    return pack_drawn(out, layout, draw, seeds, processes=processes, progress=progress)


def pack_drawn(
    out: str | os.PathLike[str],
    layout: PackLayout,
    draw: Callable[[int], Labelled],
    keys: Sequence[int],
    *,
    processes: int = 1,
    progress: Progress | None = None,
) -> PackedClips:
    """Pack `draw(key)` for every key, with several `processes` in any order (`draw` is then pickled
    once for each of them). An interrupted call is resumed."""
    writer = PackWriter(out, layout, np.asarray(keys, np.int64))
    todo = writer.missing()
    with _runner(writer.part, layout, writer.keys, draw, processes, todo) as indices:
        _follow(writer, indices, len(todo), progress)
    return writer.finish()


def pack_clips(
    out: str | os.PathLike[str],
    clips: Iterable[Labelled],
    layout: PackLayout,
    keys: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> PackedClips:
    """Pack `layout.count` clips of any origin, in their order. Frames are resized by `layout.resize`
    unless they are `layout.size` wide already."""
    writer = PackWriter(out, layout, np.arange(layout.count) if keys is None else np.asarray(keys))
    missing = set(writer.missing().tolist())

    def steps() -> Iterator[int]:
        for index, item in zip(range(layout.count), clips, strict=False):
            if index in missing:
                writer.put(index, item)
                yield index

    _follow(writer, steps(), len(missing), progress)
    return writer.finish()


def _follow(
    writer: PackWriter, indices: Iterator[int], todo: int, progress: Progress | None
) -> None:
    total = writer.layout.count
    for count, _ in enumerate(indices, total - todo + 1):
        if progress is not None and progress(count, total) is False:
            raise Cancelled(f"Packing stopped after {count} of {total} clips.")


def _render_seed(world: World, format: ClipFormat, size: int, seed: int) -> Labelled:
    scene = draw_scene(seed, world, format.seconds)
    return render(scene, format, None if size == format.size else size)


_writer: tuple[PackWriter, Callable[[int], Labelled]] | None = None


def _start(
    part: Path, layout: PackLayout, keys: NDArray[np.int64], draw: Callable[[int], Labelled]
) -> None:
    global _writer
    cv2.setNumThreads(1)
    _writer = PackWriter(part, layout, keys, inside=True), draw


def _work(index: int) -> int:
    assert _writer is not None
    writer, draw = _writer
    writer.put(index, draw(int(writer.keys[index])))
    return index


class _runner:
    """Indices of written clips, drawn here or in other processes that write to the same arrays."""

    def __init__(self, part, layout, keys, draw, processes: int, todo) -> None:
        self._pool = None
        self._indices: Iterator[int]
        if processes > 1 and len(todo) > 1:
            context = multiprocessing.get_context("spawn")
            self._pool = context.Pool(processes, _start, (part, layout, keys, draw))
            self._indices = self._pool.imap_unordered(_work, todo.tolist(), chunksize=8)
        else:
            _start(part, layout, keys, draw)
            self._indices = (_work(index) for index in todo.tolist())

    def __enter__(self) -> Iterator[int]:
        return iter(self._indices)

    def __exit__(self, kind, error, trace) -> None:
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()


def _reserve(path: Path) -> None:
    """Take a file's room on the disk now, where the system can: writing into the mapped file of a full
    disk would end the process. OSError where there is not enough."""
    if hasattr(os, "posix_fallocate") and path.stat().st_size:
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _reduced(frames: NDArray[np.uint8], layout: PackLayout) -> NDArray[np.uint8]:
    """Frames [F, s, s, 3] at the layout's size."""
    if layout.resize == "published":
        return published_resize(frames, layout.size, layout.size)
    size = (layout.size, layout.size)
    return np.stack(
        [np.asarray(cv2.resize(f, size, interpolation=cv2.INTER_AREA), np.uint8) for f in frames]
    )


class PackWriter:
    """Fills a pack beside its place: `put` clips in any order, `finish` when none is `missing`.

    inside: write to an existing unfinished folder, from another process. Raises SavgError where the
    folder cannot be written or the disk is too small.
    """

    def __init__(
        self,
        out: str | os.PathLike[str],
        layout: PackLayout,
        keys: NDArray[np.int64],
        inside: bool = False,
    ) -> None:
        if len(keys) != layout.count:
            raise ValueError(
                f"A pack of {layout.count} clips must have as many keys, got {len(keys)}."
            )
        self.out, self.layout, self.keys = Path(out), layout, np.asarray(keys, np.int64)
        self.part = self.out if inside else self.out.with_name(f".{self.out.name}.part")
        try:
            if not inside:
                self._prepare()
            self._arrays = {
                name: np.lib.format.open_memmap(self.part / f"{name}.npy", mode="r+")
                for name in (*layout.arrays(), "done")
            }
        except OSError as error:
            raise SavgError(
                f"{self.out} could not be written: {error.strerror or error}."
            ) from error

    def _prepare(self) -> None:
        """Create the arrays, or resume with those of an interrupted equal call."""
        meta = json.dumps(self.layout.meta(), indent=1)
        plan = self.part / "meta.json"
        if plan.exists() and plan.read_text(encoding="utf-8") == meta:
            keys = open_array(self.part / "keys.npy")
            if np.array_equal(keys, self.keys):
                return
        shutil.rmtree(self.part, ignore_errors=True)
        self.part.mkdir(parents=True)
        arrays = {**self.layout.arrays(), "done": (np.bool_, (self.layout.count,))}
        need = sum(
            int(np.prod(shape)) * np.dtype(dtype).itemsize for dtype, shape in arrays.values()
        )
        free = shutil.disk_usage(self.part).free
        if need > free:
            shutil.rmtree(self.part, ignore_errors=True)
            raise SavgError(
                f"{self.out} needs {need >> 20} MiB, but the disk has {free >> 20} MiB free."
            )
        for name, (dtype, shape) in arrays.items():
            array = np.lib.format.open_memmap(self.part / f"{name}.npy", "w+", dtype, shape)
            _reserve(self.part / f"{name}.npy")
            if name == "keys":
                array[:] = self.keys
            array.flush()
        plan.write_text(meta, encoding="utf-8")

    def missing(self) -> NDArray[np.int64]:
        """Indices of clips that are not written yet."""
        return np.flatnonzero(~self._arrays["done"])

    def put(self, index: int, item: Labelled) -> None:
        """Write one clip."""
        layout, arrays = self.layout, self._arrays
        first, last = layout.row_range
        numbers = layout.frame_numbers(index)
        frames = item.clip.video[numbers]
        if frames.shape[1] != layout.size:
            frames = _reduced(frames, layout)
        arrays["video"][index] = frames[:, first:last]
        arrays["frame_index"][index] = numbers
        if layout.audio:
            arrays["audio"][index] = np.round(item.clip.audio * 32767).astype(np.int16)
        if item.labels is not None:
            table = item.labels
            self._rows("label", index, [table.frames, table.classes, table.x, table.y])
        if item.boxes is not None:
            self._rows("box", index, [item.boxes.frames, *item.boxes.xyxy.T])
        arrays["done"][index] = True

    def _rows(self, kind: str, index: int, columns: list[NDArray[Any]]) -> None:
        name = {"label": "labels", "box": "boxes"}[kind]
        rows = np.stack(columns, axis=1)
        room = self._arrays[name].shape[1]
        if len(rows) > room:
            raise SavgError(
                f"Clip {index} must have at most {room} {name} to be packed, got {len(rows)}."
            )
        self._arrays[name][index, : len(rows)] = rows
        self._arrays[f"{kind}_counts"][index] = len(rows)

    def finish(self) -> PackedClips:
        """Move the folder into its place and open it. SavgError where clips are missing."""
        missing = self.missing()
        if len(missing):
            raise SavgError(f"{self.out}: {len(missing)} of {self.layout.count} clips are missing.")
        for array in self._arrays.values():
            array.flush()
        self._arrays.clear()
        (self.part / "done.npy").unlink()
        old = self.out.with_name(f".{self.out.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if self.out.exists():
            os.replace(self.out, old)
        os.replace(self.part, self.out)
        shutil.rmtree(old, ignore_errors=True)
        return PackedClips(self.out)
