"""Packed clips: a folder of memory-mapped arrays that training reads without decoding anything.

    meta.json          format, size, rows, resize, counts, and where the clips came from
    video.npy          uint8 [N, F, rows, size, 3], only the rows that hold the picture
    frame_index.npy    int16 [N, F], numbers of these frames in the clip
    audio.npy          int16 [N, 2, T] (absent from packs of video alone)
    labels.npy         float32 [N, L, 4] (frame, class, x, y), label_counts.npy int32 [N]
    boxes.npy          float32 [N, B, 5] (frame, x0, y0, x1, y1), box_counts.npy int32 [N]
    keys.npy           int64 [N], the seed or index of each clip
    SHA256SUMS         checksums of these files

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
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.annotation import Boxes, ClipLabels
from savg.arrays import open_array
from savg.checksums import write_sums
from savg.clip import Clip
from savg.command import uninterrupted
from savg.data.pack_layout import META, PackLayout, open_pack
from savg.data.published_loader import published_resize
from savg.data.scenes import World, draw_scene, render
from savg.errors import Cancelled, SavgError, clause
from savg.format import ClipFormat

Progress = Callable[[int, int], Any]
"""Called with clips done and total; returning False stops, and the next call resumes there."""


class Labelled(Protocol):
    """A clip to pack, with its labels and boxes, None for unknown ones."""

    @property
    def clip(self) -> Clip: ...

    @property
    def labels(self) -> ClipLabels | None: ...

    @property
    def boxes(self) -> Boxes | None: ...


class PackedClips:
    """A packed folder, read as memory maps: `video`, `audio`, `frame_index`, `keys` and, clip by
    clip, `waveform(i)`, `labels(i)`, `boxes(i)` and `clip(i)`.

    verify: compare the files with their checksums, which reads all of them once. Raises SavgError where
    the folder is not a complete pack, or damaged.
    """

    def __init__(self, folder: str | os.PathLike[str], verify: bool = True) -> None:
        self.folder = Path(folder)
        try:
            self.layout, self._arrays = open_pack(self.folder, verify)
        except SavgError as error:
            reason = clause(error)
            raise SavgError(f"{self.folder} is not a folder of packed clips ({reason}).") from error
        self.format = self.layout.format
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
            with uninterrupted():
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
        if plan.exists() and plan.read_text(encoding="utf-8") == meta and self._has_arrays():
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

    def _has_arrays(self) -> bool:
        """Whether the unfinished folder holds all arrays, for the same keys."""
        try:
            keys = open_array(self.part / "keys.npy")
        except SavgError:
            return False
        files = [self.part / f"{name}.npy" for name in (*self.layout.arrays(), "done")]
        return np.array_equal(keys, self.keys) and all(file.is_file() for file in files)

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
        write_sums(self.part, [META, *(f"{name}.npy" for name in self.layout.arrays())])
        (self.part / "done.npy").unlink()
        old = self.out.with_name(f".{self.out.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if self.out.exists():
            os.replace(self.out, old)
        os.replace(self.part, self.out)
        shutil.rmtree(old, ignore_errors=True)
        return PackedClips(self.out, verify=False)
