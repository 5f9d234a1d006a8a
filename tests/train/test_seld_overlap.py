"""Two sources at once or in turn in SELD's windows, and the settings of its synthetic clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from savg.annotation import ClipLabels
from savg.data.scenes import draw_scene, split_seed
from savg.errors import SavgError
from savg.train.optim import Draw
from savg.train.recipe import get_recipe, override
from savg.train.seld import FADE, SeldRecipe, _in_turn, _together
from savg.train.sources import ClipSpec, Synthetic, open_clips

RATE = 16_000


def clip(classes: int, level: float, x: float) -> tuple[np.ndarray, ClipLabels]:
    rng = np.random.default_rng(classes)
    audio = level * rng.standard_normal((2, 2 * RATE)).astype(np.float32)
    frames = np.arange(20)
    return audio, ClipLabels(frames, np.full(20, classes), np.full(20, x), np.full(20, 72.0))


def test_clips_of_other_classes_are_added_with_their_labels() -> None:
    speech, music = clip(1, 0.1, 40.0), clip(9, 0.01, 200.0)
    for seed in range(5):
        audio, labels = _together(speech, music, np.random.default_rng(seed))
        added = audio - speech[0]
        loudness = 20 * np.log10(np.std(added) / np.std(speech[0]))
        assert -6.1 < loudness < 6.1
        assert np.corrcoef(added[0], music[0][0])[0, 1] > 0.999
        assert sorted(labels.classes.tolist()) == [1] * 20 + [9] * 20
        assert set(labels.x[labels.classes == 9]) == {200.0}
        assert set(labels.x[labels.classes == 1]) == {40.0}
    assert np.abs(speech[0]).max() < 1 and len(speech[1].frames) == 20


def test_clips_of_one_class_are_not_mixed() -> None:
    """Women's and men's speech are one class of events, with one position in a frame."""
    one = clip(0, 0.1, 40.0)
    assert _together(one, clip(1, 0.1, 200.0), np.random.default_rng(0)) is one


def test_labels_of_what_cannot_be_heard_are_not_added() -> None:
    """The other clip is as loud as the first: beside silence it would have labels and no sound."""
    speech, music, rng = clip(1, 0.1, 40.0), clip(9, 0.1, 200.0), np.random.default_rng(0)
    silent = np.zeros_like(speech[0]), ClipLabels(*(np.zeros(0, int) for _ in range(4)))
    assert _together(silent, music, rng) is silent
    assert _together(speech, (silent[0], music[1]), rng) is speech


def test_one_clip_gives_way_to_another_with_its_labels() -> None:
    model = get_recipe("seld", "tiny").model  # type: ignore[attr-defined]
    before, after = clip(1, 0.1, 40.0), clip(0, 0.1, 200.0)
    audio, labels = _in_turn(before, after, 7 * RATE // 10 + 5, model)
    cut, faded = 7 * RATE // 10, 7 * RATE // 10 + round(FADE * RATE)
    assert np.array_equal(audio[:, :cut], before[0][:, :cut])
    assert np.allclose(audio[:, faded:], after[0][:, faded:])
    assert labels.frames.tolist() == list(range(20))
    assert labels.x.tolist() == [40.0] * 7 + [200.0] * 13
    assert labels.classes.tolist() == [1] * 7 + [0] * 13
    whole = _in_turn(before, after, 0, model)
    assert whole[1].x.tolist() == [200.0] * 20


def test_a_recipe_without_overlap_draws_what_it_drew_before(tmp_path: Path) -> None:
    recipe = get_recipe("seld", "tiny")
    assert isinstance(recipe, SeldRecipe) and recipe.overlap == recipe.turns == 0
    data = recipe.open("synthetic", tmp_path)
    draws = [Draw(index, 0, index) for index in range(3)]
    before = recipe.batch(data, draws)
    mixed = replace(recipe, overlap=1.0).batch(data, draws)
    assert all(np.array_equal(a, b) for a, b in zip(before, recipe.batch(data, draws), strict=True))
    assert mixed[0].shape == before[0].shape and not np.array_equal(mixed[0], before[0])
    turned = replace(recipe, turns=1.0).batch(data, draws)
    assert turned[0].shape == before[0].shape and not np.array_equal(turned[0], before[0])


def test_fewer_rooms_are_evenly_spread_ones_with_a_pack_of_their_own() -> None:
    whole = Synthetic(("furnished",), (1,))
    few = replace(whole, rooms=8)
    world, every = few.world("furnished"), whole.world("furnished")
    drawn = {draw_scene(split_seed("train", i), world).room for i in range(60)}
    assert drawn == set(range(0, every.rooms, every.rooms // 8)) and len(drawn) == 8
    assert replace(whole, rooms=1000).world("furnished") == every
    assert few.tag not in ("", whole.tag)
    with pytest.raises(SavgError, match="rooms must be 0"):
        override(get_recipe("joint", "tiny"), ["synthetic.rooms=-1"])


def test_microphones_and_held_out_voices_are_settings_with_packs_of_their_own(
    tmp_path: Path,
) -> None:
    recipe = override(get_recipe("seld", "tiny"), ["synthetic.microphones=real"])
    assert isinstance(recipe, SeldRecipe) and recipe.synthetic.microphones == "real"
    spec = ClipSpec(size=16, video=False)
    ideal = Synthetic(("demo",), (2,))
    packs = [ideal, replace(ideal, microphones="real"), replace(ideal, held_out=True)]
    clips = [open_clips("synthetic", tmp_path, spec, synthetic).audio(0) for synthetic in packs]
    assert len(list((tmp_path / "data").iterdir())) == 3
    assert not np.array_equal(clips[0], clips[1])
    with pytest.raises(SavgError, match="microphones must be one of ideal, mixed, real"):
        override(get_recipe("seld", "tiny"), ["synthetic.microphones=bad"])
