"""Inputs of the published networks and of the published evaluator from a clip's file [code].

Training item: all frames, flipped left to right, then reduced by `published_resize`; audio as it is,
its channels never swapped. Our own training reads packs, which are not flipped, and flips frames and
swaps channels together or not at all (`savg.data.joint_codec`).

Evaluator's pieces: files are read at 10 frames a second, whatever their rate, by repeating frames
(frame i is number ⌊i · fps / 10⌋ of the file); a piece is 20 of them, one begins at each; its audio
lasts from the beginning of its first frame to the end of its last, decoded at 44.1 kHz and cut to
80,000 samples, or filled up with silence. Neither frames nor audio are flipped. The list of all
pieces is shuffled by a generator seeded with 42, that of the generated set first.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError
from savg.format import SAVGBENCH, ClipFormat
from savg.media.audio_track import AudioTrack
from savg.media.container import demux, find_stream, open_container, video_stream
from savg.media.frames import decode

EVALUATOR_FPS = 10
EVALUATOR_RATE = 44_100
EVALUATOR_SEED = 42

Frames = NDArray[np.uint8]


def published_resize(frames: Frames, height: int, width: int) -> Frames:
    """Frames [F, h, w, 3] fitted into [F, height, width, 3] on black, aspect ratio preserved.

    Bicubic with a = −0.75 and without antialiasing, sides cut to whole pixels, values rounded (halves
    to even) and clipped to 0…255; of an odd padding the smaller part comes above and to the left.
    Frames that already have the size are returned unchanged.
    """
    h, w = frames.shape[1:3]
    ratio = min(height / h, width / w)
    new_h, new_w = int(h * ratio), int(w * ratio)
    top, left = (height - new_h) // 2, (width - new_w) // 2
    fitted = np.zeros((len(frames), height, width, 3), np.uint8)
    for target, frame in zip(fitted, frames, strict=True):
        if (new_h, new_w) != (h, w):
            exact = frame.astype(np.float32)
            exact = cv2.resize(exact, (new_w, new_h), interpolation=cv2.INTER_CUBIC)
            frame = np.clip(np.rint(exact), 0, 255).astype(np.uint8)
        target[top : top + new_h, left : left + new_w] = frame
    return fitted


def training_item(
    path: str | os.PathLike[str], size: int = 64, format: ClipFormat = SAVGBENCH
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A file as the published training reads it: video [F, 3, size, size], audio [2, T], in −1..1.

    The frames are flipped left to right and the channels are not swapped, as in every published
    training item. Raises MediaError where the file is shorter than one clip.
    """
    frames, audio = _frames(Path(path)), _audio(Path(path), format.sample_rate)
    if len(frames) < format.frames or audio.shape[1] < format.samples:
        raise MediaError(f"{path} is shorter than {format.seconds:g} s.")
    flipped = np.ascontiguousarray(frames[: format.frames, :, ::-1])
    return _network_values(published_resize(flipped, size, size)), audio[:, : format.samples]


@dataclass(frozen=True)
class Piece:
    """A part of a file that the evaluator reads as a clip: `frames` are numbers of the file's own
    frames, `start` and `end` are seconds of its audio."""

    file: int
    number: int
    start: float
    end: float
    frames: tuple[int, ...]


def stored_frames(path: str | os.PathLike[str]) -> tuple[int, float]:
    """Number of a file's frames and its frames a second, without decoding; MediaError for a file that
    cannot be read."""
    path = Path(path)
    with open_container(path, "has no frames that can be read") as container:
        video = video_stream(container, path)
        rate = video.average_rate or video.guessed_rate
        count = sum(packet.pts is not None for packet in demux(container, [video]))
    if not count or not rate:
        raise MediaError(f"{path} has no frames that can be read.")
    return count, float(rate)


