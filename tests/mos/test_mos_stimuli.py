"""Stimuli: opaque, one gain, level differences kept, anchors and catch trials as described."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from mos_clips import FORMAT, panned_clip, small_study, write_folder

from savg.audio.levels import level_difference_db
from savg.audio.loudness import RATE, integrated_loudness
from savg.clip import Clip
from savg.errors import MediaError, SavgError
from savg.media.encode import AUDIO_BIT_RATE, write_video
from savg.media.frames import frame_at
from savg.mos.study import stimuli
from savg.mos.study.assignment import assign
from savg.mos.study.design import DesignError, standard
from savg.mos.study.renditions import anchor_audio, catch_frame, shown_rows
from savg.mos.study.stimuli import BuiltStimuli, build, count_off_centre, find_clips

HEARD = replace(FORMAT, sample_rate=RATE)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("conditions")
    return {
        "joint": write_folder(root / "joint", 3, 100),
        "two_stage": write_folder(root / "two_stage", 4, 200),
        "ground_truth": write_folder(root / "gt" / "SAVGBench" / "video_dev", 9, 300).parents[1],
    }


@pytest.fixture(scope="module")
def built(
    folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[BuiltStimuli, Path]:
    media = tmp_path_factory.mktemp("media")
    done: list[tuple[int, int]] = []
    stimuli_built = build(
        small_study(), folders, media, format=FORMAT, on_clip=lambda *at: done.append(at)
    )
    assert done[-1][0] == done[-1][1] == len(done)
    return stimuli_built, media


def test_names_and_files_are_opaque(
    built: tuple[BuiltStimuli, Path], folders: dict[str, Path]
) -> None:
    stimuli_built, media = built
    assert {p.name for p in media.iterdir()} == {s.media for s in stimuli_built.stimuli}
    for stimulus in stimuli_built.stimuli:
        data = (media / stimulus.media).read_bytes()
        assert len(stimulus.id) == 24 and stimulus.sha256 == hashlib.sha256(data).hexdigest()
        with av.open(str(media / stimulus.media)) as container:
            frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range, frame.color_primaries) == (6, 1, 1)
        for word in (*folders, "clip_", "swapped", "mono", "catch", "SAVG"):
            assert word.encode() not in data
    assert len({(media / s.media).stat().st_mtime for s in stimuli_built.stimuli}) == 1


def test_every_kind_is_there_and_sessions_can_be_made(built: tuple[BuiltStimuli, Path]) -> None:
    stimuli_built, _ = built
    kinds: dict[str, int] = {}
    for stimulus in stimuli_built.stimuli:
        kinds[stimulus.kind] = kinds.get(stimulus.kind, 0) + 1
        assert stimulus.seconds == 1.0
    assert kinds["practice"] == 2 and kinds["catch"] == 1
    assert kinds["system"] == 7 and kinds["reference"] == 7
    assert kinds["swapped"] == kinds["mono"] >= 2
    practised = {s.clip for s in stimuli_built.stimuli if s.kind == "practice"}
    rated = {s.clip for s in stimuli_built.stimuli if s.kind in ("reference", "swapped", "mono")}
    assert not practised & rated
    assert len(assign(small_study(), stimuli_built.stimuli, {}, 0)) == small_study().positions


def test_one_gain_for_all_and_differences_survive(
    built: tuple[BuiltStimuli, Path], folders: dict[str, Path]
) -> None:
    stimuli_built, media = built
    sources = {n: {p.name: p for p in find_clips(f)} for n, f in folders.items()}
    loudness = []
    for stimulus in stimuli_built.stimuli:
        if stimulus.kind not in ("system", "reference"):
            continue
        source = Clip.read(sources[stimulus.condition][stimulus.clip], HEARD).audio
        heard = Clip.read(media / stimulus.media, HEARD).audio
        before, after = integrated_loudness(source), integrated_loudness(heard)
        assert after - before == pytest.approx(stimuli_built.gain, abs=0.1)
        assert level_difference_db(heard) == pytest.approx(level_difference_db(source), abs=0.1)
        loudness.append(after)
    assert np.ptp(loudness) > 6, "clips of two levels must stay different"
    loudest = max(row.peak for row in stimuli_built.levels)
    assert loudest < 0.0 and (loudest > -2.0 or abs(stimuli_built.loudness + 23.0) < 1.0)
    summary = stimuli_built.summary()
    assert summary["level_difference_change_max_db"] <= 0.1  # type: ignore[operator]
    assert set(summary["conditions"]) >= {"joint", "two_stage", "ground_truth", "mono"}  # type: ignore[call-overload]


def test_anchors_are_ground_truth_off_centre(
    built: tuple[BuiltStimuli, Path], folders: dict[str, Path]
) -> None:
    stimuli_built, media = built
    sources = {p.name: p for p in find_clips(folders["ground_truth"])}
    for stimulus in stimuli_built.stimuli:
        if stimulus.kind not in ("swapped", "mono"):
            continue
        truth = Clip.read(sources[stimulus.clip], HEARD).audio
        heard = Clip.read(media / stimulus.media, HEARD).audio
        assert abs(level_difference_db(truth)) >= 3.0
        expected = -level_difference_db(truth) if stimulus.kind == "swapped" else 0.0
        assert level_difference_db(heard) == pytest.approx(expected, abs=0.1)
        if stimulus.kind == "mono":
            assert np.corrcoef(heard)[0, 1] > 0.9995
        assert stimulus.scene == f"ground_truth/{Path(stimulus.clip).stem}"


def test_catch_trials_ask_for_a_score_of_the_scale(built: tuple[BuiltStimuli, Path]) -> None:
    stimuli_built, media = built
    (catch,) = [s for s in stimuli_built.stimuli if s.kind == "catch"]
    assert catch.expected in small_study().scores
    frames = Clip.read(media / catch.media, HEARD).picture
    assert frames[0].max() > 180, "the letters are white"
    pictures = {
        score: catch_frame(np.full((144, 256, 3), 90, np.uint8), score, 5) for score in (1, 2)
    }
    assert not np.array_equal(pictures[1], pictures[2])
    assert (pictures[1][:30] == 90).all()


def test_anchor_audio_variants() -> None:
    sound = panned_clip(0, 6.0).audio
    np.testing.assert_array_equal(anchor_audio(sound, "swapped"), sound[::-1])
    mono = anchor_audio(sound, "mono")
    np.testing.assert_array_equal(mono[0], mono[1])
    np.testing.assert_allclose(mono[0], (sound[0] + sound[1]) / 2, atol=1e-7)


def test_a_codec_that_changes_level_differences_is_refused(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stimuli.BIT_RATE >= AUDIO_BIT_RATE
    monkeypatch.setattr(stimuli, "BIT_RATE", 12_000)
    with pytest.raises(MediaError, match="level difference"):
        build(small_study(), folders, tmp_path, format=FORMAT)


def test_what_is_missing_is_named(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(SavgError, match="no such folder"):
        find_clips(tmp_path / "nothing")
    with pytest.raises(SavgError, match="contains no clips: expected videos"):
        find_clips(tmp_path)
    with pytest.raises(DesignError, match="Folders must be"):
        build(small_study(), {"joint": tmp_path}, tmp_path)
    central = write_folder(tmp_path / "central", 8, 0, widest=1.0)
    assert count_off_centre({"ground_truth": central}, "ground_truth", 8, 0) == 0
    with pytest.raises(DesignError, match="dB off centre"):
        build(small_study(), {**folders, "ground_truth": central}, tmp_path, format=FORMAT)
    few = write_folder(tmp_path / "few", 3, 0)
    with pytest.raises(DesignError, match="not rated"):
        build(
            small_study(),
            {"joint": few, "two_stage": few, "ground_truth": few},
            tmp_path,
            format=FORMAT,
        )


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((128, 128), (256, 256)),
        ((96, 160), (256, 256)),
        ((128, 96), (256, 256)),
        ((160, 90), (144, 256)),
        ((160, 92), (256, 256)),
        ((1920, 1088), (144, 256)),
        ((192, 64), (144, 256)),
    ],
)
def test_listeners_see_whole_frames_of_any_shape(tmp_path, size, shape) -> None:
    """Red along the upper edge, blue along the lower one, green left and right."""
    width, height = size
    image = np.full((height, width, 3), 120, np.uint8)
    band = height // 12
    image[:, :band] = image[:, -band:] = 30, 200, 30
    image[:band], image[-band:] = (200, 30, 30), (30, 30, 200)
    folder = tmp_path / "clips"
    folder.mkdir()
    heard = panned_clip(1, 6.0).audio
    for k in range(5):
        write_video(folder / f"{k}.mp4", np.stack([image] * 4), 4, heard, FORMAT.sample_rate)
    study = standard("shapes", ["a"], trials=2, anchor_trials=0, practice=1, repeats=0, catch=1)
    media = tmp_path / "media"
    media.mkdir()
    build(study, {"a": folder}, media)
    for path in media.iterdir():
        shown = frame_at(path, 0).astype(int)
        assert shown.shape == (*shape, 3)
        for first, second in ((0, 2), (2, 0)):
            assert ((shown[..., first] > 150) & (shown[..., second] < 90)).any()
        lit = shown.max(2) > 60
        rows, columns = np.flatnonzero(lit.any(1)), np.flatnonzero(lit.any(0))
        seen = (np.ptp(columns) + 1) / (np.ptp(rows) + 1)
        assert seen == pytest.approx(width / height, rel=0.06)


def test_a_square_video_without_padding_is_told_from_a_clip(tmp_path) -> None:
    clip = panned_clip(60, 6.0)
    clip.write(tmp_path / "full.mp4")
    video = clip.video.copy()
    video[:, : FORMAT.top] = video[:, FORMAT.bottom :] = 20
    replace(clip, video=video).write(tmp_path / "padded.mp4")
    rows = {}
    for name in ("full", "padded"):
        path = tmp_path / f"{name}.mp4"
        rows[name] = shown_rows(Clip.read(path, FORMAT), path).shape[1]
    assert rows == {"full": FORMAT.size, "padded": FORMAT.picture_height}
