"""Clips as tensors of the joint network, and back."""

from __future__ import annotations

import json

import pytest
import torch

from savg.data.joint_codec import DEMO, PUBLISHED, JointCodec
from savg.data.mel_audio import MelAudio
from savg.format import SAVGBENCH

MID_SIDE = JointCodec(rows=40, fold=2, mid_gain=8.0, side_gain=16.0)


@pytest.mark.parametrize("codec", [PUBLISHED, MID_SIDE])
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


def test_stacked_frames_come_back_in_order() -> None:
    frames = torch.randint(0, 256, (3, 20, 40, 64, 3), dtype=torch.uint8)
    video = DEMO.encode_video(frames)
    assert video.shape[1:] == DEMO.video_shape(SAVGBENCH) == (5, 12, 40, 64)
    assert torch.equal(DEMO.decode_video(video)[:, :, 12:52], frames)
    assert torch.equal(DEMO.frames_of(video), JointCodec(rows=40).encode_video(frames))
    with pytest.raises(ValueError, match="frames must be a multiple of fold 3, got 20"):
        JointCodec(fold=3).video_shape(SAVGBENCH)


@pytest.mark.parametrize("codec", [PUBLISHED, MID_SIDE, DEMO])
def test_mirroring_commutes_with_encoding(codec: JointCodec) -> None:
    frames = torch.arange(64 * 64 * 12, dtype=torch.int64).reshape(4, 64, 64, 3).to(torch.uint8)
    audio = torch.rand(2, 2000) - 0.5
    video, mirrored = codec.mirror(codec.encode_video(frames), codec.encode_audio(audio))
    assert torch.equal(video, codec.encode_video(frames.flip(-2)))
    torch.testing.assert_close(mirrored, codec.encode_audio(audio.flip(0)))


def test_a_left_source_has_a_positive_side() -> None:
    mid, side = MID_SIDE.encode_audio(torch.stack([torch.ones(4), torch.zeros(4)]))
    assert (mid > 0).all() and (side > 0).all()


def test_impossible_settings_are_named() -> None:
    with pytest.raises(ValueError, match="got 63"):
        JointCodec(rows=63)
    with pytest.raises(ValueError, match="both mid_gain and side_gain"):
        JointCodec(mid_gain=1.0)
    with pytest.raises(ValueError, match="gains or a spectrogram"):
        JointCodec(mid_gain=1.0, side_gain=1.0, sound=MelAudio())
    with pytest.raises(ValueError, match="fold must be ≥ 1, got 0"):
        JointCodec(fold=0)
    with pytest.raises(ValueError, match="got 10"):
        DEMO.encode_video(torch.zeros(10, 64, 3, dtype=torch.uint8))


def test_a_codec_is_restored_from_json() -> None:
    for codec in (PUBLISHED, MID_SIDE, DEMO):
        assert JointCodec.from_dict(json.loads(json.dumps(codec.to_dict()))) == codec
