"""How clips are read for an evaluation: frame rate, sample rate, length, channels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from savg.clip import Clip
from savg.errors import SavgError, whole_number
from savg.evaluation.observers import GROUP
from savg.format import SAVGBENCH, ClipFormat
from savg.media.channels import AudioRules
from savg.media.clip_reader import MAX_SECONDS

READER = 1
"""Version of the reader: raised when the same file becomes another clip, so that caches do not mix."""

MOST_FPS = 240
"""Most frames a second that are read."""

SAMPLE_RATES = (8_000, 192_000)
"""Least and highest sample rate; networks and measures of octaves hear too little below."""

GROUP_BYTES = 2**30
"""Bytes that the clips that are computed together may have, were they as long as allowed."""


@dataclass(frozen=True)
class Reading:
    """Settings of the reader.

    Attributes:
        format: frame rate, sample rate and sizes.
        seconds: of every clip, longer ones cut and shorter ones padded; None: each has its file's own.
        max_seconds: longer files are refused.
        audio: what may become stereo beside stereo.

    Raises:
        SavgError: seconds out of range.
    """

    format: ClipFormat = SAVGBENCH
    seconds: float | None = None
    max_seconds: float = MAX_SECONDS
    audio: AudioRules = field(default_factory=AudioRules)

    def __post_init__(self) -> None:
        for name, value in (("--seconds", self.seconds), ("--max-seconds", self.max_seconds)):
            if value is not None and not 0 < value <= MAX_SECONDS:
                raise SavgError(f"{name} must be in 0..{MAX_SECONDS:g} and > 0, got {value:g}.")

    @classmethod
    def of(
        cls,
        fps: int | None = None,
        sample_rate: int | None = None,
        seconds: float | None = None,
        max_seconds: float | None = None,
        audio: AudioRules | None = None,
    ) -> Reading:
        """The settings, those of SAVGBench where None; SavgError for values out of range."""
        given = {}
        if fps is not None:
            given["fps"] = whole_number("--fps", fps, 1, MOST_FPS)
        if sample_rate is not None:
            given["sample_rate"] = whole_number("--sample-rate", sample_rate, *SAMPLE_RATES)
        format = replace(SAVGBENCH, **given)
        longest = MAX_SECONDS if max_seconds is None else max_seconds
        return cls(format, seconds, longest, audio or AudioRules())

    def read(self, path: Path) -> Clip:
        """The clip in a file; MediaError where it cannot become one."""
        if self.seconds is None:
            return Clip.read(path, self.format, max_seconds=self.max_seconds, audio=self.audio)
        frames = max(1, round(self.seconds * self.format.fps))
        return Clip.read(path, self.format.with_frames(frames), audio=self.audio)

    @property
    def facts(self) -> dict[str, Any]:
        """What a clip depends on beside its file, ready for JSON."""
        facts = {key: value for key, value in asdict(self.format).items() if key != "frames"}
        own = {"seconds": self.seconds, "max_seconds": self.max_seconds}
        return {**facts, **own, **asdict(self.audio), "reader": READER}

    @property
    def group(self) -> int:
        """Clips that are computed together: fewer where they may be large."""
        format = self.format
        seconds = self.max_seconds if self.seconds is None else self.seconds
        pixels = seconds * format.fps * 3 * format.size**2
        samples = seconds * format.sample_rate * 8
        return max(1, min(GROUP, int(GROUP_BYTES // (pixels + samples))))
