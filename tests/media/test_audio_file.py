"""Audio files with forged headers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from savg.data.starss.audio import open_audio
from savg.errors import MediaError
from savg.media.audio_file import RATES, read_audio


@pytest.mark.parametrize("rate", [1, RATES[0] - 1, RATES[1] + 1, 999_983, 2**31 - 1])
def test_a_sample_rate_that_no_recording_has_is_one_sentence(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((480, 4)), 48_000)
    data = path.read_bytes()
    at = data.index(b"fmt ") + 12
    assert int.from_bytes(data[at : at + 4], "little") == 48_000
    path.write_bytes(data[:at] + rate.to_bytes(4, "little") + data[at + 4 :])
    for read in (read_audio, open_audio):
        with pytest.raises(MediaError, match=rf"a\.wav has audio of {rate} samples a second"):
            read(path)


@pytest.mark.parametrize("rate", [8_000, 192_000, RATES[1]])
def test_other_sample_rates_are_read(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((480, 4)), rate)
    assert read_audio(path)[1] == open_audio(path).rate == rate
