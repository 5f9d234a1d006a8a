"""Composed videos for papers and talks: clips side by side, in sequence, or with spectrograms.

moviepy arranges frames and audio in time; the file is encoded as clips are. Audio keeps its channels
and levels, and starts with its frame.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from math import lcm
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.annotation import Alignment, Boxes, SoundEvents
from savg.audio.resample import resample
from savg.clip import Clip
from savg.errors import SavgError
from savg.format import SAVGBENCH, ClipFormat
from savg.media.encode import write_video
from savg.media.probe import video_info
from savg.viz import overlay
from savg.viz.cards import INK, PAPER, card, spectrogram_card

Image = NDArray[np.uint8]
Step = Callable[[int, int], object]

LAYOUTS = ("side-by-side", "sequence", "overlay-spectrogram")
MAX_CLIPS = 9
"""Most clips of a side-by-side comparison."""

TITLE_SECONDS, CARD_SECONDS = 2.0, 1.0
"""Seconds of a title, and of the label before a clip of a sequence."""

MAX_FPS = 60
"""Highest frame rate of a composed video, unless one of its clips has a higher one."""

ACCENT = (255, 196, 61)
"""Colour of the border around the clip whose audio plays."""

_MARGIN, _LABEL = 16, 44
_WIDTHS = {1: 960, 2: 640, 3: 480}
_CACHED_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class Entry:
    """A clip with the label above it; observed: people, sound events and alignment, for overlays."""

    clip: Clip
    label: str = ""
    observed: tuple[Boxes, SoundEvents, Alignment] | None = None


@dataclass(frozen=True)
class Composed:
    """A written video: size in pixels, frames per second, length in seconds."""

    width: int
    height: int
    fps: int
    seconds: float


def compose(
    path: str | os.PathLike[str],
    entries: Sequence[Entry],
    layout: str = "side-by-side",
    *,
    title: str = "",
    audio: int | None = None,
    on_step: Step | None = None,
) -> Composed:
    """Write an mp4 that shows clips in one of LAYOUTS, whole or not at all.

    Args:
        path: of the file, which is replaced if it exists.
        entries: the clips; "overlay-spectrogram" needs `observed` of each.
        layout: one of LAYOUTS.
        title: text on a card of its own at the start.
        audio: index of the one clip of a side-by-side comparison whose audio plays; None: the
            comparison is shown once for each clip, whose audio plays and which has a border.
        on_step: called with (frames done, frames in all).

    Raises:
        ValueError: for arguments that do not fit.
        SavgError: if the file cannot be written.
    """
    _check(entries, layout, audio)
    try:
        import moviepy
    except ImportError as error:
        raise SavgError(f"Composed videos need moviepy, which does not load: {error}.") from error
    scene = _Scene(moviepy, entries)
    if layout == "side-by-side":
        parts = scene.side_by_side(audio)
    elif layout == "sequence":
        parts = scene.sequence()
    else:
        parts = scene.overlays()
    if title:
        width, height = parts[0].size
        parts.insert(0, scene.still(card(title, width, height, width // 22), TITLE_SECONDS))
    sequence = moviepy.concatenate_videoclips(parts, method="chain")
    count = round(sequence.duration * scene.fps)

    def frames() -> Iterator[Image]:
        for n in range(count):
            yield np.asarray(sequence.get_frame((n + 0.5) / scene.fps), np.uint8)
            if on_step:
                on_step(n + 1, count)

    write_video(path, frames(), scene.fps, scene.audio(sequence, count), scene.rate)
    return Composed(sequence.size[0], sequence.size[1], scene.fps, count / scene.fps)


def read_entry_clip(path: str | os.PathLike[str], of: int = 1, max_seconds: float = 30.0) -> Clip:
    """A video file as a clip near its own size and rate, one `of` several; see `Clip.read`.

    At most 640 pixels and 30 frames per second; smaller where long clips would not fit into memory.
    """
    info = video_info(path)
    fps = max(1, min(30, round(info.fps)))
    frames = fps * min(info.seconds or max_seconds, max_seconds)
    max_side = math.sqrt(_CACHED_BYTES / of / 3 / max(frames, 1))
    size = max(SAVGBENCH.size, int(min(640, max(info.width, info.height), max_side)) // 2 * 2)
    if info.width == info.height:  # as clips are, with the picture on the rows in the middle
        height = SAVGBENCH.with_size(size).picture_height
    else:
        height = max(2, min(size, round(size * info.height / info.width)) // 2 * 2)
    format = ClipFormat(fps=fps, sample_rate=48_000, size=size, picture_height=height)
    return Clip.read(Path(path), format, max_seconds=max_seconds)


def _check(entries: Sequence[Entry], layout: str, audio: int | None) -> None:
    if layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}.")
    if not entries:
        raise ValueError("entries must hold at least one clip, got none.")
    if layout == "side-by-side" and len(entries) > MAX_CLIPS:
        raise ValueError(f"Clips side by side must be at most {MAX_CLIPS}, got {len(entries)}.")
    if audio is not None and not 0 <= audio < len(entries):
        raise ValueError(f"audio must be an index below {len(entries)}, got {audio}.")
    if layout == "overlay-spectrogram" and any(entry.observed is None for entry in entries):
        raise ValueError(
            'Every entry of "overlay-spectrogram" must have `observed`, got one without.'
        )


class _Scene:
    """The parts of a composed video, as moviepy's clips, at one frame and sample rate."""

    def __init__(self, moviepy: Any, entries: Sequence[Entry]) -> None:
        self.moviepy, self.entries = moviepy, entries
        formats = [entry.clip.format for entry in entries]
        rates = [format.fps for format in formats]
        if entries[0].observed is not None:
            rates = [overlay.overlay_fps(format) for format in formats]
        self.fps = lcm(*rates) if lcm(*rates) <= MAX_FPS else max(rates)
        self.rate = max(format.sample_rate for format in formats)

    def duration(self, clip: Clip) -> float:
        """Seconds of a clip in whole frames of the composed video."""
        return math.ceil(clip.format.duration * self.fps) / self.fps

    def still(self, image: Image, seconds: float) -> Any:
        """An image that stays for `seconds`."""
        return self.moviepy.ImageClip(image, duration=seconds)

    def moving(self, image: Callable[[int], Image], fps: int, seconds: float) -> Any:
        """Frames by number at `fps`, requested at the middle of their time."""
        return self.moviepy.VideoClip(lambda t: image(int(t * fps)), duration=seconds)

    def composite(self, parts: Sequence[tuple[Any, Any]], size: tuple[int, int], clip: Any) -> Any:
        """Parts at (x, y) on a dark background, with the audio of a savg clip (None: silent)."""
        seconds = max(part.duration for part, _ in parts)
        composite = self.moviepy.CompositeVideoClip(
            [part.with_position(place) for part, place in parts], size, bg_color=PAPER
        ).with_duration(seconds)
        if clip is None:
            return composite
        audio = resample(clip.audio, clip.format.sample_rate, self.rate)
        track = self.moviepy.AudioArrayClip(audio[:, : round(seconds * self.rate)].T, self.rate)
        return composite.with_audio(track)

    def audio(self, sequence: Any, frames: int) -> NDArray[np.float32]:
        """Audio [2, T] of a composed video, with silence up to its end."""
        audio = np.zeros((2, round(frames * self.rate / self.fps)), np.float32)
        if sequence.audio is not None:
            samples = sequence.audio.to_soundarray(fps=self.rate).T[:, : audio.shape[1]]
            audio[:, : samples.shape[1]] = samples
        return audio

    def tile(self, clip: Clip, width: int, seconds: float) -> Any:
        """A clip upscaled to a width; its last frame stays until the end of `seconds`."""
        plan, last = overlay.layout(clip, width), clip.format.frames - 1
        shown = lru_cache(maxsize=1)(lambda frame: overlay.upscaled(clip, plan, frame))
        return self.moving(lambda frame: shown(min(frame, last)), clip.format.fps, seconds)

    def side_by_side(self, audio: int | None) -> list[Any]:
        """All clips at once, repeated for each whose audio plays."""
        clips = [entry.clip for entry in self.entries]
        columns = len(clips) if len(clips) <= 3 else 2 if len(clips) == 4 else 3
        width = _WIDTHS[columns]
        seconds = max(self.duration(clip) for clip in clips)
        tiles = [self.tile(clip, width, seconds) for clip in clips]
        cell = (width + _MARGIN, max(tile.size[1] for tile in tiles) + _LABEL + _MARGIN)
        rows = -(-len(clips) // columns)
        size = (columns * cell[0] + _MARGIN, rows * cell[1] + _MARGIN)
        parts = []
        for playing in range(len(clips)) if audio is None else (audio,):
            layers = []
            for place, (entry, tile) in enumerate(zip(self.entries, tiles, strict=True)):
                x = _MARGIN + cell[0] * (place % columns)
                y = _MARGIN + cell[1] * (place // columns)
                text, colour = entry.label, INK
                if place == playing and len(clips) > 1:
                    text, colour = f"{entry.label} (heard)".strip(), ACCENT
                    frame = np.full((tile.size[1] + 8, width + 8, 3), ACCENT, np.uint8)
                    layers.append((self.still(frame, seconds), (x - 4, y + _LABEL - 4)))
                label = card(text, width, _LABEL - 4, 24, colour)
                layers += [(self.still(label, seconds), (x, y)), (tile, (x, y + _LABEL))]
            parts.append(self.composite(layers, size, clips[playing]))
        return parts

    def sequence(self) -> list[Any]:
        """One clip after the other, each with its label, after a card that names it."""
        width = _WIDTHS[1]
        tiles = [self.tile(e.clip, width, self.duration(e.clip)) for e in self.entries]
        height = max(tile.size[1] for tile in tiles)
        size = (width + 2 * _MARGIN, height + _LABEL + 2 * _MARGIN)
        parts = []
        for entry, tile in zip(self.entries, tiles, strict=True):
            if entry.label:
                parts.append(self.still(card(entry.label, *size, 40), CARD_SECONDS))
            label = self.still(card(entry.label, width, _LABEL - 4, 24), tile.duration)
            places = [(label, (_MARGIN, _MARGIN)), (tile, (_MARGIN, _MARGIN + _LABEL))]
            parts.append(self.composite(places, size, entry.clip))
        return parts

    def overlays(self) -> list[Any]:
        """One clip after the other: its overlay, and its spectrograms with a moving line."""
        width = 640
        heights = [overlay.layout(entry.clip, width).height for entry in self.entries]
        size = (2 * width, max(heights) + _LABEL)
        parts = []
        for entry, height in zip(self.entries, heights, strict=True):
            seconds = self.duration(entry.clip)
            drawn = _SequentialFrames(entry, width)
            shown = self.moving(drawn.frame, overlay.overlay_fps(entry.clip.format), seconds)
            side = spectrogram_card(entry.clip, width, height)
            cursor = np.full((side.bottom - side.top, 2, 3), 255, np.uint8)
            way, length = side.right - side.left, entry.clip.format.seconds
            start, top = width + side.left, _LABEL + side.top

            def at(
                t: float, start: int = start, top: int = top, way: int = way, length: float = length
            ) -> tuple[int, int]:
                return round(start + way * min(t / length, 1)) - 1, top

            places = [
                (self.still(card(entry.label, size[0], _LABEL - 4, 24), seconds), (0, 0)),
                (shown, (0, _LABEL)),
                (self.still(side.image, seconds), (width, _LABEL)),
                (self.still(cursor, seconds), at),
            ]
            parts.append(self.composite(places, size, entry.clip))
        return parts


class _SequentialFrames:
    """An overlay's frames by ascending number, drawn on request; only one is in memory."""

    def __init__(self, entry: Entry, width: int) -> None:
        assert entry.observed is not None
        boxes, events, alignment = entry.observed
        self._restart = partial(overlay.overlay_frames, entry.clip, boxes, events, alignment, width)
        self._frames, self._number = self._restart(), 0
        self._image = next(self._frames)

    def frame(self, number: int) -> Image:
        """The frame with this number; the last one beyond the end."""
        if number < self._number:
            self._frames, self._number = self._restart(), 0
            self._image = next(self._frames)
        while self._number < number:
            image = next(self._frames, None)
            if image is None:
                break
            self._image, self._number = image, self._number + 1
        return self._image
