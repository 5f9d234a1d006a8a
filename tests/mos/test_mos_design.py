"""The design of a listening test: what it accepts, and that it survives being written down."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import savg.mos as mos_package
from savg.mos.study.design import Condition, DesignError, FlagRules, Question, Study, standard


def savgbench() -> Study:
    return standard("s1", ["joint", "two_stage", "ground_truth"], "ground_truth")


def test_the_standard_study_has_the_published_numbers() -> None:
    study = savgbench()
    assert study.trials == 45 and [c.trials for c in study.conditions] == [15, 15, 15]
    assert [a.name for a in study.anchors] == ["swapped", "mono"]
    assert study.rated == 45 + 6
    assert study.positions == 3 + 51 + 3 + 2
    without = standard("s1", ["joint", "two_stage", "ground_truth"], anchor_trials=0)
    assert without.trials == 45 and without.positions == 53
    assert list(study.scores) == [1, 2, 3, 4, 5]
    assert study.break_after == 3 + 28 - 1
    assert "Focus on the direction of sounding sources" in study.question


def test_a_study_survives_json() -> None:
    study = replace(
        savgbench(), labels=("no", "yes"), level="remote", flags=FlagRules(fast_seconds=1.5)
    )
    assert Study.from_dict(json.loads(json.dumps(study.to_dict()))) == study


def test_without_a_reference_there_are_no_anchors() -> None:
    assert standard("s", ["a", "b", "c"]).anchors == ()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "../etc"}, "Name of a study"),
        ({"name": "S 1"}, "Name of a study"),
        ({"labels": ("one",)}, "2 to 11"),
        ({"labels": ("a", "a")}, "2 to 11"),
        ({"level": "moon"}, "in_person or remote"),
        ({"played": 0.2}, "0.5..1"),
        ({"repeats": -1}, "Study.repeats"),
        ({"repeats": True}, "Study.repeats"),
        ({"question": " "}, "the question"),
        ({"reference": "nobody"}, "Reference must be one of"),
        ({"reference": "swapped"}, "Reference must be one of"),
        ({"reference": None}, "need a reference condition"),
        ({"conditions": ()}, "no condition"),
        ({"conditions": (Condition("joint"), Condition("joint"))}, "twice"),
        ({"conditions": (Condition("mono"), Condition("b"))}, "twice"),
        ({"anchors": (Condition("middle", 3),)}, "Anchor must be one of"),
        ({"conditions": (Condition("ground_truth", 40),), "anchors": ()}, "in a row"),
        ({"repeat_gap": 60}, "trials apart"),
        ({"questions": (Question("q", "a?"), Question("q", "b?"))}, "same key"),
    ],
)
def test_impossible_studies_are_refused_in_one_sentence(
    change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(DesignError, match=sentence):
        replace(savgbench(), **change)  # type: ignore[arg-type]


def test_parts_validate_themselves() -> None:
    with pytest.raises(DesignError, match="Name of a condition"):
        Condition("joint/..")
    with pytest.raises(DesignError, match="trials of condition a"):
        Condition("a", 0)
    with pytest.raises(DesignError, match="modal_share"):
        FlagRules(modal_share=2.0)
    with pytest.raises(DesignError, match="options"):
        Question("q", "Which?", ("one",))
    with pytest.raises(DesignError, match="multiple of the number of conditions, 2"):
        standard("s", ["a", "b"])


@pytest.mark.parametrize(
    "values",
    [{"name": "s", "colour": 1}, {"name": "s", "conditions": [3]}, {"conditions": []}, {"name": 3}],
)
def test_wrong_descriptions_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(DesignError):
        Study.from_dict(values)


def test_listening_tests_need_no_networks_and_no_pages() -> None:
    names = sorted(p.stem for p in Path(mos_package.__file__).parent.glob("*.py"))
    code = (
        f"import sys; [__import__('savg.mos.' + n) for n in {names!r} if n != '__init__']; "
        "sys.exit(','.join(m for m in ('torch', 'gradio', 'savg.studio') if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
