"""The published evaluator's pieces, batches and levels, beside a plain rewriting of its rules."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from savg.clip import Clip
from savg.data.published_loader import Piece, evaluator_items, evaluator_pieces, stored_frames
from savg.errors import SavgError
from savg.evaluation.cache import Cache
from savg.evaluation.official import official_features, official_provenance
from savg.evaluation.official_pieces import Networks, picked_batches
from savg.format import SAVGBENCH


def write_clip(path: Path, seed: int, frames: int = 20) -> Path:
    rng = np.random.default_rng(seed)
    format = SAVGBENCH.with_frames(frames)
    grey = rng.integers(20, 230, (frames, 1, 1, 1))
    video = np.broadcast_to(grey, (frames, 256, 256, 3)).astype(np.uint8)
    audio = rng.normal(0, 0.05, (2, format.samples)).astype(np.float32)
    Clip(video, audio, format).write(path)
    return path


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Path]]:
    """Three short generated files (12 + 7 + 0 pieces) and four of the reference."""
    folder = tmp_path_factory.mktemp("sets")
    ours = [write_clip(folder / f"g{i}.mp4", i, n) for i, n in enumerate((13, 11, 7))]
    theirs = [write_clip(folder / f"r{i}.mp4", 10 + i, n) for i, n in enumerate((20, 20, 20, 20))]
    return ours, theirs


def test_pieces_are_those_of_whole_and_broken_rates() -> None:
    assert len(evaluator_pieces([20], 4)) == 31
    four = evaluator_pieces([20, 8, 9], [4.0, 4.0, 4.0])
    assert [p.file for p in four] == [0] * 31 + [1] + [2] * 3
    assert four[31].frames == tuple(i * 2 // 5 for i in range(20))
    thirty = evaluator_pieces([61], 30.0)  # every third frame: 21 of them
    assert [p.frames[0] for p in thirty] == [0, 3] and thirty[0].frames[-1] == 57
    ten = evaluator_pieces([22], 10.0)
    assert ten[2].frames == tuple(range(2, 22)) and ten[2].start == 0.2 and ten[2].end == 2.2


def test_batches_go_through_the_list_again() -> None:
    pieces = [Piece(0, number, 0.0, 2.0, (0,)) for number in range(19)]
    order = list(range(19))
    random.Random(5).shuffle(order)
    batches = picked_batches(pieces, random.Random(5), 40, 8)
    numbers = [[p.number for p in batch] for batch in batches]
    once = [order[:8], order[8:16], order[16:]]
    assert numbers == [*once, *once, order[:8]]


def test_features_are_those_of_a_plain_evaluator(sets: tuple[list[Path], list[Path]]) -> None:
    def video_network(frames: np.ndarray) -> np.ndarray:
        return frames[:, :, 0, 0, 0].astype(np.float32)

    def audio_network(audio: np.ndarray) -> np.ndarray:  # depends on the batch
        level = np.abs(audio).mean(axis=2)
        return np.concatenate([level, level - level.mean(axis=0)], axis=1)

    networks = Networks(video_network, audio_network)
    ours, theirs = (one.features for one in official_features(*sets, networks=networks))
    generator = random.Random(42)
    for files, features in zip(sets, (ours, theirs), strict=True):
        video_rows, audio_rows = plain(files, generator, video_network, audio_network)
        assert sorted(features) == [path.stem for path in files]
        for path in files:
            mine = features[path.stem]
            assert np.array_equal(mine["i3d"], video_rows[path.stem].reshape(-1, 20))
            assert mine["audioclip"].shape[0] == 1
            np.testing.assert_allclose(
                mine["audioclip"][0], audio_rows[path.stem].reshape(-1, 4), atol=1e-7
            )
        assert sum(len(f["i3d"]) for f in features.values()) == 96
        assert sum(f["audioclip"].shape[1] for f in features.values()) == 96
    assert ours["g2"]["i3d"].shape == (0, 20)  # too short for a piece


def plain(files, generator, video_network, audio_network):  # type: ignore[no-untyped-def]
    """The evaluator's loop, one piece at a time."""
    table = []
    for path in files:
        count, fps = stored_frames(path)
        repeated = [int(i * 0.4) for i in range(int(count * 10 / fps))]
        parts = [repeated[k : k + 20] for k in range(len(repeated) - 19)]
        pieces = [Piece(0, 0, part[0] / 4, (part[-1] + 1) / 4, tuple(part)) for part in parts]
        table += [(path, item) for item in evaluator_items(path, pieces)]
    order = list(range(len(table)))
    generator.shuffle(order)
    batches = [order[k : k + 8] for k in range(0, len(order), 8)]
    videos, audios, names, round_ = [], [], [], 0
    while len(names) < 96:
        batch = batches[round_ % len(batches)]
        round_ += 1
        frames, sounds = [], []
        for number in batch:
            path, (video, audio) = table[number]
            network_values = torch.from_numpy(video[:, :1, :1]).float() / 127.5 - 1
            frames.append(((network_values + 1) * 127.5).clamp(0, 255).to(torch.uint8).numpy())
            sounds.append(audio)
            names.append(path.stem)
        videos += list(video_network(np.stack(frames)))
        audios += list(audio_network(np.stack(sounds)))
    rows = {path.stem: ([], []) for path in files}
    for name, video, audio in list(zip(names, videos, audios, strict=True))[:96]:
        rows[name][0].append(video)
        rows[name][1].append(audio)
    return tuple({k: np.array(v[i], np.float32) for k, v in rows.items()} for i in (0, 1))


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    networks = Networks(lambda frames: np.zeros((len(frames), 3), np.float32))
    short, good = write_clip(tmp_path / "short.mp4", 1, 7), write_clip(tmp_path / "good.mp4", 2)
    with pytest.raises(SavgError, match=r"at least 2 s in each set, got 1 clips .*short\.mp4"):
        official_features([short], [good], networks=networks)
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    with pytest.raises(SavgError, match=r"got 1 clips without one.*bad\.mp4"):
        official_features([good], [bad], networks=networks)
    one = write_clip(tmp_path / "one.mp4", 3, 8)  # one piece
    deaf = Networks(audioclip=lambda audio: np.zeros((len(audio), 3), np.float32))
    with pytest.raises(SavgError, match="needs batches of two pieces or more"):
        official_features([one], [good], networks=deaf)
    with pytest.raises(SavgError, match="must be one of i3d, audioclip, got 'clap'"):
        official_features([good], [good], ["clap"], networks)


