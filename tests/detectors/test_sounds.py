"""Features, windows and decoding of SELD against the published inference and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from savg.annotation import ClipLabels, SoundEvents
from savg.clip import Clip
from savg.detectors import detectors, sound_detector
from savg.detectors.seld_features import (
    Windows,
    decode,
    draw_starts,
    inference_windows,
    stereo_features,
    training_windows,
)
from savg.detectors.sounds import SeldDetector, detect_sounds
from savg.errors import CheckpointError, SavgError
from savg.format import ClipFormat
from savg.hub import Card, load_official, save_component
from savg.models.seld import CONFIGS, Seld, SeldConfig
from tests.goldens import Case, case

FULL, TINY = CONFIGS["full"], CONFIGS["tiny"]


def rows(events: SoundEvents) -> NDArray[np.float64]:
    table = np.stack([events.frames, events.categories, events.x], axis=1)
    return table[np.lexsort(table.T[::-1])]


def tiny_clip(seconds: int = 5, rate: int = 16_000) -> Clip:
    format = ClipFormat(frames=seconds * 4, size=32, picture_height=18, sample_rate=rate)
    noise = np.random.default_rng(3).normal(0, 0.1, (2, format.samples)).astype(np.float32)
    return Clip(np.zeros((format.frames, 32, 32, 3), np.uint8), noise.clip(-1, 1), format)


def published_state(golden: Case) -> dict[str, torch.Tensor]:
    """The case's weights, with its overrides of the two output layers."""
    state = golden.state
    for branch in ("sed", "doa"):
        gain = torch.from_numpy(golden[f"override_fc_{branch}_track1__gain"])
        state[f"fc_{branch}_track1.weight"] = state[f"fc_{branch}_track1.weight"] * gain[:, None]
        bias = golden[f"override_fc_{branch}_track1__bias"]
        state[f"fc_{branch}_track1.bias"] = torch.from_numpy(bias)
    return state


