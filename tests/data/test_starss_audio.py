"""Audio of recordings, against scipy on the whole file at once and the plain matrices."""

import numpy as np
import pytest
import soundfile
from scipy import signal

from savg.data.starss import audio as starss_audio
from savg.data.starss.audio import load_audio, open_audio
from savg.data.starss.results import Construction
from savg.errors import MediaError
from savg.geometry import foa_gains, foa_to_stereo, rotate_foa


def plain(foa, rate, settings, view):
    """Filter, resample and rotate everything, channel by channel, in double precision."""
    format = settings.format
    channels = []
    for channel in foa:
        if settings.high_pass:
            sections = signal.butter(4, settings.high_pass, "high", fs=rate, output="sos")
            channel = signal.sosfilt(sections, channel)
        common = np.gcd(rate, format.sample_rate)
        up, down = format.sample_rate // common, rate // common
        channels.append(signal.resample_poly(channel, up, down))
    amplified = np.stack(channels) * 10 ** (settings.gain_db / 20)
    return foa_to_stereo(rotate_foa(amplified, view))


@pytest.mark.parametrize("high_pass", [0.0, 100.0, 250.0])
@pytest.mark.parametrize(
    ("rate", "samples"),
    [(24_000, 24_000 * 7 + 137), (48_000, 150_001), (16_000, 50_000), (44_100, 99_999)],
)
def test_blocks_equal_the_whole_file_at_once(tmp_path, monkeypatch, rate, samples, high_pass):
    monkeypatch.setattr(starss_audio, "_BLOCK_SECONDS", 1)
    rng = np.random.default_rng(samples)
    path = tmp_path / "foa.wav"
    soundfile.write(path, rng.normal(0, 0.002, (samples, 4)), rate, subtype="PCM_24")
    foa = soundfile.read(path)[0].T
    settings = Construction(high_pass=high_pass, gain_db=31.0)
    loaded = load_audio(path, settings)
    for view in (0, 37, 180, 350):
        expected = plain(foa, rate, settings, view)
        assert loaded.wyx.shape[1] == expected.shape[1]
        actual = loaded.clip(8_000, view, 12_345)
        np.testing.assert_allclose(actual, expected[:, 8_000:20_345], atol=2e-6)


def test_a_plane_wave_is_as_loud_as_its_direction_says(tmp_path):
    rng = np.random.default_rng(0)
    wave = rng.normal(0, 0.003, 48_000)
    path = tmp_path / "foa.wav"
    soundfile.write(path, np.outer(wave, foa_gains(70.0)), 24_000, subtype="FLOAT")
    loaded = load_audio(path, Construction())
    for view in (0, 30, 70, 110, 250):
        left, right = loaded.clip(4_000, view, 20_000)
        angle = np.radians(70.0 - view)
        expected = (1 + np.sin(angle)) / (1 - np.sin(angle))
        assert np.sqrt(np.mean(left**2) / np.mean(right**2)) == pytest.approx(expected, rel=1e-3)


def test_beyond_the_end_is_silence_and_the_high_pass_removes_rumble(tmp_path):
    path = tmp_path / "foa.wav"
    time = np.arange(96_000) / 24_000
    rumble = 0.004 * np.sin(2 * np.pi * 30 * time)
    soundfile.write(path, np.outer(rumble, [1, 0, 0, 0]), 24_000, subtype="FLOAT")
    filtered = load_audio(path, Construction()).clip(48_000, 0, 32_000)
    assert not filtered[:, 16_000:].any()
    loud = load_audio(path, Construction(high_pass=0.0)).clip(48_000, 0, 32_000)
    assert np.abs(filtered[:, 4_000:15_000]).max() < 0.02 * np.abs(loud).max()


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (lambda p: p.write_bytes(b"RIFF and nothing more"), "is not an audio file"),
        (
            lambda p: soundfile.write(p, np.zeros((100, 2)), 24_000),
            "has 2 channels: expected first",
        ),
        (lambda p: soundfile.write(p, np.zeros((0, 4)), 24_000), "has no audio in it"),
    ],
)
def test_other_files_are_one_sentence(tmp_path, write, sentence):
    path = tmp_path / "foa.wav"
    write(path)
    with pytest.raises(MediaError, match=sentence):
        open_audio(path)


def test_values_that_are_not_finite_are_one_sentence(tmp_path):
    audio = np.zeros((5_000, 4), np.float32)
    audio[4_000, 1] = np.nan
    path = tmp_path / "foa.wav"
    soundfile.write(path, audio, 24_000, subtype="FLOAT")
    with pytest.raises(MediaError, match="not finite"):
        load_audio(path, Construction())
