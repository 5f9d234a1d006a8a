"""What bad input gets: one clear sentence, the right exit code, and nothing half-written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from savg.cli import main
from savg.clip import Clip
from savg.errors import MediaError
from tests.videos import make_video, tiny_weights

AAC = ("libx264", "aac")
ROOT = Path(__file__).resolve().parents[1]


def text(path: Path) -> Path:
    path.write_text("Dear diary,\n" * 50)
    return path


def nothing(path: Path) -> Path:
    path.touch()
    return path


def image(path: Path) -> Path:
    import cv2

    cv2.imwrite(str(path), np.full((48, 64, 3), 90, np.uint8))
    return path


def play_list(path: Path) -> Path:
    other = make_video(path.parent / "other.mkv", seconds=1)
    path.write_text(f"#EXTM3U\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n")
    return path


def cut(part: float, **options: str) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        make_video(path, seconds=5, fps=25, codecs=AAC, options=options)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * part)])
        return path

    return make


def video(**options: object) -> Callable[[Path], Path]:
    return lambda path: make_video(path, **options)  # type: ignore[arg-type]


BAD: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    "text": ("diary.mp4", text, "is not a video"),
    "empty file": ("empty.mp4", nothing, "is not a video"),
    "image": ("photo.png", image, "is not a video"),
    "play list": ("list.m3u8", play_list, "is not a video"),
    "missing": ("gone.mp4", lambda p: p, "no such video file"),
    "audio only": ("song.wav", video(frames=False, codecs=("mpeg4", "pcm_s16le")), ""),
    "no audio": ("silent.mp4", video(audio=False), "has no audio track"),
    "zero frames": ("none.mkv", video(frames=False), "has no frame that can be decoded"),
    "NaN": ("nan.mkv", video(nan=True), "values that are not finite"),
    "truncated, index at the end": ("cut.mp4", cut(0.6), "cannot be read|can be read to its end"),
    "truncated, index first": (
        "cut.mp4",
        cut(0.6, movflags="+faststart"),
        "is cut short|can be read to its end",
    ),
    "truncated Matroska": ("cut.mkv", cut(0.5), r"is cut short: only \d\.\d of its 5\.\d s"),
    "10 minutes": (
        "long.mkv",
        video(seconds=600, fps=1, width=64, height=36),
        "lasts 600 s: expected a clip of at most 60 s",
    ),
    "huge frames": (
        "huge.mkv",
        video(seconds=0.25, width=5120, height=2880),
        "has frames of 5120×2880: expected at most 4096×2304",
    ),
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_weights(tmp_path_factory.mktemp("weights") / "tiny")


def sentences(stderr: str) -> list[str]:
    """The error lines between the progress bars."""
    lines = stderr.replace("\r", "\n").split("\n")
    return [line[line.index("error: ") :] for line in lines if "error: " in line]


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_gets_one_sentence(
    kind: str, tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, make, expected = BAD[kind]
    if kind == "audio only":
        import soundfile

        path = tmp_path / name
        soundfile.write(path, np.zeros((800, 2)), 16_000)
        expected = "has no video track"
    else:
        path = make(tmp_path / name)
    out = tmp_path / "out"
    code = main(["annotate", str(path), "--out", str(out), "--weights", str(weights)])
    printed = capsys.readouterr()
    (sentence,) = sentences(printed.err)
    assert code == 1 and "Traceback" not in printed.err
    assert str(path) in sentence and sentence.endswith(".")
    with pytest.raises(MediaError, match=expected):
        Clip.read(path, max_seconds=60)
    assert not out.exists()


@pytest.mark.parametrize(
    ("channels", "expected", "said"),
    [
        (1, "has 1 audio channel: expected stereo", "Mono: both channels are the same."),
        (6, "has 6 audio channels: expected stereo", "5.1 mixed down to stereo"),
    ],
)
def test_other_channels_than_two_are_refused_where_only_stereo_will_do(
    channels: int,
    expected: str,
    said: str,
    tmp_path: Path,
    weights: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = make_video(tmp_path / "a.mp4", channels=channels, codecs=AAC)
    with pytest.raises(MediaError, match=expected):
        Clip.read(path, max_seconds=60)
    out = tmp_path / "out"
    assert main(["annotate", str(path), "--out", str(out), "--weights", str(weights)]) == 0
    assert (out / "a.json").is_file() and said in capsys.readouterr().out


def test_a_4k_video_is_downscaled_with_a_message(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_video(tmp_path / "4k.mkv", seconds=0.5, width=3840, height=2160)
    out = tmp_path / "out"
    assert main(["annotate", str(path), "--out", str(out), "--weights", str(weights)]) == 0
    printed = capsys.readouterr().err
    assert f"{path} has frames of 3840×2160, which are made smaller." in printed
    assert json.loads((out / "4k.json").read_text())["format"]["size"] == 256


def test_other_shapes_and_rates_are_converted(tmp_path: Path) -> None:
    path = make_video(
        tmp_path / "tall.mkv", seconds=2, fps=30, width=120, height=200, sample_rate=44_100
    )
    clip = Clip.read(path, max_seconds=60)
    assert clip.video.shape == (8, 256, 256, 3) and clip.audio.shape == (2, 32_000)
    assert np.abs(clip.audio).max(axis=1) == pytest.approx([0.3, 0.075], abs=0.01)
    assert clip.video[:, 128, 128].mean() > 20 and clip.video[:, 128, 20].max() == 0


def test_a_frame_stays_until_the_next_one(tmp_path: Path) -> None:
    path = make_video(tmp_path / "gap.mkv", seconds=3, fps=8, gap=(1.0, 2.0))
    brightness = Clip.read(path, max_seconds=60).video[:, 128, 128, 0].astype(int)
    expected = [20, 40, 60, 80, 90, 90, 90, 90, 180, 200, 220, 240]
    assert np.abs(brightness - expected).max() <= 2


def test_audio_that_starts_late_stays_late(tmp_path: Path) -> None:
    path = make_video(tmp_path / "late.mkv", seconds=2, audio_late=1.0)
    audio = Clip.read(path, max_seconds=60).audio
    assert audio.shape[1] == 48_000
    assert np.abs(audio[:, :15_900]).max() == 0
    assert np.abs(audio[0, 16_100:47_900]).max() == pytest.approx(0.3, abs=0.01)


def test_a_full_disk_leaves_nothing(tmp_path: Path, weights: Path) -> None:
    path = make_video(tmp_path / "clip.mkv", seconds=2)
    out = tmp_path / "out"
    out.mkdir()
    (out / "clip.json").write_text("from before")
    # No file may grow beyond 20 kB: what a disk does that is nearly full.
    code = (
        "import resource, sys; from savg.cli import main; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "annotate", str(path), "--out", str(out)]
    done = subprocess.run(
        [*command, "--weights", str(weights)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 1, done.stderr
    (sentence,) = sentences(done.stderr)
    assert f"clip could not be written to {out}: " in sentence
    assert "Traceback" not in done.stderr
    assert [p.name for p in out.iterdir()] == ["clip.json"]
    assert (out / "clip.json").read_text() == "from before"


def garbage(folder: Path, weights: Path) -> None:
    folder.mkdir()
    (folder / "config.json").write_text("{")


def other_kind(folder: Path, weights: Path) -> None:
    import shutil

    shutil.copytree(weights / "seld", folder)


def damaged(folder: Path, weights: Path) -> None:
    other_kind(folder, weights)
    config = json.loads((weights / "yolox" / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config))


def empty(folder: Path, weights: Path) -> None:
    folder.mkdir()


def missing(folder: Path, weights: Path) -> None:
    pass


def no_state(folder: Path, weights: Path) -> None:
    folder.write_bytes(b"not a checkpoint")


@pytest.mark.parametrize("make", [garbage, other_kind, damaged, empty, missing, no_state])
def test_wrong_weights_get_one_sentence(
    make: Callable[[Path, Path], None],
    tmp_path: Path,
    weights: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    make(source, weights)
    path = make_video(tmp_path / "clip.mkv")
    command = ["annotate", str(path), "--out", str(out), "--weights", str(weights)]
    assert main([*command, "--person-weights", str(source)]) == 1
    printed = capsys.readouterr().err
    (sentence,) = sentences(printed)
    assert str(source) in sentence and "Traceback" not in printed
    assert not out.exists()


def test_missing_and_unsuitable_folders(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_video(tmp_path / "clip.mkv")
    common = ["--weights", str(weights), "--out"]
    (tmp_path / "bare").mkdir()
    for inputs, out, about in (
        (tmp_path / "nowhere", tmp_path / "out", "nowhere: no such video file"),
        (tmp_path / "bare", tmp_path / "out", "bare has no video"),
        (path, path, "--out must be a folder, got the file"),
        (path, path / "deeper", "deeper cannot be written: Not a directory"),
    ):
        assert main(["annotate", str(inputs), *common, str(out)]) == 1
        (sentence,) = sentences(capsys.readouterr().err)
        assert about in sentence
    assert not (tmp_path / "out").exists()
