"""Recordings of other kinds than .wav: what a phone records, the audio of a video."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from videos import make_video

from savg.errors import MediaError
from savg.media.audio_file import write_audio
from savg.media.recording import read_recording

RATE = 44_100
TONE = 0.4 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)
HEARD = np.stack([TONE, 0.25 * TONE]).astype(np.float32)
"""Two seconds, 12 dB louder at the left."""


def coded(path: Path, codec: str = "aac", layout: str = "stereo") -> Path:
    """HEARD, or its left channel, as FFmpeg writes it to a file of that suffix."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, layout=layout)
        samples = HEARD if layout == "stereo" else HEARD[:1]
        block = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", layout)
        block.sample_rate = RATE
        container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["a.m4a", "a.aac", "a.mp4", "nameless"])
def test_aac_is_read_as_it_was_recorded(tmp_path: Path, name: str) -> None:
    made = coded(tmp_path / ("a.m4a" if name == "nameless" else name)).rename(tmp_path / name)
    audio, rate = read_recording(made)
    assert rate == RATE and audio.dtype == np.float32 and audio.shape[0] == 2
    assert audio.shape[1] / RATE == pytest.approx(2, abs=0.06)  # blocks of 1,024 samples
    loud, quiet = np.sqrt(np.square(audio[:, RATE // 2 : RATE]).mean(axis=1))
    assert 20 * np.log10(loud / quiet) == pytest.approx(12.04, abs=0.3)
    assert loud == pytest.approx(0.4 / np.sqrt(2), rel=0.05)


def test_mono_stays_mono_and_the_end_may_be_left_out(tmp_path: Path) -> None:
    audio, rate = read_recording(coded(tmp_path / "a.m4a", layout="mono"), max_seconds=0.5)
    assert audio.shape == (1, RATE // 2) and rate == RATE


def test_a_wav_file_is_read_by_its_samples(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", HEARD, RATE)
    audio, rate = read_recording(tmp_path / "a.wav")
    assert rate == RATE
    np.testing.assert_allclose(audio, HEARD, atol=1e-4)


def test_files_without_audio_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.m4a").write_text("no audio")
    make_video(tmp_path / "silent.mp4", audio=False)
    (tmp_path / "cut.m4a").write_bytes(coded(tmp_path / "b.m4a").read_bytes()[:200])
    for name in ("a.m4a", "silent.mp4", "cut.m4a"):
        with pytest.raises(MediaError, match=rf"{name} is not an audio file that can be read\.$"):
            read_recording(tmp_path / name)
    with pytest.raises(MediaError, match=r"none\.m4a: no such audio file"):
        read_recording(tmp_path / "none.m4a")
