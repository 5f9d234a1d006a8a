"""Lengths of the second stage's sequences, all derived from a duration and a sample rate.

Rates: mel frames of `hop` samples, latents of two mel frames, CLIP frames at 8 fps, synchronisation
features of 25 fps video in segments of 16 frames every 8, each of 8 features.
Source: behaviour of the published MMAudio code (arXiv 2412.15322); 5 s at 16 kHz give 157 latents,
40 CLIP frames and 112 synchronisation features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

CLIP_FPS = 8
SYNC_FPS = 25
SEGMENT_FRAMES, SEGMENT_STEP, SEGMENT_FEATURES = 16, 8, 8
MEL_FRAMES_PER_LATENT = 2

MEL_HOPS = {16_000: 256, 44_100: 512}
"""Samples per mel frame, by the sample rate in Hz of the two published families."""


@dataclass(frozen=True)
class SequenceLengths:
    """Lengths of a clip's sequences. seconds: its duration; sample_rate: in Hz, a published one.

    The duration is taken as the nearest fraction with a denominator up to 1000, so that a float
    such as 4.76 counts the frames it means. Raises ValueError for a duration too short for one
    segment of 16 synchronisation frames.
    """

    seconds: float | Fraction
    sample_rate: int

    def __post_init__(self) -> None:
        if self.sample_rate not in MEL_HOPS:
            raise ValueError(
                f"sample_rate must be one of {sorted(MEL_HOPS)} Hz, got {self.sample_rate}"
            )
        if self.sync_frames < SEGMENT_FRAMES:
            raise ValueError(
                f"seconds must be ≥ {SEGMENT_FRAMES} frames at {SYNC_FPS} fps, "
                f"got {float(self.seconds):g}"
            )

    @property
    def duration(self) -> Fraction:
        """Exact length in seconds."""
        return Fraction(self.seconds).limit_denominator(1000)

    @property
    def hop(self) -> int:
        """Samples per mel frame."""
        return MEL_HOPS[self.sample_rate]

    @property
    def latent(self) -> int:
        """Latents of the flow network."""
        return math.ceil(self.duration * self.sample_rate / (self.hop * MEL_FRAMES_PER_LATENT))

    @property
    def mel(self) -> int:
        """Mel frames of the latents."""
        return self.latent * MEL_FRAMES_PER_LATENT

    @property
    def samples(self) -> int:
        """Audio samples of the latents; at least the clip's own."""
        return self.mel * self.hop

    @property
    def clip(self) -> int:
        """Frames for CLIP."""
        return int(self.duration * CLIP_FPS)

    @property
    def sync_frames(self) -> int:
        """Frames for the synchronisation encoder."""
        return int(self.duration * SYNC_FPS)

    @property
    def segments(self) -> int:
        """Segments of the synchronisation encoder."""
        return (self.sync_frames - SEGMENT_FRAMES) // SEGMENT_STEP + 1

    @property
    def sync(self) -> int:
        """Features of the synchronisation encoder."""
        return self.segments * SEGMENT_FEATURES