def evaluator_pieces(
    counts: Sequence[int],
    fps: float | Sequence[float] = SAVGBENCH.fps,
    length: int = SAVGBENCH.frames,
) -> list[Piece]:
    """All pieces of files with these numbers of frames, in order of file and beginning.

    fps: of every file, or one for each. A file of ten times n frames a second keeps every n-th frame.
    """
    rates = [float(fps)] * len(counts) if isinstance(fps, int | float) else list(fps)
    pieces = []
    for file, (count, rate) in enumerate(zip(counts, rates, strict=True)):
        step = rate / EVALUATOR_FPS
        if step.is_integer():
            numbers = list(range(0, count, int(step)))
        else:
            repeated = math.floor(count * EVALUATOR_FPS / rate)
            numbers = np.floor(np.arange(repeated, dtype=np.float32) * np.float32(step)).astype(int)
            numbers = numbers.tolist()
        for number in range(len(numbers) - length + 1):
            part = tuple(numbers[number : number + length])
            pieces.append(Piece(file, number, part[0] / rate, (part[-1] + 1) / rate, part))
    return pieces


def evaluator_order(count: int, generator: random.Random | None = None) -> list[int]:
    """The order in which `count` pieces are visited.

    Without a generator that of the generated set; for both sets pass one
    `random.Random(EVALUATOR_SEED)` first for that and then for the reference set.
    """
    order = list(range(count))
    (generator or random.Random(EVALUATOR_SEED)).shuffle(order)
    return order


def evaluator_items(
    path: str | os.PathLike[str],
    pieces: Sequence[Piece],
    size: int = SAVGBENCH.size,
    samples: int = SAVGBENCH.samples,
) -> list[tuple[Frames, NDArray[np.float32]]]:
    """Pieces of one file, which is decoded once: frames uint8 [20, size, size, 3] and 44.1 kHz audio
    [2, samples], silence after its end. Only the frames of the pieces are held.

    Raises:
        MediaError: a file without these frames or without audio.
    """
    path = Path(path)
    wanted = {number for piece in pieces for number in piece.frames}
    held: dict[int, Frames] = {}
    with open_container(path, "has no frames that can be read") as container:
        for number, frame in enumerate(decode(container, video_stream(container, path))):
            if number in wanted:
                held[number] = published_resize(frame.stored()[None], size, size)[0]
    if missing := wanted - held.keys():
        raise MediaError(f"{path} must have a frame number {max(missing)}, got fewer frames.")
    audio = _audio(path, EVALUATOR_RATE)
    items = []
    for piece in pieces:
        first = round(piece.start * EVALUATOR_RATE)
        last = min(round(piece.end * EVALUATOR_RATE), first + samples)
        heard = audio[:, first:last]
        padded = np.zeros((2, samples), np.float32)
        padded[:, : heard.shape[1]] = heard
        items.append((np.stack([held[number] for number in piece.frames]), padded))
    return items


def _network_values(frames: Frames) -> NDArray[np.float32]:
    """uint8 [F, h, w, 3] → [F, 3, h, w] in −1..1."""
    values = np.moveaxis(frames, -1, 1).astype(np.float32) / np.float32(127.5) - np.float32(1)
    return np.ascontiguousarray(values)


def _frames(path: Path) -> Frames:
    """Every frame of a file as it is stored, uint8 [F, h, w, 3]."""
    with open_container(path, "has no frames that can be read") as container:
        video = video_stream(container, path)
        frames = [frame.stored() for frame in decode(container, video)]
    if not frames:
        raise MediaError(f"{path} has no frames that can be read.")
    return np.stack(frames)


def _audio(path: Path, rate: int) -> NDArray[np.float32]:
    """All audio of a file at a rate, rounded to 16 bits, float32 [2, T] in −1..1."""
    track = AudioTrack(rate, "s16", mono=False)
    with open_container(path, "has no audio that can be read") as container:
        audio = find_stream(container, "audio")
        if audio is None:
            raise MediaError(f"{path} has no audio that can be read.")
        for block in container.decode(audio):
            track.add(block)
        samples = track.joined()
    if samples is None:
        samples = np.zeros((2, 0), np.int16)
    return np.ascontiguousarray(samples.astype(np.float32)) / np.float32(32768)
