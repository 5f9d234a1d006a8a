"""VGGish: its parameters, its front end against other implementations, its layers by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch
import torchaudio
from torch.nn import functional

from savg.errors import CheckpointError
from savg.hub import Card, load_component, load_official, save_component
from savg.models.vggish import CONFIGS, SHORTEST, Vggish, VggishConfig, examples, log_mel

PUBLISHED = {
    "features.0": (64, 1, 3, 3),
    "features.3": (128, 64, 3, 3),
    "features.6": (256, 128, 3, 3),
    "features.8": (256, 256, 3, 3),
    "features.11": (512, 256, 3, 3),
    "features.13": (512, 512, 3, 3),
    "embeddings.0": (4096, 12288),
    "embeddings.2": (4096, 4096),
    "embeddings.4": (128, 4096),
}
"""Layer of the checkpoint of torchvggish → shape of its weights."""


def test_the_published_parameters() -> None:
    with torch.device("meta"):
        model = Vggish(CONFIGS["full"])
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    weights = {f"{layer}.weight": shape for layer, shape in PUBLISHED.items()}
    assert shapes == weights | {f"{layer}.bias": shape[:1] for layer, shape in PUBLISHED.items()}
    assert CONFIGS["full"] == VggishConfig()


def sound(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=0.2, size=samples).astype(np.float32)


@pytest.mark.parametrize("samples", [400, 559, 560, 16_000, 33_333])
def test_front_end_against_scipy_and_torchaudio(samples: int) -> None:
    audio = sound(samples)
    window = scipy.signal.get_window("hann", 400)
    _, _, spectra = scipy.signal.stft(
        audio, 16_000, window, 400, 240, nfft=512, boundary=None, padded=False
    )
    amplitude = np.abs(spectra) * window.sum()  # SciPy gives a constant its own level
    bands = torchaudio.functional.melscale_fbanks(257, 125.0, 7500.0, 64, 16_000).numpy().T
    mine = log_mel(torch.from_numpy(audio)[None].double())[0].numpy()
    assert mine.shape == (1 + (samples - 400) // 160, 64)
    # torchaudio's triangles are straight in Hz, VGGish's on the mel scale; few bins lie in the low ones
    theirs = np.log(bands @ amplitude + 0.01).T
    assert np.abs(theirs - mine).max() < 0.2 and np.abs(theirs - mine).mean() < 0.01


def test_front_end_by_hand() -> None:
    audio = sound(16_000).astype(np.float64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    hertz = np.arange(257) * 16_000 / 512
    mel = 1127.0 * np.log1p(hertz / 700.0)
    edges = np.linspace(1127.0 * np.log1p(125 / 700), 1127.0 * np.log1p(7500 / 700), 66)
    table = np.stack([np.interp(mel, edges[b : b + 3], [0, 1, 0]) for b in range(64)])
    table[:, 0] = 0
    rows = []
    for start in range(0, 16_000 - 400 + 1, 160):
        spectrum = scipy.fft.fft(audio[start : start + 400] * window, 512)[:257]
        rows.append(np.log(table @ np.abs(spectrum) + 0.01))
    mine = log_mel(torch.from_numpy(audio)[None])[0].numpy()
    np.testing.assert_allclose(mine, np.stack(rows), atol=1e-9)
    single = log_mel(torch.from_numpy(audio)[None].float())[0].numpy()
    np.testing.assert_allclose(single, mine, atol=2e-4)


def test_a_tone_is_in_its_band() -> None:
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(16_000) / 16_000)[None]
    edges = np.linspace(1127 * np.log1p(125 / 700), 1127 * np.log1p(7500 / 700), 66)
    centres = 700 * np.expm1(edges[1:-1] / 1127)
    assert abs(centres[int(log_mel(tone)[0, 50].argmax())] - 1000) < 60


def test_examples_follow_each_other_and_short_audio_has_none() -> None:
    audio = torch.from_numpy(np.stack([sound(80_000), sound(80_000, 1)]))
    cut, bands = examples(audio), log_mel(audio)
    assert cut.shape == (2, 5, 96, 64)
    assert torch.equal(cut[1, 3], bands[1, 3 * 96 : 4 * 96])
    assert examples(audio[:, :SHORTEST]).shape == (2, 1, 96, 64)
    assert examples(audio[:, : SHORTEST - 1]).shape == (2, 0, 96, 64)
    assert examples(audio[:, :100]).shape == (2, 0, 96, 64)
    with pytest.raises(ValueError, match=r"\[B, T\]"):
        log_mel(audio[0])


def tiny() -> Vggish:
    torch.manual_seed(0)
    model = Vggish(CONFIGS["tiny"]).eval()
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter) / max(parameter[0].numel(), 4) ** 0.5
    return model


@torch.no_grad()
def test_layers_by_hand() -> None:
    model, batch = tiny(), torch.randn(3, 96, 64)
    state, x = model.state_dict(), batch[:, None]
    for layer in (0, 3, 6, 8, 11, 13):
        weight, bias = state[f"features.{layer}.weight"], state[f"features.{layer}.bias"]
        x = functional.conv2d(x, weight, bias, padding=1).clamp_min(0)
        if layer not in (6, 11):
            x = functional.max_pool2d(x, 2)
    assert x.shape == (3, 32, 6, 4)
    # TensorFlow flattens time, band, channel in this order
    flat = torch.stack([x[:, :, t, b] for t in range(6) for b in range(4)], 1).flatten(1)
    for layer in (0, 2, 4):
        flat = functional.linear(
            flat, state[f"embeddings.{layer}.weight"], state[f"embeddings.{layer}.bias"]
        )
        if layer < 4:
            flat = flat.clamp_min(0)
    torch.testing.assert_close(model.embed(batch), flat)
    torch.testing.assert_close(model(batch), flat.clamp_min(0))
    assert (flat < 0).any()
    torch.testing.assert_close(model.embed(batch[1:2])[0], flat[1])
    with pytest.raises(ValueError, match=r"\[N, 96, 64\]"):
        model(torch.zeros(3, 64, 96))


def test_files_and_folders(tmp_path) -> None:
    source, batch = tiny(), torch.randn(2, 96, 64)
    sizes = {"width": 4, "hidden": 16, "embedding": 6}
    path = tmp_path / "vggish.pth"
    torch.save({**source.state_dict(), "pproc.pca_matrix": torch.zeros(128, 128)}, path)
    model = load_official("vggish", path, sizes)
    assert model.config == CONFIGS["tiny"] and not model.training
    torch.testing.assert_close(model(batch), source(batch))
    save_component(model, tmp_path / "vggish", "vggish", Card("Apache-2.0", "a test"))
    again, _ = load_component(tmp_path / "vggish", "vggish")
    torch.testing.assert_close(again(batch), source(batch))
    with pytest.raises(CheckpointError, match=r"vggish\.pth.*features\.0\.weight"):
        load_official("vggish", path)
