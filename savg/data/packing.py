"""Sets of clips in the published layout as packs that training reads without decoding anything."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from savg.annotation import Boxes, ClipLabels
from savg.clip import Clip
from savg.data.packed import PackedClips, PackLayout, Progress, pack_drawn
from savg.data.savgbench import BenchItem, SavgBench
from savg.errors import SavgError
from savg.format import SAVGBENCH, ClipFormat


@dataclass(frozen=True)
class Purpose:
    """Data that a recipe needs of a clip: frames `size` wide, `frames` of each clip (None: all), with
    audio or without; boxes: whether boxes of people are required."""

    size: int
    frames: int | None = None
    audio: bool = True
    boxes: bool = False


PURPOSES = {
    "joint": Purpose(64),
    "superres": Purpose(SAVGBENCH.size, frames=4, audio=False),
    "seld": Purpose(16, frames=1),
    "yolox": Purpose(SAVGBENCH.size, frames=4, audio=False, boxes=True),
}
"""Recipe → data packed for it. Neighbouring frames add little for a network of single images, and SELD
takes none (one small frame a clip shows which clip it is)."""


@dataclass(frozen=True)
class PackItem:
    """A clip read from its files, with its tables cut to its length."""

    clip: Clip
    labels: ClipLabels | None
    boxes: Boxes | None


def pack_bench(
    out: str | os.PathLike[str],
    bench: SavgBench,
    layout: PackLayout,
    *,
    processes: int = 1,
    progress: Progress | None = None,
) -> PackedClips:
    """Write the clips of `bench` as a pack, with a layout from `bench_layout`.

    A stopped call is resumed. Raises SavgError naming a clip that cannot be read (none is left out),
    and where `out` holds something that is no pack.
    """
    refuse_other_folders(Path(out))
    draw = partial(_read, tuple(bench), layout.format)
    keys = range(layout.count)
    return pack_drawn(out, layout, draw, keys, processes=processes, progress=progress)


def bench_layout(
    bench: SavgBench,
    purpose: Purpose,
    format: ClipFormat | None = None,
    resize: str = "published",
) -> PackLayout:
    """The layout of a pack of `bench`; its `origin` names the clips.

    Raises SavgError where the set has no clips, or no boxes that `purpose` requires.
    """
    if not len(bench):
        raise SavgError(f"{bench.folder} holds no clips to pack.")
    if purpose.boxes and not any(item.boxes_path for item in bench):
        folder = bench.folder / f"boxes_{bench.split}"
        raise SavgError(f"{folder} has no boxes (NAME.csv), which this recipe is trained on.")
    format = format or bench.format
    frames = purpose.frames if purpose.frames is None else min(purpose.frames, format.frames)
    origin = {
        "dataset": bench.folder.name,
        "split": bench.split,
        "bytes": _bytes(bench),
        "clips": [item.name for item in bench],
    }
    return PackLayout(
        len(bench), format, purpose.size, None, frames, purpose.audio, origin, resize
    )  # fmt: skip


def refuse_other_folders(out: Path) -> None:
    """SavgError where `out` holds something that is no pack: a new pack replaces the folder."""
    if not out.exists() or (out / "meta.json").is_file():
        return
    if not out.is_dir() or any(out.iterdir()):
        raise SavgError(f"{out} exists and holds no packed clips: choose another folder.")


def read_item(item: BenchItem, format: ClipFormat) -> PackItem:
    """A clip read in a format, with the rows of its tables that fall into it."""
    labels, boxes = None, item.boxes
    if item.labels_path.is_file():
        table = item.labels
        inside = table.frames < format.label_frames
        labels = ClipLabels(
            table.frames[inside], table.classes[inside], table.x[inside], table.y[inside]
        )
    if boxes is not None:
        boxes = boxes.select(boxes.frames < format.frames)
    return PackItem(Clip.read(item.path, format), labels, boxes)


def _read(items: Sequence[BenchItem], format: ClipFormat, key: int) -> PackItem:
    return read_item(items[key], format)


def _bytes(bench: SavgBench) -> int:
    """Size of all files, so that a changed set does not resume an interrupted pack."""
    files = [path for item in bench for path in (item.path, item.labels_path, item.boxes_path)]
    return sum(path.stat().st_size for path in files if path is not None and path.is_file())
