"""Packed clips: a folder of memory-mapped arrays that training reads without decoding anything.

    meta.json          format, size, rows, resize, counts, and where the clips came from
    video.npy          uint8 [N, F, rows, size, 3], only the rows that hold the picture
    frame_index.npy    int16 [N, F], which pictures of the clip these are
    audio.npy          int16 [N, 2, T] (absent where only pictures are wanted)
    labels.npy         float32 [N, L, 4] (frame, class, x, y), label_counts.npy int32 [N]
    boxes.npy          float32 [N, B, 5] (frame, x0, y0, x1, y1), box_counts.npy int32 [N]
    keys.npy           int64 [N], the seed or index of each clip

Labels and boxes are in pixels of the clip's own format (256 wide), whatever `size` the pictures have.
Nothing is mirrored in a pack: training mirrors pictures and channels together, or neither.
A folder is filled beside its place and takes its name when complete; an interrupted one is resumed.
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
from savg.clip import Clip
from savg.data.published_loader import published_resize
from savg.data.scenes import World, draw_scene, render
from savg.errors import Cancelled, SavgError
from savg.format import ClipFormat

Progress = Callable[[int, int], Any]
"""Called with clips done and in all; returning False stops, and the next call goes on from there."""

VERSION = 1

RESIZES = ("area", "published")
"""How pictures are made smaller: averaged, or as the published loader does it."""


class Labelled(Protocol):
    """What is packed: a clip, with labels and boxes or None for those that are not known."""

    @property
    def clip(self) -> Clip: ...

    @property
    def labels(self) -> ClipLabels | None: ...

    @property
    def boxes(self) -> Boxes | None: ...


@dataclass(frozen=True)
class PackLayout:
    """Shapes of a pack: clips of `format`, pictures `size` wide.

    rows: first and last + 1 of the rows kept of the size×size frame, by default those of the picture;
    frames: how many pictures of each clip are kept, by default all; resize: how larger pictures are
    made smaller, one of RESIZES; origin: notes for meta.json.
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
            raise ValueError(f"PackLayout.resize is one of {RESIZES}, not {self.resize!r}.")
        if self.count < 1:
            raise ValueError(f"A pack holds at least one clip, not {self.count}.")
        if self.frames is not None and not 1 <= self.frames <= self.format.frames:
            raise ValueError(f"PackLayout.frames is in 1..{self.format.frames}, not {self.frames}.")
        if self.rows is not None and not 0 <= self.rows[0] < self.rows[1] <= self.size:
            raise ValueError(f"PackLayout.rows lie in 0..{self.size}, not {self.rows}.")

    @property
    def row_range(self) -> tuple[int, int]:
        """First and last + 1 of the rows kept."""
        small = self.format.with_size(self.size)
        return self.rows or (small.top, small.bottom)

    def arrays(self) -> dict[str, tuple[type, tuple[int, ...]]]:
        """Type and shape of each array."""
        n, format = self.count, self.format
        kept = self.frames or format.frames
        first, last = self.row_range
        table: dict[str, tuple[type, tuple[int, ...]]] = {
            "video": (np.uint8, (n, kept, last - first, self.size, 3)),
            "frame_index": (np.int16, (n, kept)),
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
        """What meta.json says."""
        return {"version": VERSION, **asdict(self), "rows": list(self.row_range)}

    def pictures(self, index: int) -> NDArray[np.int64]:
        """Which pictures of clip `index` are kept: evenly spaced, from another start in each clip."""
        total = self.format.frames
        kept = self.frames or total
        start = (index * 7919) % total if kept < total else 0
        return np.sort((start + np.arange(kept) * total // kept) % total)


class PackedClips:
    """A packed folder, read as memory maps: `video`, `audio`, `frame_index`, `keys` and, clip by
    clip, `labels(i)`, `boxes(i)` and `clip(i)`. SavgError where the folder is not a whole pack."""

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
                    f"{self.folder}: packed form {meta['version']}, expected {VERSION}."
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
        """Sound of a clip, float32 [2, T] in −1..1."""
        if self.audio is None:
            raise SavgError(f"{self.folder} was packed without sound.")
        return self.audio[index].astype(np.float32) / np.float32(32767)

    def labels(self, index: int) -> ClipLabels:
        """Labels of a clip."""
        rows = self._arrays["labels"][index][: int(self._arrays["label_counts"][index])]
        return ClipLabels(rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3])

    def boxes(self, index: int) -> Boxes:
        """Persons of a clip; frames count the clip's pictures, whichever of them are kept."""
        rows = self._arrays["boxes"][index][: int(self._arrays["box_counts"][index])]
        return Boxes(rows[:, 0], np.zeros(len(rows), np.int64), rows[:, 1:], None)

    def clip(self, index: int) -> Clip:
        """A clip at the packed size, the rows that were not kept black. Needs all its pictures."""
        small = self.format.with_size(self.size)
        if self.video.shape[1] != small.frames:
            raise SavgError(
                f"{self.folder} keeps {self.video.shape[1]} of {small.frames} pictures."
            )
        video = np.zeros((small.frames, self.size, self.size, 3), np.uint8)
        first, last = self.layout.row_range
        video[:, first:last] = self.video[index]
        return Clip(video, self.waveform(index), small)


def _open(folder: Path, name: str, dtype: type, shape: tuple[int, ...]) -> NDArray[Any]:
    array = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
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

    `processes` > 1 renders in as many processes (started afresh, so the caller's main module needs
    its `if __name__ == "__main__"`). An interrupted call goes on where it stopped.
    """
    format = format or ClipFormat()
    origin = {"world": json.loads(json.dumps(asdict(world)))}
    layout = PackLayout(len(seeds), format, size, rows, frames, audio, origin)
    draw = partial(_render_seed, world, format, size)
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
    """Pack `draw(key)` for every key, with several `processes` in any order (`draw` then goes to each
    of them once). An interrupted call goes on where it stopped."""
    writer = PackWriter(out, layout, np.asarray(keys, np.int64))
    todo = writer.missing()
    with _runner(writer.part, layout, writer.keys, draw, processes, todo) as done:
        _follow(writer, done, len(todo), progress)
    return writer.finish()


def pack_clips(
    out: str | os.PathLike[str],
    clips: Iterable[Labelled],
    layout: PackLayout,
    keys: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> PackedClips:
    """Pack `layout.count` clips of any origin, in their order. Pictures of another size are resized as
    `layout.resize` says (`render` or the caller can also give them at `layout.size`)."""
    writer = PackWriter(out, layout, np.arange(layout.count) if keys is None else np.asarray(keys))
    missing = set(writer.missing().tolist())

    def steps() -> Iterator[int]:
        for index, item in zip(range(layout.count), clips, strict=False):
            if index in missing:
                writer.put(index, item)
                yield index

    _follow(writer, steps(), len(missing), progress)
    return writer.finish()


def _follow(writer: PackWriter, done: Iterator[int], todo: int, progress: Progress | None) -> None:
    total = writer.layout.count
    for count, _ in enumerate(done, total - todo + 1):
        if progress is not None and progress(count, total) is False:
            raise Cancelled(f"Packing stopped after {count} of {total} clips.")


def _render_seed(world: World, format: ClipFormat, size: int, seed: int) -> Labelled:
    return render(
        draw_scene(seed, world, format.seconds), format, None if size == format.size else size
    )


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
    """The results of rendering, here or in other processes that write to the same arrays."""

    def __init__(self, part, layout, keys, draw, processes: int, todo) -> None:
        self._pool = None
        self._done: Iterator[int]
        if processes > 1 and len(todo) > 1:
            context = multiprocessing.get_context("spawn")
            self._pool = context.Pool(processes, _start, (part, layout, keys, draw))
            self._done = self._pool.imap_unordered(_work, todo.tolist(), chunksize=8)
        else:
            _start(part, layout, keys, draw)
            self._done = (_work(index) for index in todo.tolist())

    def __enter__(self) -> Iterator[int]:
        return iter(self._done)

    def __exit__(self, kind, error, trace) -> None:
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()


def _smaller(frames: NDArray[np.uint8], layout: PackLayout) -> NDArray[np.uint8]:
    """Pictures [F, s, s, 3] at the layout's size."""
    if layout.resize == "published":
        return published_resize(frames, layout.size, layout.size)
    size = (layout.size, layout.size)
    return np.stack(
        [np.asarray(cv2.resize(f, size, interpolation=cv2.INTER_AREA), np.uint8) for f in frames]
    )


class PackWriter:
    """Fills a pack beside its place. `put` in any order, `finish` when nothing is `missing`."""

    def __init__(
        self,
        out: str | os.PathLike[str],
        layout: PackLayout,
        keys: NDArray[np.int64],
        inside: bool = False,
    ) -> None:
        if len(keys) != layout.count:
            raise ValueError(f"A pack of {layout.count} clips needs as many keys, not {len(keys)}.")
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
        """Make the arrays, or keep those that an equal call has left."""
        meta = json.dumps(self.layout.meta(), indent=1)
        plan = self.part / "meta.json"
        if plan.exists() and plan.read_text(encoding="utf-8") == meta:
            keys = np.load(self.part / "keys.npy", allow_pickle=False)
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
            if name == "keys":
                array[:] = self.keys
            array.flush()
        plan.write_text(meta, encoding="utf-8")

    def missing(self) -> NDArray[np.int64]:
        """Indices that are not written yet."""
        return np.flatnonzero(~self._arrays["done"])

    def put(self, index: int, item: Labelled) -> None:
        """Write one clip."""
        layout, arrays = self.layout, self._arrays
        first, last = layout.row_range
        chosen = layout.pictures(index)
        frames = item.clip.video[chosen]
        if frames.shape[1] != layout.size:
            frames = _smaller(frames, layout)
        arrays["video"][index] = frames[:, first:last]
        arrays["frame_index"][index] = chosen
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
            raise SavgError(f"Clip {index} has {len(rows)} {name}, a pack keeps at most {room}.")
        self._arrays[name][index, : len(rows)] = rows
        self._arrays[f"{kind}_counts"][index] = len(rows)

    def finish(self) -> PackedClips:
        """Give the folder its name and open it. SavgError where clips are missing."""
        missing = self.missing()
        if len(missing):
            raise SavgError(
                f"{self.out}: {len(missing)} of {self.layout.count} clips were not given."
            )
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
