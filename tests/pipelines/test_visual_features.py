"""Visual inputs of the flow network: times, repeated frames, CLIP's images, persons' boxes."""

from __future__ import annotations

import sys
from fractions import Fraction
from types import ModuleType

import numpy as np
import pytest
import torch

from savg.annotation import Boxes
from savg.errors import SavgError
from savg.models.frame_encoder import CONFIGS as ENCODERS
from savg.models.mmaudio_lengths import SequenceLengths
from savg.models.synchformer import CONFIGS as SYNCHFORMERS
from savg.models.synchformer import Synchformer, prepare
from savg.models.visual_flow import VisualInputs
from savg.pipelines import clip_images
from savg.pipelines.visual_features import ClipAndSync, EncoderFrames, shrink, with_boxes
from savg.video import Video

LENGTHS = SequenceLengths(2.0, 16_000)


def make_video(seconds: int = 3, fps: int = 4, size: int = 32) -> Video:
    """Random frames."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (seconds * fps, size, size, 3), dtype=np.uint8)
    return Video(frames, Fraction(fps))


def means(frames: np.ndarray) -> torch.Tensor:
    """The mean colour of each frame, in place of CLIP; counts its frames."""
    means.shown += len(frames)
    return torch.from_numpy(frames.mean((1, 2))).float()


means.shown = 0


@pytest.mark.parametrize("start", [0, 1, 2])
def test_features_of_repeated_frames_are_those_of_all_frames(start: int) -> None:
    torch.manual_seed(0)
    encoder = Synchformer(SYNCHFORMERS["tiny"]).eval()
    video = make_video()
    means.shown = 0
    inputs = ClipAndSync(means, encoder)(video, start, LENGTHS)
    assert means.shown <= 9  # not sixteen: a frame that stands for two times is computed once
    assert inputs.clip.shape == (1, 16, 3) and inputs.sync.shape == (1, LENGTHS.sync, 12)
    for n in range(16):
        time = start + (n + 0.5) / 8
        expected = video.frames[min(int(time * 4), 11)].mean((0, 1))
        assert inputs.clip[0, n].numpy() == pytest.approx(expected, rel=1e-4)
    times = start + (np.arange(50) + 0.5) / 25
    frames = torch.from_numpy(video.frames[np.minimum((times * 4).astype(int), 11)])
    with torch.no_grad():
        expected = encoder(prepare(frames, 16)[None])
    torch.testing.assert_close(inputs.sync, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("fps", [4, 12])
def test_the_encoder_takes_small_frames_at_its_own_rate(fps: int) -> None:
    video = make_video(fps=fps)
    inputs = EncoderFrames(ENCODERS["tiny"])(video, 1, LENGTHS)
    assert inputs.frames.shape == (1, 8, 3, 16, 16)
    index = int((1 + 2.5 / 4) * fps)
    expected = video.frames[index].reshape(16, 2, 16, 2, 3).mean((1, 3)) / 127.5 - 1
    np.testing.assert_allclose(inputs.frames[0, 2].movedim(0, -1), expected, atol=1e-5)


def test_shrinking_by_any_factor_keeps_the_mean() -> None:
    frames = torch.from_numpy(make_video(size=50).frames)
    small = shrink(frames, 16)
    assert small.shape == (12, 3, 16, 16)
    assert float(small.mean()) == pytest.approx(float(frames.float().mean() / 127.5 - 1), abs=0.01)


def test_boxes_come_at_clips_times_given_or_found() -> None:
    boxes = Boxes(range(12), [0] * 12, np.array([[i, 0, i + 10, 256] for i in range(12)], float))
    boxed = Video(make_video().frames, Fraction(4), boxes)
    inputs = with_boxes(VisualInputs(), boxed, 1, LENGTHS, 2)
    assert inputs.boxes.shape == (1, 16, 2, 5)
    assert not inputs.boxes[:, :, 1].any()
    shown = ((inputs.boxes[0, :, 0, 1] + 1) * 128).round().int().tolist()
    assert shown == [4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11]

    def persons(clip):
        assert clip.format.size == 32 and not clip.audio.any()
        frames = range(clip.format.frames)
        return Boxes(frames, [0] * len(frames), [[4.0 + f, 0, 14 + f, 256] for f in frames])

    detected = with_boxes(VisualInputs(), make_video(), 1, LENGTHS, 2, persons)
    torch.testing.assert_close(detected.boxes, inputs.boxes)
    with pytest.raises(ValueError, match="person detector"):
        with_boxes(VisualInputs(), make_video(), 1, LENGTHS, 2)


class FakeClip(torch.nn.Module):
    """Remembers what it is shown."""

    def encode_image(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = x
        return x.mean((2, 3)) * 7


def test_clip_takes_squeezed_normalised_images(monkeypatch: pytest.MonkeyPatch) -> None:
    network, requests = FakeClip(), []

    def create_model(name, require_pretrained):
        requests.append((name, require_pretrained))
        return network

    fake = ModuleType("open_clip")
    fake.create_model = create_model
    monkeypatch.setitem(sys.modules, "open_clip", fake)
    images = clip_images.OpenClipImages.from_pretrained(side=24)
    assert requests == [("hf-hub:apple/DFN5B-CLIP-ViT-H-14-384", True)]
    frames = np.full((3, 10, 30, 3), (255, 0, 51), np.uint8)
    features = images(frames)
    assert network.seen.shape == (3, 3, 24, 24)
    expected = (np.array([1, 0, 0.2]) - clip_images.MEAN) / clip_images.STD
    np.testing.assert_allclose(network.seen[0, :, 5, 5], expected, rtol=1e-5)
    np.testing.assert_allclose(features[0], expected / np.linalg.norm(expected), rtol=1e-4)


def test_missing_open_clip_and_missing_weights_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(SavgError, match=r"pip install 'savg-studio\[clip\]'"):
        clip_images.OpenClipImages.from_pretrained()
    fake = ModuleType("open_clip")

    def create_model(name, require_pretrained):
        raise RuntimeError("no such model\nand more")

    fake.create_model = create_model
    monkeypatch.setitem(sys.modules, "open_clip", fake)
    with pytest.raises(SavgError, match="could not load these weights: no such model"):
        clip_images.OpenClipImages.from_pretrained()
