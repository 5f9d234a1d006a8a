"""Two channels from one excitation: shares of diffuse sound, levels, and who makes stereo how."""

from __future__ import annotations

import torch

from savg.audio.diffuse import reverberation
from savg.models.griffin_lim import CONFIGS as GRIFFIN_LIM
from savg.models.griffin_lim import GriffinLim
from savg.models.mel import CONFIGS as MELS
from savg.models.mel import MelSpectrogram
from savg.models.stereo import per_channel, waveforms
from savg.models.stereo_levels import common_mel, diffuse_share

RATE = 16_000


def source(seconds: int = 2) -> torch.Tensor:
    """Noise [1, T] that swells, with some harmonics."""
    time = torch.arange(seconds * RATE // 256 * 256) / RATE
    generator = torch.Generator().manual_seed(0)
    tone = sum(torch.sin(2 * torch.pi * 180 * k * time) / k for k in range(1, 6))
    noise = torch.randn(len(time), generator=generator)
    return ((0.5 + 0.4 * torch.sin(8 * time)) * (0.1 * tone + 0.02 * noise))[None]


def stereo(diffuse: float, pan: float = 0.3) -> torch.Tensor:
    """A panned source [2, T] in a room whose side signal is `diffuse` times the middle one."""
    mid = source()
    side = pan * mid + diffuse * reverberation(mid, RATE)
    return torch.cat((mid + side, mid - side))


def mel_of(audio: torch.Tensor) -> torch.Tensor:
    return MelSpectrogram(MELS["16k"])(audio)[None]


def level_difference(audio: torch.Tensor) -> float:
    return float(20 * torch.log10(audio[0].norm() / audio[1].norm()))


def test_the_room_is_orthogonal_and_the_same_each_time() -> None:
    audio = source()
    room = reverberation(audio, RATE)
    assert room.shape == audio.shape and torch.equal(room, reverberation(audio, RATE))
    assert abs(float((room * audio).sum())) < 1e-3 * float(audio.square().sum())
    impulse = torch.zeros(1, 4096)
    impulse[0, 0] = 1.0
    tail = reverberation(impulse, RATE)[0]
    assert max(float(tail[1:79].abs().max()), float(tail[1925:].abs().max())) < 1e-6
    assert float(tail[80:500].norm()) > 2 * float(tail[1000:1920].norm())


def test_the_share_of_diffuse_sound_is_read_from_level_differences() -> None:
    shares = [float(diffuse_share(mel_of(stereo(d)))) for d in (0.0, 0.1, 0.3, 0.5)]
    assert shares[0] < 1e-3 and shares == sorted(shares)
    assert 0.15 < shares[2] < 0.6
    loud = diffuse_share(mel_of(stereo(0.3)) + 0.5)
    assert abs(float(loud) - shares[2]) < 1e-3


def test_the_common_spectrogram_is_the_mean_power() -> None:
    mel = torch.tensor([0.0, -1.0]).reshape(1, 2, 1, 1)
    torch.testing.assert_close(10 ** (2 * common_mel(mel)), torch.full((1, 1, 1), 0.505))


@torch.no_grad()
def test_levels_and_the_room_come_back() -> None:
    model = GriffinLim(GRIFFIN_LIM["full"])
    for diffuse in (0.0, 0.3):
        audio = stereo(diffuse)
        made = waveforms(model, mel_of(audio))[0]
        assert abs(level_difference(made) - level_difference(audio)) < 0.3
        likeness = [float(torch.corrcoef(a)[0, 1]) for a in (audio, made)]
        assert abs(likeness[0] - likeness[1]) < 0.15, likeness


@torch.no_grad()
def test_vocoders_without_stereo_get_each_channel_by_itself() -> None:
    model = GriffinLim(GRIFFIN_LIM["tiny"])
    mel = torch.randn(1, 2, 6, 9)
    alone = waveforms(model.forward, mel)
    torch.testing.assert_close(alone, per_channel(model, mel)[:, :, 0])
    torch.testing.assert_close(waveforms(model, mel), model.stereo(mel))
    torch.testing.assert_close(waveforms(model, mel[:, :1]), alone[:, :1])
