"""Clips as the tensors of the joint diffusion model, and back.

One object owns the conversion, so that training and sampling cannot disagree about it. The published
model takes the whole padded 64×64 frame and the two channels as they are [S1]. Small ones take less:
the rows that hold the picture; several frames as one; mid and side signals at comparable
loudness, because the direction of a source lies in the quiet side signal; or a spectrogram with a
panning curve instead of samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

from savg.data.mel_audio import MelAudio, Vocoder
from savg.fields import Between, Side, check, from_json
from savg.format import ClipFormat

if TYPE_CHECKING:
    import torch

Gain = Annotated[float, Between(1e-6, 1e6)]


@dataclass(frozen=True)
class JointCodec:
    """uint8 frames and stereo audio ↔ the tensors a joint network is trained on.

    size: side of the small frame; rows: how many of its rows, centred, the network takes;
    mid_gain and side_gain: factors on (left + right)/2 and (left − right)/2, or both None for
    plain left and right; fold: frames that are stacked as the channels of one; sound: a spectrogram
    instead of samples. Raises ValueError for impossible values.
    """

    size: Side = 64
    rows: Side = 64
    mid_gain: Gain | None = None
    side_gain: Gain | None = None
    fold: Annotated[int, Between(1, 1024)] = 1
    sound: MelAudio | None = None

    def __post_init__(self) -> None:
        check(self, "JointCodec.{}")
        if not 0 < self.rows <= self.size or (self.size - self.rows) % 2:
            raise ValueError(
                f"JointCodec.rows must be in 1…{self.size} and leave equal margins, got {self.rows}."
            )
        if (self.mid_gain is None) != (self.side_gain is None):
            raise ValueError("JointCodec must have both mid_gain and side_gain, or neither.")
        if self.sound is not None and self.mid_gain is not None:
            raise ValueError("JointCodec must have gains or a spectrogram, got both.")

    @property
    def first_row(self) -> int:
        """The first row of the small frame that the network takes."""
        return (self.size - self.rows) // 2

    @property
    def plain_stereo(self) -> bool:
        """Whether the network takes left and right as they are, in −1..1."""
        return self.mid_gain is None and self.sound is None

    def small_format(self, format: ClipFormat) -> ClipFormat:
        """The clip format of the small frames."""
        return format.with_size(self.size)

    def video_shape(self, format: ClipFormat) -> tuple[int, int, int, int]:
        """Shape (F / fold, 3·fold, h, w) of one clip's video tensor.

        Raises ValueError where `fold` does not divide the number of frames.
        """
        if format.frames % self.fold:
            raise ValueError(f"frames must be a multiple of fold {self.fold}, got {format.frames}.")
        return (format.frames // self.fold, 3 * self.fold, self.rows, self.size)

    def audio_shape(self, format: ClipFormat) -> tuple[int, int]:
        """Shape (2, T) of one clip's audio tensor, or (rows, columns) of its spectrogram."""
        if self.sound is not None:
            return (self.sound.rows, self.sound.columns(format.samples))
        return (2, format.samples)

    def encode_video(self, frames: torch.Tensor) -> torch.Tensor:
        """uint8 [..., F, size, size, 3] or [..., F, rows, size, 3] → float [..., F, 3, rows, size] in
        −1..1, or with `fold` [..., F / fold, 3·fold, rows, size]; ValueError for another height.
        """
        if frames.shape[-3] == self.size:
            frames = frames[..., self.first_row : self.first_row + self.rows, :, :]
        elif frames.shape[-3] != self.rows:
            raise ValueError(
                f"frames must have {self.size} or {self.rows} rows, got {frames.shape[-3]}."
            )
        video = frames.movedim(-1, -3).float() / 127.5 - 1.0
        if self.fold == 1:
            return video
        return video.unflatten(-4, (-1, self.fold)).flatten(-4, -3)

    def frames_of(self, video: torch.Tensor) -> torch.Tensor:
        """Video tensor [..., F / fold, 3·fold, h, w] → frames [..., F, 3, h, w]."""
        if self.fold == 1:
            return video
        return video.unflatten(-3, (self.fold, 3)).flatten(-5, -4)

    def decode_video(self, video: torch.Tensor) -> torch.Tensor:
        """The inverse of `encode_video`: uint8 [..., F, size, size, 3], other rows black."""
        import torch

        images = (
            ((self.frames_of(video).float() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
        )
        images = images.movedim(-3, -1)
        frames = images.new_zeros((*images.shape[:-3], self.size, self.size, 3))
        frames[..., self.first_row : self.first_row + self.rows, :, :] = images
        return frames

    def encode_audio(self, audio: torch.Tensor) -> torch.Tensor:
        """Stereo [..., 2, T] → the audio tensor [..., 2, T], or a spectrogram [..., rows, columns]."""
        import torch

        if self.sound is not None:
            return self.sound.encode(audio)
        if self.mid_gain is None or self.side_gain is None:
            return audio
        left, right = audio.unbind(-2)
        mid, side = (left + right) / 2, (left - right) / 2
        return torch.stack([mid * self.mid_gain, side * self.side_gain], dim=-2)

    def decode_audio(self, audio: torch.Tensor, vocoder: Vocoder | None = None) -> torch.Tensor:
        """The inverse of `encode_audio`: stereo [..., 2, T], clamped to −1..1.

        vocoder: what gives phases to a spectrogram (None: Griffin-Lim).
        """
        import torch

        audio = audio.float() if self.sound is None else self.sound.decode(audio, vocoder)
        if self.mid_gain is not None and self.side_gain is not None:
            mid, side = audio.unbind(-2)
            mid, side = mid / self.mid_gain, side / self.side_gain
            audio = torch.stack([mid + side, mid - side], dim=-2)
        return audio.clamp(-1.0, 1.0)

    def mirror(self, video: torch.Tensor, audio: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encoded video [..., h, w] flipped left to right, encoded audio with channels swapped."""
        import torch

        if self.sound is not None:
            return video.flip(-1), self.sound.mirror(audio)
        if self.mid_gain is None:
            return video.flip(-1), audio.flip(-2)
        mid, side = audio.unbind(-2)
        return video.flip(-1), torch.stack([mid, -side], dim=-2)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The codec of a JSON file; ValueError for unknown or impossible values."""
        return from_json(cls, values, "codec", ValueError)


PUBLISHED = JointCodec()
"""The codec of the released joint model."""

DEMO = JointCodec(rows=40, fold=4, sound=MelAudio())
"""The codec of the bundled joint model."""
