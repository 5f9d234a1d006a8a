"""What the joint network sees, and back."""

from __future__ import annotations

import pytest
import torch

from savg.clip import SAVGBENCH
from savg.data.joint_codec import DEMO, PUBLISHED, JointCodec


@pytest.mark.parametrize("codec", [PUBLISHED, DEMO])
def test_round_trip(codec: JointCodec) -> None:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (2, 20, 64, 64, 3), generator=generator, dtype=torch.uint8)
    frames[..., : codec.first_row, :, :] = 0
    frames[..., codec.first_row + codec.rows :, :, :] = 0
    audio = torch.rand(2, 2, 100, generator=generator) - 0.5
    video = codec.encode_video(frames)
    assert video.shape[1:] == codec.video_shape(SAVGBENCH)
    assert float(video.min()) >= -1 and float(video.max()) <= 1
    assert torch.equal(codec.decode_video(video), frames)
    torch.testing.assert_close(codec.decode_audio(codec.encode_audio(audio)), audio)


@pytest.mark.parametrize("codec", [PUBLISHED, DEMO])
def test_mirroring_commutes_with_encoding(codec: JointCodec) -> None:
    frames = torch.arange(64 * 64 * 3, dtype=torch.int64).reshape(1, 64, 64, 3).to(torch.uint8)
    audio = torch.rand(2, 100) - 0.5
    video, sound = codec.mirror(codec.encode_video(frames), codec.encode_audio(audio))
    assert torch.equal(video, codec.encode_video(frames.flip(-2)))
    torch.testing.assert_close(sound, codec.encode_audio(audio.flip(0)))


def test_a_left_source_has_a_positive_side() -> None:
    mid, side = DEMO.encode_audio(torch.stack([torch.ones(4), torch.zeros(4)]))
    assert (mid > 0).all() and (side > 0).all()


def test_impossible_settings_are_named() -> None:
    with pytest.raises(ValueError, match="not 63"):
        JointCodec(rows=63)
    with pytest.raises(ValueError, match="both mid_gain and side_gain"):
        JointCodec(mid_gain=1.0)
    with pytest.raises(ValueError, match="not 10"):
        DEMO.encode_video(torch.zeros(10, 64, 3, dtype=torch.uint8))
