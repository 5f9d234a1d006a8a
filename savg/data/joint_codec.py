"""Clips as the joint diffusion model sees them, and back.

One object owns the conversion, so that training and sampling cannot disagree about it. The published
model sees the whole padded 64×64 frame and the two channels as they are [S1]; the small one sees the
rows that hold the picture, and mid and side signals at comparable loudness, because where a sound
comes from lies in the quiet side signal.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from savg.clip import ClipFormat

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class JointCodec:
    """uint8 frames and stereo sound ↔ the tensors a joint network is trained on.

    size: side of the small frame; rows: how many of its rows, centred, the network sees;
    mid_gain and side_gain: factors on (left + right)/2 and (left − right)/2, or both None for
    plain left and right.
    """

    size: int = 64
    rows: int = 64
    mid_gain: float | None = None
    side_gain: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.rows <= self.size or (self.size - self.rows) % 2:
            raise ValueError(f"JointCodec.rows is even with size {self.size}, not {self.rows}.")
        if (self.mid_gain is None) != (self.side_gain is None):
            raise ValueError("JointCodec needs both mid_gain and side_gain, or neither.")

    @property
    def first_row(self) -> int:
        """The first row that the network sees."""
        return (self.size - self.rows) // 2

    def small_format(self, form: ClipFormat) -> ClipFormat:
        """The clip format of the small frames."""
        return form.with_size(self.size)

    def video_shape(self, form: ClipFormat) -> tuple[int, int, int, int]:
        """Shape (F, 3, h, w) of one clip's video tensor."""
        return (form.frames, 3, self.rows, self.size)

    def audio_shape(self, form: ClipFormat) -> tuple[int, int]:
        """Shape (2, T) of one clip's sound tensor."""
        return (2, form.samples)

    def encode_video(self, frames: torch.Tensor) -> torch.Tensor:
        """uint8 [..., size, size, 3] or [..., rows, size, 3] → float [..., 3, rows, size] in −1..1."""
        if frames.shape[-3] == self.size:
            frames = frames[..., self.first_row : self.first_row + self.rows, :, :]
        elif frames.shape[-3] != self.rows:
            raise ValueError(
                f"frames have {self.size} or {self.rows} rows, not {frames.shape[-3]}."
            )
        return frames.movedim(-1, -3).float() / 127.5 - 1.0

    def decode_video(self, video: torch.Tensor) -> torch.Tensor:
        """float [..., 3, rows, size] in −1..1 → uint8 [..., size, size, 3], other rows black."""
        import torch

        picture = ((video.float() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
        picture = picture.movedim(-3, -1)
        frames = picture.new_zeros((*picture.shape[:-3], self.size, self.size, 3))
        frames[..., self.first_row : self.first_row + self.rows, :, :] = picture
        return frames

    def encode_audio(self, audio: torch.Tensor) -> torch.Tensor:
        """Stereo [..., 2, T] → what the network sees [..., 2, T]."""
        import torch

        if self.mid_gain is None or self.side_gain is None:
            return audio
        left, right = audio.unbind(-2)
        mid, side = (left + right) / 2, (left - right) / 2
        return torch.stack([mid * self.mid_gain, side * self.side_gain], dim=-2)

    def decode_audio(self, audio: torch.Tensor) -> torch.Tensor:
        """The inverse of `encode_audio`, limited to −1..1."""
        import torch

        audio = audio.float()
        if self.mid_gain is not None and self.side_gain is not None:
            mid, side = audio.unbind(-2)
            mid, side = mid / self.mid_gain, side / self.side_gain
            audio = torch.stack([mid + side, mid - side], dim=-2)
        return audio.clamp(-1.0, 1.0)

    def mirror(self, video: torch.Tensor, audio: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encoded video [..., h, w] flipped left to right and encoded sound with channels swapped."""
        import torch

        if self.mid_gain is None:
            return video.flip(-1), audio.flip(-2)
        mid, side = audio.unbind(-2)
        return video.flip(-1), torch.stack([mid, -side], dim=-2)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The codec of a JSON file; TypeError or ValueError for unknown or impossible values."""
        return cls(**values)


PUBLISHED = JointCodec()
"""What the released joint model was trained on."""

DEMO = JointCodec(rows=40, mid_gain=8.0, side_gain=16.0)
"""What the bundled joint model is trained on: gains bring both signals near unit variance."""