def counted() -> tuple[Networks, dict[str, int]]:
    """Networks with versions, which count the pieces that they get."""
    counts = {"i3d": 0, "audioclip": 0}

    def i3d(frames: np.ndarray) -> np.ndarray:
        counts["i3d"] += len(frames)
        return frames[:, :, 0, 0, 0].astype(np.float32)

    def audioclip(audio: np.ndarray) -> np.ndarray:  # depends on the batch
        counts["audioclip"] += len(audio)
        level = np.abs(audio).mean(axis=2)
        return np.concatenate([level, level - level.mean(axis=0)], axis=1)

    return Networks(i3d, audioclip, {"i3d": "a", "audioclip": "b"}), counts


def assert_same(one, other) -> None:  # type: ignore[no-untyped-def]
    assert one.failures == other.failures and one.features.keys() == other.features.keys()
    for name, features in one.features.items():
        for backbone, values in features.items():
            np.testing.assert_array_equal(values, other.features[name][backbone])


def test_features_are_cached_by_content(sets, tmp_path: Path, monkeypatch) -> None:
    from savg.evaluation import official_pieces

    networks, counts = counted()
    cache = Cache(tmp_path / "cache")
    plain_sets = official_features(*sets, networks=Networks(networks.i3d, networks.audioclip))
    counts |= {"i3d": 0, "audioclip": 0}
    first = official_features(*sets, networks=networks, cache=cache)
    # the few pieces of ours are taken several times, 96 of theirs once
    pieces = len(evaluator_pieces([13, 11], 4.0)) + 96
    assert counts["i3d"] == pieces and counts["audioclip"] >= 2 * 96
    for one, other in zip(plain_sets, first, strict=True):
        assert_same(one, other)
    counts |= {"i3d": 0, "audioclip": 0}
    renamed = tmp_path / "renamed.mp4"
    renamed.write_bytes(sets[0][0].read_bytes())
    monkeypatch.setattr(official_pieces, "evaluator_items", lambda *_: pytest.fail("decoded"))
    again = official_features([renamed, *sets[0][1:]], sets[1], networks=networks, cache=cache)
    assert counts == {"i3d": 0, "audioclip": 0}
    np.testing.assert_array_equal(
        again[0].features["renamed"]["i3d"], first[0].features["g0"]["i3d"]
    )
    assert_same(first[1], again[1])
    monkeypatch.undo()
    for path in (tmp_path / "cache").rglob("*.safetensors"):
        path.write_bytes(b"damaged")
    for one, other in zip(
        first, official_features(*sets, networks=networks, cache=cache), strict=True
    ):
        assert_same(one, other)
    assert counts["i3d"] == pieces
    counts["i3d"] = 0
    retrained = Networks(networks.i3d, networks.audioclip, {"i3d": "c", "audioclip": "b"})
    official_features(*sets, networks=retrained, cache=cache)
    assert counts["i3d"] == pieces  # of other weights


def test_unreadable_files_are_told_and_the_others_are_scored_as_without_them(
    sets, tmp_path: Path
) -> None:
    networks, _ = counted()
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    deaf = tmp_path / "deaf.mp4"  # its frames can be counted, its audio is missing
    import av

    with av.open(str(sets[0][0])) as source, av.open(str(deaf), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    ours, theirs = sets
    expected = official_features(ours, theirs, networks=networks)
    found = official_features([bad, *ours, deaf], [*theirs, bad], networks=networks)
    for one, other in zip(expected, found, strict=True):
        for name, features in one.features.items():
            for backbone, values in features.items():
                np.testing.assert_array_equal(values, other.features[name][backbone])
    assert sorted(found[0].failures) == ["bad", "deaf"] and list(found[1].failures) == ["bad"]
    assert "bad.mp4" in found[0].failures["bad"] and "audio" in found[0].failures["deaf"]
    assert "bad" not in found[0].features


def test_official_provenance_reads_the_card_and_loads_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "i3d"
    folder.mkdir()
    card = {"licence": "MIT", "origin": "a test", "sha256": "ab" * 32}
    (folder / "config.json").write_text(json.dumps({"kind": "i3d", "config": {}, "card": card}))
    (folder / "model.safetensors").write_bytes(b"no weights")
    facts = official_provenance("i3d", str(tmp_path))
    assert facts["sha256"] == "ab" * 32 and facts["pieces"]["seed"] == 42
    assert "224" in facts["input"] and facts["precision"] == "float32"
