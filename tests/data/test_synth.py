"""Synthetic recordings on disk: layout, formats, labels, resuming a stopped run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from scene_takes import labels_of_take, one_person

from savg.cli import main
from savg.data.scenes import World, draw_scene, panorama
from savg.data.scenes.audio import dry_audio
from savg.data.scenes.panorama import panoramas
from savg.data.scenes.render import voices_of
from savg.data.starss import synth
from savg.data.starss.audio import load_audio
from savg.data.starss.labels import read_labels
from savg.data.starss.panorama_video import FPS, frame_times
from savg.data.starss.recordings import find_recordings
from savg.data.starss.results import Construction
from savg.data.starss.synth import RATE, Plan, draw_take, label_rows, write_starss
from savg.data.starss.windows import judge
from savg.errors import SavgError
from savg.temporary import temporary_path

SIZE = (160, 80)
SMALL = Plan(2, 7.0, SIZE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic")
    steps = []
    names = write_starss(out, 2, 2, 7.0, SIZE, progress=lambda *step: steps.append(step))
    assert names == [draw_take(SMALL, 0)[0], draw_take(SMALL, 1)[0]]
    assert steps == [(0, 2), (1, 2), (2, 2)]
    return out


def files(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*.*") if p.is_file()}


def test_layout_and_formats_are_those_of_starss23(folder: Path) -> None:
    index = find_recordings(folder)
    assert not index.problems
    assert [r.name for r in index.recordings] == sorted(draw_take(SMALL, i)[0] for i in (0, 1))
    assert {r.group for r in index.recordings} == {"dev-train-sony"}
    for audio in folder.glob("foa_dev/dev-train-sony/*.wav"):
        info = soundfile.info(audio)
        assert (info.samplerate, info.channels, info.subtype) == (RATE, 4, "PCM_16")
        assert info.frames == 7 * RATE
        assert audio.stem.startswith("fold3_room") and "_mix00" in audio.stem
    for video in folder.glob("video_dev/dev-train-sony/*.mp4"):
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264" and stream.pix_fmt == "yuv420p"
            assert stream.average_rate == FPS and (stream.width, stream.height) == SIZE
            keys = [p.is_keyframe for p in container.demux(stream) if p.size]
        assert len(keys) == len(frame_times(7.0)) == 210
        assert np.diff(np.flatnonzero([*keys, True])).max() <= 60
    assert not list(folder.rglob(".*"))


def test_labels_are_the_drawn_directions_in_whole_degrees(folder: Path) -> None:
    for index in (0, 1):
        name, scene = draw_take(SMALL, index)
        labels = read_labels(folder / "metadata_dev" / "dev-train-sony" / f"{name}.csv")
        assert labels.distances is not None and len(labels) == len(label_rows(scene)) > 40
        assert labels.frames.max() < 70
        sound = scene.sounds[0]
        times = (np.arange(70) + 0.5) / 10
        active = np.flatnonzero(sound.active(times))
        rows = (labels.classes == sound.label) & np.isin(labels.frames, active)
        point = scene.points(sound, times[active[:1]])[0]
        azimuth = np.rad2deg(np.arctan2(point[1], point[0]))
        elevation = np.rad2deg(np.arcsin(point[2] / np.linalg.norm(point)))
        first = np.flatnonzero(rows & (labels.frames == active[0]))
        errors = np.abs((labels.azimuths[first] - azimuth + 180) % 360 - 180)
        best = first[errors.argmin()]
        assert errors.min() <= 0.5 + 1e-6
        assert labels.elevations[best] == pytest.approx(elevation, abs=0.5)
        assert labels.distances[best] == pytest.approx(100 * np.linalg.norm(point), abs=0.5)
    assert (labels.elevations < 40).all() and (labels.elevations > -60).all()


def test_audio_in_the_file_comes_from_the_labelled_direction(tmp_path: Path) -> None:
    for azimuth in (35.0, -110.0):
        scene = one_person(azimuth, 3.0)
        foa = synth.room_audio(scene, RATE).astype(float)
        w, y, _, x = foa
        direction = np.rad2deg(np.arctan2(np.mean(w * y), np.mean(w * x)))
        row = label_rows(scene)[5]
        assert row[:3] == (5, 1, 1) and row[3] == azimuth
        assert direction == pytest.approx(azimuth, abs=20)


def test_the_video_shows_the_panorama(folder: Path) -> None:
    name, scene = draw_take(SMALL, 1)
    times = frame_times(7.0)
    dry = [dry_audio(scene, sound, RATE) for sound in scene.sounds]
    drawn = panoramas(scene, times, voices_of(scene, times, dry, RATE), *SIZE)
    with av.open(str(folder / "video_dev" / "dev-train-sony" / f"{name}.mp4")) as container:
        for index, (frame, (image, _)) in enumerate(
            zip(container.decode(video=0), drawn, strict=True)
        ):
            if index in (0, 29, 100, 209):
                error = frame.to_ndarray(format="rgb24").astype(float) - image
                assert np.mean(np.square(error)) < 45
                assert np.abs(error.mean(axis=(0, 1))).max() < 2.5
    assert panorama.CHUNK < 100


def test_a_stopped_run_is_resumed_with_equal_files(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "again"
    write_starss(out, 1, 2, 7.0, SIZE)
    times = {p: p.stat().st_mtime_ns for p in out.rglob("*.wav")}
    labels = next(out.rglob("*.csv"))
    write_starss(out, 2, 2, 7.0, SIZE, processes=2)
    assert {p: p.stat().st_mtime_ns for p in times} == times
    assert files(out) == files(folder)
    labels.unlink()
    left = str(temporary_path(labels)).replace(f"-{os.getpid()}-", "-999999999-")
    Path(left).write_text("0,0,0")
    write_starss(out, 1, 2, 7.0, SIZE)
    assert files(out) == files(folder)


def test_other_settings_and_foreign_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    for changed in ((3, 7.0, SIZE), (2, 9.0, SIZE), (2, 7.0, (480, 240))):
        with pytest.raises(SavgError, match="other settings"):
            write_starss(folder, 2, *changed)
    (tmp_path / "foa_dev").mkdir()
    with pytest.raises(SavgError, match="not synthetic"):
        write_starss(tmp_path, 1, 2, 7.0, SIZE)
    (folder_of_text := tmp_path / "text").mkdir()
    (folder_of_text / synth.PLAN_FILE).write_text("no")
    with pytest.raises(SavgError, match="is not valid JSON"):
        write_starss(folder_of_text, 1, 2, 7.0, SIZE)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"recordings": 0}, "recordings must be in 1…10000, got 0"),
        ({"seed": -1}, "seed must be ≥ 0, got -1"),
        ({"seconds": 2.0}, "seconds must be in 6…600 s, got 2"),
        ({"size": (100, 100)}, "twice as wide"),
        ({"size": (30, 15)}, "twice as wide"),
    ],
)
def test_wrong_values_are_refused_in_a_sentence(
    tmp_path: Path, values: dict, sentence: str
) -> None:
    arguments = {"recordings": 1, "seed": 0, "seconds": 8.0, "size": SIZE} | values
    with pytest.raises(SavgError, match=sentence):
        write_starss(tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_recordings_have_a_level_that_suits_the_gain(tmp_path: Path) -> None:
    """At +38 dB windows use the range of the samples, and few clip."""
    from savg.media.audio_file import write_audio

    settings, levels, peaks = Construction(), [], []
    for index in range(8):
        _, scene = draw_take(Plan(31, 20.0), index)
        quiet = synth.room_audio(scene, RATE) * np.float32(10 ** (synth.GAIN_DB / 20))
        assert np.abs(quiet).max() < 0.3
        write_audio(tmp_path / "take.wav", quiet, RATE)
        audio = load_audio(tmp_path / "take.wav", settings)
        for candidate in judge(labels_of_take(scene), 20.0, settings).candidates:
            clip = audio.clip(candidate.start * 1600, candidate.view, 80_000)
            peaks.append(np.abs(clip).max())
            levels.append(float(np.sqrt(np.mean(np.square(clip, dtype=float)))))
    assert np.mean(np.asarray(peaks) > 1) < 0.4
    assert np.quantile(peaks, 0.9) > 0.4
    assert 0.03 < np.median(levels) < 0.15


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "takes"
    arguments = ["dataset", "synth", "--out", str(out), "--recordings", "1", "--seconds", "6"]
    assert main([*arguments, "--size", "128x64", "--processes", "1", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["recordings"] == [draw_take(Plan(0, 6.0, (128, 64)), 0)[0]]
    assert len(list(out.rglob("fold3_*"))) == 3
    assert main([*arguments, "--size", "120x60", "--processes", "1"]) == 1
    assert "other settings" in capsys.readouterr().err
    assert main([*arguments, "--processes", "0"]) == 1
    assert "--processes must be ≥ 1, got 0." in capsys.readouterr().err
    for wrong in (["--size", "wide"], ["--world", "garden"]):
        with pytest.raises(SystemExit) as stop:
            main([*arguments, *wrong])
        assert stop.value.code == 2
        assert f"argument {wrong[0]}: must be" in capsys.readouterr().err


def test_training_scenes_have_no_need_of_room_acoustics(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    scene = draw_scene(1, World.demo())
    assert dry_audio(scene, scene.sounds[0], RATE).shape == (5 * RATE,)
    with pytest.raises(SavgError, match=r"savg-studio\[dataset\]"):
        write_starss(Path("nowhere"), 1, 0)
    assert not Path("nowhere").exists()