@pytest.mark.parametrize("name", ["seld_5s", "seld_short"])
def test_published_inference(name: str, tmp_path) -> None:
    golden = case(name)
    torch.save({"model_state_dict": published_state(golden)}, tmp_path / "params.pth")
    model = load_official("seld", tmp_path / "params.pth", golden.meta)
    assert isinstance(model, Seld)
    audio = np.ascontiguousarray((golden["pcm16"].astype(np.float32) / 32768).T)

    windows = inference_windows(torch.from_numpy(audio), model.config)
    assert list(windows.features.shape) == golden.meta["spec_pad_shape"]
    assert windows.starts == golden.meta["window_start_frames"]
    assert_features(windows.features.numpy()[:, ::8, ::4], golden["spec_slice"])

    batch = torch.stack([windows.features[:, :, s : s + 128] for s in windows.starts])
    with torch.inference_mode():
        activity, x = model(batch)
    np.testing.assert_allclose(activity.numpy(), golden["net_cat"], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(x.numpy(), golden["net_azi"], rtol=1e-3, atol=1e-3)

    events = detect_sounds(model, audio)
    expected = golden["rows"][np.lexsort(golden["rows"].T[::-1])]
    np.testing.assert_allclose(rows(events), expected, atol=0.05)
    assert (rows(events)[:, :2] == expected[:, :2]).all()

    training = stereo_features(torch.from_numpy(audio[:, : FULL.window_samples]), FULL, True)
    assert list(training.shape) == golden["train_feature_shape"].tolist()
    assert_features(training.numpy()[:, ::8, ::4], golden["train_feature_slice"])


def assert_features(ours: NDArray, published: NDArray) -> None:
    np.testing.assert_allclose(ours[:2], published[:2], rtol=1e-4, atol=1e-4)
    turn = np.abs(ours[2] - published[2])
    loud = (published[:2] >= 1e-4).all(axis=0)
    assert np.minimum(turn, 2 * np.pi - turn)[loud].max() < 1e-4 * 2 * np.pi + 1e-4


def test_features_are_a_short_time_fourier_transform() -> None:
    audio = np.random.default_rng(0).normal(size=(2, 1600))
    features = stereo_features(torch.from_numpy(audio), FULL, centred=False).numpy()
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    for frame in (0, 3, features.shape[2] - 1):
        left, right = np.fft.rfft(audio[:, frame * 160 : frame * 160 + 512] * window)
        np.testing.assert_allclose(features[:2, :, frame], np.abs([left, right]), atol=1e-9)
        turn = np.angle(right * left.conj()) % (2 * np.pi)
        np.testing.assert_allclose(np.cos(features[2, :, frame]), np.cos(turn), atol=1e-6)
    assert features.shape[2] == (1600 - 512) // 160 + 1
    assert features[2].min() >= 0 and features[2].max() <= 2 * np.pi


def test_equal_channels_and_silence_have_no_phase_difference() -> None:
    mono = torch.randn(1, 4000).repeat(2, 1)
    assert (stereo_features(mono, FULL, True)[2] == 0).all()
    assert (stereo_features(torch.zeros(2, 4000), FULL, True) == 0).all()


@pytest.mark.parametrize("samples", [160, 161, 800, 19_200, 38_400, 96_000, 115_200, 400_001])
def test_windows_cover_sound_of_any_length(samples: int) -> None:
    audio = torch.randn(2, samples)
    for config in (FULL, TINY):
        windows = inference_windows(audio, config)
        ends = [start + config.window_frames for start in windows.starts]
        assert windows.features.shape[2] >= max(ends)
        assert windows.frames == samples // 160 * 160 * 10 // 16_000
        covered = {label + step for label in windows.labels for step in range(12)}
        missing = set(range(windows.frames)) - covered
        assert not missing if config is TINY else len(missing) <= samples // 38_400
        if config is TINY:
            assert windows.starts == [k * 120 for k in range(len(windows.starts))]


def test_published_windows_begin_early_after_rounding_down() -> None:
    windows = inference_windows(torch.randn(2, 16_000 * 12), FULL)
    assert windows.starts == [0, 120, 240, 359, 480, 600, 719, 840, 960, 1080]
    assert windows.labels == [0, 12, 24, 36, 48, 60, 72, 84, 96, 107]


def test_decoding_against_plain_loops() -> None:
    rng = np.random.default_rng(1)
    windows = Windows(torch.zeros(3, 257, 0), [0, 120], [0, 12], 20)
    activity, x = rng.normal(-1.5, 1, (2, 2, 128)), rng.normal(0.5, 1, (2, 2, 128))
    expected = []
    for window in range(2):
        for step in range(12):
            for category in range(2):
                part = slice(4 + 10 * step, 14 + 10 * step)
                p = 1 / (1 + np.exp(-activity[window, category, part]))
                frame = 12 * window + step
                if p.mean() > 0.2 and frame < 20:
                    centre = 256 * (p * x[window, category, part]).sum() / p.sum()
                    expected.append((frame, category, centre))
    events = decode(activity, x, windows, FULL, 0.2)
    np.testing.assert_allclose(rows(events), np.array(sorted(expected)))
    assert (np.diff(events.frames) >= 0).all() and (events.x < 0).any()


def test_training_windows_and_targets() -> None:
    clip = tiny_clip()
    frames = np.repeat(np.arange(50), 1)
    labels = ClipLabels(frames, np.where(frames < 25, 1, 9), 4.0 * frames, np.zeros(50))
    starts = [0, 3210, 80_000 - FULL.window_samples]
    batch = training_windows(clip.audio, labels, starts, FULL)
    assert batch.features.shape == (3, 3, 257, 128)
    assert batch.activity.shape == batch.x.shape == (3, 2, 128)
    for window, start in enumerate(starts):
        for frame in range(128):
            second = (start + 160 * frame) / 16_000
            label = int(second * 10 + 1e-9)
            sounding = [label < 25, 25 <= label < 50]
            assert batch.activity[window, :, frame].tolist() == [float(s) for s in sounding]
            expected = [4.0 * label / 256 * s for s in sounding]
            assert batch.x[window, :, frame].tolist() == pytest.approx(expected)
    torch.testing.assert_close(
        batch.features[1],
        stereo_features(torch.from_numpy(clip.audio[:, 3210 : 3210 + 20_320].copy()), FULL, True),
    )


def test_mirrored_windows_swap_channels_and_turn_x() -> None:
    clip = tiny_clip()
    labels = ClipLabels(np.arange(50), np.zeros(50, int), np.full(50, 64.0), np.zeros(50))
    plain = training_windows(clip.audio, labels, [1000], FULL)
    turned = training_windows(clip.audio, labels, [1000], FULL, mirrored=True)
    torch.testing.assert_close(turned.features[0, :2], plain.features[0, :2].flip(0))
    assert (plain.x[0, 0] == 0.25).all() and (turned.x[0, 0] == 0.75).all()
    assert (turned.x[0, 1] == 0).all()


def test_starts_stay_inside_and_reach_both_ends() -> None:
    config = FULL
    starts = draw_starts(config.window_samples + 3, 200, np.random.default_rng(0), config)
    assert set(starts.tolist()) == {0, 1, 2, 3}
    with pytest.raises(ValueError, match="20320"):
        draw_starts(100, 1, np.random.default_rng(0), config)
    with pytest.raises(ValueError, match="Windows must lie within 100 samples"):
        training_windows(np.zeros((2, 100), np.float32), ClipLabels([], [], [], []), [0], config)  # type: ignore[arg-type]


def test_detector_from_a_folder(tmp_path) -> None:
    torch.manual_seed(0)
    model = Seld(TINY).eval()
    save_component(model, tmp_path / "seld", "seld", Card("MIT", "a test"))
    detector = SeldDetector.from_pretrained(tmp_path / "seld", threshold=0.0, device="cpu")
    clip = tiny_clip()
    events = detector(clip)
    assert len(events) == 2 * clip.format.label_frames
    assert sorted(set(events.frames.tolist())) == list(range(50))
    np.testing.assert_array_equal(rows(events), rows(detector(clip)))
    np.testing.assert_allclose(
        rows(events), rows(detect_sounds(model, clip.audio, 0.0, batch_size=1)), atol=1e-3
    )
    assert len(SeldDetector.from_pretrained(tmp_path / "seld", threshold=1.0)(clip)) == 0
    assert not any(p.grad is not None for p in detector.model.parameters())


def test_other_rates_and_lengths() -> None:
    detector = SeldDetector(Seld(TINY), threshold=0.0)
    events = detector(tiny_clip(seconds=1, rate=44_100))
    assert sorted(set(events.frames.tolist())) == list(range(10))
    assert len(detector(tiny_clip(seconds=13))) == 2 * 130
    assert len(detect_sounds(Seld(TINY).eval(), np.zeros((2, 100), np.float32))) == 0
    with pytest.raises(ValueError, match=r"\(100,\)"):
        detect_sounds(Seld(TINY).eval(), np.zeros(100, np.float32))


def test_registry(tmp_path) -> None:
    assert "seld" in detectors("sounds")
    save_component(Seld(TINY), tmp_path / "seld", "seld", Card("MIT", "a test"))
    assert isinstance(sound_detector("seld", tmp_path / "seld"), SeldDetector)
    with pytest.raises(SavgError, match="seld"):
        sound_detector("ears")
    with pytest.raises(CheckpointError):
        sound_detector("seld", tmp_path)


def test_another_sampling_of_features() -> None:
    config = SeldConfig(fft_size=1024, stft_hop_size=320, sampling_frequency=32_000)
    windows = inference_windows(torch.randn(2, 32_000 * 5), config)
    assert windows.features.shape[1] == 513
    assert windows.starts == [0, 120, 240, 359, 480] and windows.frames == 50


def test_several_clips_share_batches_and_get_their_own_events() -> None:
    torch.manual_seed(0)
    detector = SeldDetector(Seld(TINY), threshold=0.0, batch_size=3)
    seen: list[int] = []
    detector.model.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    clips = [tiny_clip(2), tiny_clip(7), tiny_clip(5, 24_000)]
    together = detector.many(clips)
    assert all(count == 3 for count in seen[:-1]) and len(seen) >= 3
    for clip, events in zip(clips, together, strict=True):
        alone = detector(clip)
        assert len(alone) > 5
        np.testing.assert_array_equal(events.frames, alone.frames)
        np.testing.assert_allclose(events.x, alone.x, atol=1e-3)
    assert detector.many([]) == []
    assert detector.provenance["threshold"] == 0.0 and len(detector.provenance["sha256"]) == 64
