"""Audio of any number of channels as stereo; FFmpeg's own mix and the closed form of Ambisonics."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from odd_files import Frames, Track, write_odd

from savg.clip import Clip
from savg.errors import MediaError, SavgError
from savg.format import ClipFormat
from savg.geometry import foa_gains
from savg.geometry import stereo_gains as view_gains
from savg.media.audio_track import audio_of, planar, stereo_block
from savg.media.channels import AudioRules, stereo_gains
from savg.media.clip_reader import audio_note
from savg.media.probe import video_info

SECONDS = 1.0
FORMAT = ClipFormat(frames=4, fps=4, size=32, picture_height=18)
ANY = AudioRules()
PCM = Track(codec="pcm_s16le", seconds=SECONDS, bursts=(0.3,))
LAYOUTS = "2.1 3.0 3.1 quad quad(side) 4.0 5.0 5.1 5.1(side) 6.0 6.1 7.0 7.1 7.1(wide)"


def file(path: Path, *tracks: Track) -> Path:
    return write_odd(path, Frames.steady(10, SECONDS), tracks)


def track(layout: str, gains: list[float] | np.ndarray, codec: str = "pcm_s16le") -> Track:
    return replace(PCM, layout=layout, gains=tuple(float(gain) for gain in gains), codec=codec)


def peaks(path: Path, rules: AudioRules | None = ANY) -> list[float]:
    """The larger peak of each channel."""
    return np.abs(Clip.read(path, FORMAT, audio=rules).audio).max(axis=1).tolist()


def near(*values: float):
    return pytest.approx(values, abs=0.012)


@pytest.mark.parametrize("layout", LAYOUTS.split())
def test_the_mix_is_ffmpegs(layout: str) -> None:
    channels = av.AudioLayout(layout).channels
    each = np.repeat(np.eye(len(channels), dtype=np.float32), 16, axis=1)
    block = av.AudioFrame.from_ndarray(np.ascontiguousarray(each.T.reshape(1, -1)), "flt", layout)
    block.sample_rate = 16_000
    (expected,) = av.AudioResampler("fltp", "stereo", 16_000).resample(block)
    mixed = stereo_block(block, None, Path("a"))
    np.testing.assert_allclose(mixed.to_ndarray(), expected.to_ndarray(), atol=1e-6)
    assert mixed.layout.name == "stereo" and mixed.sample_rate == 16_000


def test_left_and_right_mirror_each_other_in_every_layout_that_ffmpeg_knows() -> None:
    names = [channel.name for channel in av.AudioLayout("22.2").channels]
    gains = dict(zip(names, stereo_gains(names, None, Path("a")).T.tolist(), strict=True))
    other = {"L": "R", "R": "L"}
    for name, (left, right) in gains.items():
        mirrored = name if name in {"LFE", "LFE2"} else "".join(other.get(c, c) for c in name)
        assert gains[mirrored] == [right, left], name
        assert left >= right if "L" in name else left <= right
    assert gains["LFE"] == gains["LFE2"] == [0, 0]


@pytest.mark.parametrize(
    ("layout", "codec", "gains", "expected", "said"),
    [
        ("mono", "pcm_s16le", [0.5], (0.5, 0.5), "Mono: both channels are the same."),
        ("stereo", "pcm_s16le", [0.5, 0.1], (0.5, 0.1), ""),
        ("2.1", "pcm_s16le", [0.5, 0.1, 0.9], (0.5, 0.1), "2.1"),
        (
            "5.1",
            "pcm_s16le",
            [0.1, 0, 0.2, 0.9, 0.3, 0],
            (0.4536, 0.1414),
            "taken as 5.1, mixed down",
        ),
        ("5.1", "aac", [0.1, 0, 0.2, 0, 0.3, 0], (0.4536, 0.1414), "5.1 mixed down"),
        ("7.1", "aac", [0.5, 0, 0, 0, 0, 0.3, 0, 0.4], (0.5, 0.495), "7.1 mixed down"),
    ],
)
def test_files_of_known_layouts(tmp_path: Path, layout, codec, gains, expected, said) -> None:
    path = file(tmp_path / "a.mkv", track(layout, gains, codec))
    assert peaks(path) == near(*expected)
    assert said in audio_note(path, ANY) and bool(said) == bool(audio_note(path, ANY))
    assert ("low-frequency channel left out" in audio_note(path, ANY)) == (".1" in layout)
    own = audio_of(path, SECONDS)
    assert own is not None and np.abs(own).max(axis=1) == near(*expected)
    assert video_info(path).channels == len(gains)


def test_ffmpegs_program_mixes_the_same(tmp_path: Path) -> None:
    path = file(tmp_path / "a.mkv", track("5.1", [0.3, 0.05, 0.2, 0.4, 0.1, 0.25]))
    mixed = tmp_path / "b.mkv"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-c:v", "copy"]
    subprocess.run([*command, "-c:a", "pcm_f32le", "-ac", "2", str(mixed)], check=True)
    ours = Clip.read(path, FORMAT, audio=ANY).audio
    np.testing.assert_allclose(ours, Clip.read(mixed, FORMAT).audio, atol=2e-4)


def test_a_mix_that_would_clip_is_quieter_as_a_whole(tmp_path: Path) -> None:
    path = file(tmp_path / "a.mkv", track("5.1", [0.9, 0.3, 0.9, 0, 0.9, 0]))
    left, right = 0.9 * (1 + 2 * 0.7071), 0.3 + 0.9 * 0.7071
    assert peaks(path) == near(1.0, right / left)


def test_four_channels_of_no_stated_layout_are_a_square_and_the_option_is_named(
    tmp_path: Path,
) -> None:
    path = file(tmp_path / "a.mov", track("4 channels", [0.1, 0.5, 0.4, 0]))
    assert peaks(path) == near(0.1 + 0.4 * 0.7071, 0.5)
    sentence = audio_note(path, ANY)
    assert "taken as quad" in sentence and "--ambisonic" in sentence


@pytest.mark.parametrize("convention", ["acn-sn3d", "acn-n3d", "fuma"])
@pytest.mark.parametrize("azimuth", [60.0, -20.0])
def test_ambisonics_keep_left_on_the_left(tmp_path: Path, convention: str, azimuth: float) -> None:
    w, y, z, x = foa_gains(azimuth, 10.0) * 0.4
    coded = {
        "acn-sn3d": [w, y, z, x],
        "acn-n3d": [w, y * 3**0.5, z * 3**0.5, x * 3**0.5],
        "fuma": [w / 2**0.5, x, y, z],
    }[convention]
    path = file(tmp_path / "a.mkv", track("quad", coded))
    rules = AudioRules(convention)
    assert peaks(path, rules) == near(*(0.4 * view_gains(azimuth, 10.0)))
    assert convention in audio_note(path, rules)
    mono = file(tmp_path / "b.mkv", track("mono", [0.5]))
    for read in (lambda: peaks(mono, rules), lambda: audio_note(mono, rules)):
        with pytest.raises(MediaError, match=r"1 audio channel: expected .* Ambisonics \(4\)"):
            read()


def test_ambisonics_that_says_so_is_decoded_untold() -> None:
    names = [channel.name for channel in av.AudioLayout("ambisonic 1").channels]
    gains = stereo_gains(names, None, Path("a"))
    np.testing.assert_allclose(gains @ foa_gains(30.0), view_gains(30.0))


def test_another_convention_is_one_sentence() -> None:
    with pytest.raises(SavgError, match="one of acn-sn3d, acn-n3d, fuma, got 'ambix'"):
        AudioRules("ambix")


def test_more_channels_than_any_known_layout_are_one_sentence(tmp_path: Path) -> None:
    path = file(tmp_path / "a.mkv", track("10 channels", [0.1] * 10))
    for read in (lambda: peaks(path), lambda: audio_note(path, ANY)):
        with pytest.raises(MediaError, match="has 10 audio channels of an unknown layout"):
            read()


def test_without_rules_only_stereo_will_do(tmp_path: Path) -> None:
    path = file(tmp_path / "a.mkv", track("mono", [0.5]))
    with pytest.raises(MediaError, match="has 1 audio channel: expected stereo"):
        Clip.read(path, FORMAT)


def test_a_stereo_track_comes_before_a_default_one_of_more_channels(tmp_path: Path) -> None:
    surround = track("5.1", [0.5, 0.5, 0, 0, 0, 0])
    stereo = replace(track("stereo", [0.1, 0.4]), disposition="")
    path = file(tmp_path / "a.mkv", surround, stereo)
    assert peaks(path) == near(0.1, 0.4) and audio_note(path, ANY) == ""
    square = file(tmp_path / "b.mkv", stereo, track("quad", [0.3, 0.2, 0, 0]))
    assert peaks(square, AudioRules("acn-sn3d")) == near(0.5, 0.1)


def test_a_video_without_audio_is_silent_only_where_allowed(tmp_path: Path) -> None:
    path = file(tmp_path / "a.mkv")
    for read in (lambda: peaks(path), lambda: audio_note(path, ANY)):
        with pytest.raises(MediaError, match="has no audio track"):
            read()
    quiet = AudioRules(silent=True)
    clip = Clip.read(path, FORMAT, max_seconds=10, audio=quiet)
    assert not clip.audio.any() and clip.format.seconds == pytest.approx(SECONDS)
    assert audio_note(path, quiet) == "No audio: read as silent."


@pytest.mark.parametrize("name", ["fltp", "s16p", "s32p", "dblp", "u8p"])
@pytest.mark.parametrize("layout", ["7.1", "8 channels", "5.1"])
def test_channels_in_planes_of_their_own_are_read(name: str, layout: str) -> None:
    count = av.AudioLayout(layout).nb_channels
    types = {"f": np.float32, "s1": np.int16, "s3": np.int32, "d": float, "u": np.uint8}
    dtype = next(kind for start, kind in types.items() if name.startswith(start))
    samples = np.random.default_rng(0).integers(0, 100, (count, 50)).astype(dtype)
    interleaved = np.ascontiguousarray(samples.T.reshape(1, -1))
    packed = av.AudioFrame.from_ndarray(interleaved, name[:-1], layout)
    packed.sample_rate = 16_000
    (block,) = av.AudioResampler(name, layout, 16_000).resample(packed)
    assert block.format.name == name
    np.testing.assert_array_equal(planar(block), samples)
