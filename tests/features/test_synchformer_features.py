"""Synchformer's backbones: windows, times of frames and audio, one shared network, what is missing."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
import torch

from savg.clip import Clip
from savg.device import choose
from savg.features import synchformer
from savg.features.base import BackboneError
from savg.features.networks import NETWORKS_VARIABLE
from savg.features.registry import backbone_class
from savg.features.synchformer import (
    Passes,
    SynchformerBackbone,
    SynchformerMeans,
    SynchformerOffsets,
    windows,
)
from savg.format import ClipFormat
from savg.hub import Card, save_component
from savg.models.synchformer import prepare
from savg.models.synchformer_sync import CONFIGS, SynchformerSync


def network(seed: int = 0) -> SynchformerSync:
    """A tiny network whose offset follows from what is shown and heard, not from its own constants."""
    generator = torch.Generator().manual_seed(seed)
    model = SynchformerSync(CONFIGS["tiny"]).eval()
    for name, parameter in model.named_parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
        own = name.startswith(("transformer", "vproj", "aproj"))
        parameter.data *= 0.3 if not own else 0.0 if name.endswith("bias") else 0.8
    return model


@pytest.fixture(autouse=True)
def exact(monkeypatch) -> None:
    """The plain number format, whatever this machine has units for."""
    monkeypatch.setattr(synchformer, "choose", lambda device: choose(device, "float32"))


def make_clip(seconds: float, fps: int = 4, rate: int = 16_000, seed: int = 0) -> Clip:
    format = ClipFormat(frames=round(seconds * fps), fps=fps, sample_rate=rate).with_size(32)
    rng = np.random.default_rng(seed)
    video = rng.integers(0, 256, (format.frames, 32, 32, 3)).astype(np.uint8)
    loudness = np.repeat(rng.uniform(0, 0.3, 100), -(-format.samples // 100))[: format.samples]
    audio = (rng.normal(0, 1, (2, format.samples)) * loudness).clip(-1, 1).astype(np.float32)
    return Clip(video, audio, format)


@pytest.fixture
def source(tmp_path: Path) -> str:
    save_component(network(), tmp_path / "synchformer_sync", "synchformer_sync", Card("MIT", "x"))
    return str(tmp_path)


def logits(clip: Clip, audio: np.ndarray, first: int) -> torch.Tensor:
    """Of the window of 14 segments from segment `first` on, straight from the network."""
    model = network()
    times = np.minimum(
        ((np.arange(120) + 8 * first + 0.5) / 25 * clip.format.fps).astype(int), 10**9
    )
    frames = prepare(torch.from_numpy(clip.video[times]), 16)
    part = audio[5120 * first : 5120 * first + 14 * 5120 + 5120]
    with torch.no_grad():
        visual = model.visual_features(frames[None])
        heard = model.audio_features(torch.from_numpy(part)[None])
        return model(visual, heard)[0]


def test_windows() -> None:
    assert windows(13, 14) == []
    assert [part.tolist() for part in windows(14, 14)] == [list(range(14))]
    assert [part.tolist() for part in windows(20, 14)] == [list(range(14)), list(range(6, 20))]


@pytest.mark.parametrize("seconds,fps,starts", [(5, 4, [0]), (5, 25, [0]), (12, 10, [0, 22])])
def test_offsets_are_those_of_the_networks_windows(
    source: str, seconds: float, fps: int, starts: list[int]
) -> None:
    clip = make_clip(seconds, fps, seed=2)
    backbone = SynchformerOffsets.load(source, "cpu")
    found = backbone.logits(clip)
    offsets = backbone([clip])[0]
    assert offsets.shape == (2, len(starts)) and offsets.dtype == np.float32
    mono = clip.audio.mean(axis=0)
    rolled = np.roll(mono, round(seconds * 8000))
    for row, audio in enumerate((mono, rolled)):
        expected = torch.stack([logits(clip, audio, start) for start in starts])
        torch.testing.assert_close(found[row], expected, atol=1e-3, rtol=0)
        seen = network().offsets[expected.argmax(dim=1)]
        np.testing.assert_allclose(offsets[row], seen, atol=1e-6)
    assert (found[0] - found[1]).abs().max() > 0.05  # the tests above can tell one from the other


def test_means_are_those_of_all_segments(source: str) -> None:
    clip = make_clip(3)
    means = SynchformerMeans.load(source, "cpu")([clip])[0]
    assert means.shape == (2, 12)
    model = network()
    frames = prepare(torch.from_numpy(clip.video[(np.arange(75) * 4 + 2) // 25]), 16)
    with torch.no_grad():
        visual = model.visual_features(frames[None]).mean(dim=(0, 1, 2))
        heard = model.audio_features(torch.from_numpy(clip.audio.mean(axis=0))[None])
    np.testing.assert_allclose(means[0], visual, atol=1e-4)
    np.testing.assert_allclose(means[1], heard.mean(dim=(0, 1, 2)), atol=1e-4)


def test_short_clips_have_no_window(source: str) -> None:
    offsets, means = (cls.load(source, "cpu") for cls in (SynchformerOffsets, SynchformerMeans))
    short, tiny = make_clip(4.5), make_clip(0.5)
    assert offsets([short, tiny])[0].shape == (2, 0) and means([short])[0].shape == (2, 12)
    assert means([tiny])[0].shape == (2, 0)


def test_a_clip_is_the_same_in_any_company_and_rate(source: str) -> None:
    first, second = make_clip(5), make_clip(5, 10, 44_100, seed=1)
    for cls in (SynchformerOffsets, SynchformerMeans):
        backbone = cls.load(source, "cpu")
        together = backbone([first, second])
        np.testing.assert_array_equal(together[1], backbone([second])[0])
        np.testing.assert_array_equal(together[0], cls.load(source, "cpu")([first])[0])


def test_both_backbones_share_one_network_and_its_passes(source: str, monkeypatch) -> None:
    offsets, means = (cls.load(source, "cpu") for cls in (SynchformerOffsets, SynchformerMeans))
    assert offsets.passes is means.passes
    clip = make_clip(5)
    offsets([clip])

    def refuse(*_: object) -> None:
        raise AssertionError("frames were looked at twice")

    monkeypatch.setattr(offsets.passes.network, "visual_features", refuse)
    assert means([clip])[0].shape == (2, 12)
    with pytest.raises(AssertionError):
        means([make_clip(5, seed=3)])
    del clip
    gc.collect()
    assert not list(offsets.passes._visual) and not list(offsets.passes._audio)


@torch.inference_mode()
def test_the_fast_number_format_changes_little() -> None:
    clip = make_clip(5, 25, seed=2)
    exact, fast = (
        SynchformerOffsets(Passes(network(), "", choose("cpu", dtype)))
        for dtype in ("float32", "bfloat16")
    )
    shown, rounded = exact.passes.visual(clip), fast.passes.visual(clip)
    assert rounded.dtype == torch.float32 and not torch.equal(shown, rounded)
    assert (shown - rounded).norm() < 0.02 * shown.norm()
    assert (exact.logits(clip) - fast.logits(clip)).abs().max() < 0.1 * exact.logits(clip).std()
    assert exact.provenance["precision"] == "float32 (frames), float32"
    assert fast.provenance["precision"] == "bfloat16 (frames), float32"


def test_another_network_in_the_folder_is_loaded_anew(source: str) -> None:
    before = SynchformerOffsets.load(source, "cpu").provenance["sha256"]
    folder = Path(source) / "synchformer_sync"
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    save_component(network(1), folder, "synchformer_sync", Card("MIT", "x"))
    assert SynchformerOffsets.load(source, "cpu").provenance["sha256"] != before


def test_provenance_and_what_is_missing(source: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(NETWORKS_VARIABLE, str(tmp_path / "none"))
    for name in ("synchformer_offsets", "synchformer_means"):
        cls = backbone_class(name)
        assert issubclass(cls, SynchformerBackbone) and cls.name == name
        assert cls.missing(source) == "" and "synchformer_state_dict.pth" in cls.missing()
        with pytest.raises(BackboneError, match=r"weights import synchformer_state_dict\.pth"):
            cls.load()
        known = cls.load(source, "cpu").provenance
        assert len(known["sha256"]) == 64 and "shorter side 16 px" in known["input"]
        assert "not compared with published" in known["parity"]
