"""Sizes of a study by the clips there are: smaller defaults, one message for all that is too few."""

from __future__ import annotations

import pytest

from savg.mos.study.assignment import check_pool
from savg.mos.study.design import DesignError, Stimulus, Study
from savg.mos.study.options import plan_study


def planned(
    clips: dict[str, int],
    reference: str | None = None,
    off_centre: int | None = None,
    **values: int,
) -> tuple[Study, str]:
    count = None if off_centre is None else lambda *_: off_centre
    plan = plan_study("pilot", list(clips), reference, values, clips, off_centre=count)
    return plan.study, plan.note


def pool(study: Study, clips: dict[str, int]) -> list[Stimulus]:
    """What is written of those clips, without anchors: practice and catch trials from the condition
    with most to spare."""
    aside = max(study.practice, 1 if study.catch else 0)
    trials = {c.name: c.trials for c in study.conditions}
    giver = max(clips, key=lambda name: clips[name] - trials[name])
    stimuli = [
        Stimulus(f"{kind}{i}", kind, f"{i}.mp4", f"{kind}/{i}", kind, 5.0, expected=expected)
        for kind, count, expected in (("practice", study.practice, None), ("catch", study.catch, 1))
        for i in range(count)
    ]
    for name, count in clips.items():
        for i in range(aside if name == giver else 0, count):
            stimuli.append(Stimulus(f"{name}{i}", name, f"{i}.mp4", f"{name}/{i}", "system", 5.0))
    return stimuli


@pytest.mark.parametrize(
    "clips", [{"a": 1, "b": 1}, {"a": 2, "b": 2}, {"a": 4}, {"a": 5, "b": 9}, {"a": 30, "b": 26}]
)
def test_defaults_scale_to_what_the_folders_hold(clips: dict[str, int]) -> None:
    study, note = planned(clips)
    check_pool(study, pool(study, clips))
    assert "Scaled to the clips that there are" in note or min(clips.values()) > 25
    assert study.break_after == -1 or study.positions >= 30


def test_enough_clips_give_the_usual_study() -> None:
    study, note = planned({"a": 20, "b": 20, "ground_truth": 25})
    assert note == "" and study.positions == 59 and study.break_after == 3 + 28 - 1


def test_all_that_is_too_few_is_told_at_once_with_what_works() -> None:
    clips = {"a": 4, "b": 4}
    with pytest.raises(DesignError, match="a has 4, 14 too few; b has 4, 11 too few") as error:
        planned(clips, trials=30)
    words = str(error.value).partition("This works: ")[2].rstrip(".").replace("--", "").split()
    values = {
        name.replace("-", "_"): int(n) for name, n in zip(words[::2], words[1::2], strict=True)
    }
    study, _ = planned(clips, **values)
    check_pool(study, pool(study, clips))


def test_anchors_become_as_few_as_clips_are_off_centre() -> None:
    clips = {"a": 20, "ground_truth": 40}
    study, note = planned(clips, off_centre=5)
    assert [anchor.trials for anchor in study.anchors] == [2, 2]
    assert "2 of each anchor (usually 3)" in note and "ground_truth off centre 5" in note
    assert planned(clips, off_centre=1)[0].anchors == ()
    assert planned(clips, off_centre=6)[0] == planned(clips)[0]


def test_clips_set_aside_may_leave_too_few_for_anchors() -> None:
    clips = {"a": 15, "ground_truth": 40}
    kept, _ = planned(clips, off_centre=39, trials=30)
    assert kept.anchors[0].trials == 3, "three of 39 are set aside"
    fewer, _ = planned({"a": 15, "ground_truth": 24}, off_centre=7, trials=30)
    assert fewer.anchors[0].trials == 3, "those set aside are in the middle"


def test_too_few_clips_off_centre_are_told_with_all_else() -> None:
    clips = {"a": 4, "ground_truth": 40}
    with pytest.raises(DesignError) as error:
        planned(clips, off_centre=3, trials=30, anchor_trials=4)
    message = str(error.value)
    assert "a has 4, 11 too few" in message
    assert "ground_truth has 3 with a sound at least 3 dB off centre, 5 too few" in message
    assert "This works: " in message and "--anchor-trials 1" in message


def test_whether_clips_are_off_centre_is_asked_only_for_anchors() -> None:
    def count(*_: object) -> int:
        raise AssertionError("No clip has to be read.")

    clips = {"a": 20, "ground_truth": 40}
    for values, reference in (({"anchor_trials": 0}, None), ({}, "none")):
        plan_study("pilot", list(clips), reference, values, clips, off_centre=count)
