"""The clip: a short perspective video with stereo audio."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from savg.format import SAVGBENCH, ClipFormat
from savg.media.audio_file import write_audio
from savg.media.channels import AudioRules
from savg.media.clip_reader import read_clip
from savg.media.encode import write_video

_DARK = 48
"""Brightness, of 255, up to which padding counts as dark."""


@dataclass(frozen=True, eq=False)
class Clip:
    """Video uint8 [frames, size, size, 3] (RGB) with audio float32 [2, samples] in −1..1.

    Channel 0 is left; lengths and sizes are those of `format`.

    Raises:
        ValueError: another shape or type, or audio that is not finite or not in −1..1.

    Example:
        clip = Clip.read("holiday.mp4")
        clip.mirrored().write("mirrored.mp4")
    """

    video: NDArray[np.uint8]
    audio: NDArray[np.float32]
    format: ClipFormat = SAVGBENCH

    def __post_init__(self) -> None:
        format = self.format
        for name, dtype, shape in (
            ("video", np.uint8, (format.frames, format.size, format.size, 3)),
            ("audio", np.float32, (2, format.samples)),
        ):
            array = getattr(self, name)
            if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != dtype:
                got = f"{getattr(array, 'dtype', type(array).__name__)} {np.shape(array)}"
                raise ValueError(f"Clip.{name} must be {np.dtype(dtype)} {shape}, got {got}.")
        if not np.isfinite(self.audio).all():
            raise ValueError("Clip.audio must be finite, got NaN or infinity.")
        if self.audio.size and np.abs(self.audio).max() > 1.0:
            peak = float(np.abs(self.audio).max())
            raise ValueError(f"Clip.audio must be in −1..1, got a peak of {peak:.3g}.")

    @property
    def picture(self) -> NDArray[np.uint8]:
        """The rows of the frames that hold the picture [frames, picture_height, size, 3]."""
        return self.video[:, self.format.top : self.format.bottom]

    @property
    def has_dark_padding(self) -> bool:
        """Whether the rows above and below the picture are dark; those of generated clips are noise."""
        padding = self.video[:, : self.format.top], self.video[:, self.format.bottom :]
        return all(part.size == 0 or np.percentile(part, 99) < _DARK for part in padding)

    def mirrored(self) -> Clip:
        """The clip with its video flipped left to right and its channels swapped."""
        video = np.ascontiguousarray(self.video[:, :, ::-1])
        return Clip(video, np.ascontiguousarray(self.audio[::-1]), self.format)

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        format: ClipFormat = SAVGBENCH,
        *,
        max_seconds: float | None = None,
        audio: AudioRules | None = None,
    ) -> Clip:
        """The clip in a video file with stereo audio, converted to `format`.

        Any common codec. Frames are taken at the format's times and fitted into its frame with their
        aspect ratio; audio is resampled channel by channel. Frames and audio come when their time
        stamps say, gaps are silence; of several tracks the default one that can be read counts, of
        the audio a stereo one or two mono ones marked left and right.

        Args:
            format: of the clip; its number of frames is the length unless `max_seconds` is given.
            max_seconds: read the file's own length, to whole frames, up to this; without it a longer
                file is cut, and a shorter one padded with its last frame and silence.
            audio: what else than stereo becomes stereo, and how; None: nothing does.
                `savg.media.clip_reader.audio_note` says what was done.

        Raises:
            MediaError: no such file, or one that cannot become a clip.

        Example:
            clip = Clip.read("holiday.mp4", max_seconds=10.0)
        """
        return cls(*read_clip(Path(path), format, max_seconds, audio))

    def write(self, path: str | os.PathLike[str], comment: str = "") -> None:
        """Write an mp4 that plays in browsers (H.264 yuv420p, AAC stereo), whole or not at all.

        Args:
            comment: words about the file, kept in its metadata.

        Raises:
            SavgError: the file cannot be written.

        Example:
            clip.write("clip.mp4")
        """
        rate = self.format.sample_rate
        write_video(path, self.video, self.format.fps, self.audio, rate, comment=comment)

    def write_audio(self, path: str | os.PathLike[str]) -> None:
        """Write the audio as .wav or .flac, whole or not at all. MediaError for another suffix."""
        write_audio(path, self.audio, self.format.sample_rate)
