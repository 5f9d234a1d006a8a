"""Links that last, and a shelf that survives a reload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import studio_fakes

from savg.errors import SavgError
from savg.studio.generate.links import Link, made_before, read_link
from savg.studio.generate.requests import TOGETHER, GenerateRequest, generate_choices
from savg.studio.generate.tab import open_link, restored
from savg.studio.shared.annotation_cache import AnnotationCache
from savg.studio.shared.context import Context
from savg.studio.shared.jobs import Job
from savg.studio.shared.library import Library, StoredClip
from savg.studio.shared.pace import Pace


@pytest.fixture
def context(tmp_path: Path) -> Context:
    services = studio_fakes.services(seconds=0.001, both=True)
    return Context(services, Library(tmp_path / "library"), AnnotationCache(services))


def made(context: Context, *values: Any, owner: str = "me") -> StoredClip:
    job = Job()
    *_, last = job.run(GenerateRequest(context, *values, owner=owner))
    return last.results[-1][0]


def query(address: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in address.removeprefix("?").split("&"))


def test_a_clips_link_asks_for_that_clip(context: Context) -> None:
    choices = generate_choices(context.services)
    clip = made(context, "second", 7, 5, 2, False)
    assert clip.settings is not None
    link = read_link(query(clip.settings.query), choices)
    assert link == Link("second", 7, 5, 2, False)
    assert made_before(context, link, choices, [clip.key]) == clip.key
    assert made_before(context, replace(link, steps=6), choices, [clip.key]) is None
    opened = open_link(context, choices, query(clip.settings.query), [clip.key])
    assert opened[-1] == clip.key and "target" not in str(opened[-2])
    opened = open_link(context, choices, query(clip.settings.query), [])
    assert opened[-1] is None and opened[-2]["target"] == "#savg-go"


def test_a_link_to_distilled_weights_makes_its_clip_in_their_steps(context: Context) -> None:
    pipelines = context.services.pipelines
    pipelines["fake"] = replace(pipelines["fake"], steps=(8, 8, 8))
    choices = generate_choices(context.services)
    link = read_link({"pipeline": "fake", "seed": "3", "steps": "20"}, choices)
    assert link == Link("fake", 3, 8, 1, True)
    slider = open_link(context, choices, {"pipeline": "fake", "seed": "3"}, [])[3]
    assert slider["value"] == 8 and not slider["visible"]
    assert slider["minimum"] < slider["maximum"]  # Gradio refuses a page with another slider


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"utm_source": "x"}, None),
        ({"seed": "3"}, Link("fake", 3, 20, 1, True)),
        ({"pipeline": "both", "seed": "3"}, Link(TOGETHER, 3, 20, 1, True)),
        ({"pipeline": "other"}, "pipeline must be one of fake, second, got 'other'"),
        ({"pipeline": "fake", "seed": "-1"}, "seed must be a whole number in 0.."),
        ({"pipeline": "fake", "steps": "10000"}, r"steps must be a whole number in 4..200, got"),
        ({"pipeline": "fake", "clips": "9" * 5000}, "clips must be a whole number in 1..8"),
    ],
)
def test_what_an_address_asks_for(
    context: Context, given: Mapping[str, str], expected: Link | str | None
) -> None:
    choices = generate_choices(context.services)
    if isinstance(expected, str):
        with pytest.raises(SavgError, match=expected):
            read_link(given, choices)
        assert open_link(context, choices, given, [])[6]["value"]["kind"] == "problem"
    else:
        assert read_link(given, choices) == expected


def test_a_reload_has_the_clips_of_before(context: Context) -> None:
    clip = made(context, "fake", 1, 4, 1, owner="gone")
    assert restored(context, [clip.key, "other", 7, None], "me") == [clip.key]
    assert context.library[clip.key].owner == "gone"  # whose page may still be open
    context.presence.see("gone")
    context = replace(context, presence=type(context.presence)(lambda: 1e9))
    context.presence.see("other")
    context.presence._seen["gone"] = 0.0
    assert restored(context, [clip.key], "me") == [clip.key]
    assert context.library[clip.key].owner == "me"
    context.library.forget_owner("gone")
    assert context.library.rows([clip.key])[clip.key]["found"]
    assert restored(context, {"not": "a list"}, "me") == []


def test_time_is_told_once_it_is_known() -> None:
    pace = Pace()
    assert pace.seconds({"a": 10}, 1) is None and "once a clip" in pace.words({"a": 10}, 1)
    pace.add("a", 10, 5.0)
    pace.add("b", 20, 20.0)
    assert pace.seconds({"a": 10, "c": 1}, 2) is None
    assert pace.seconds({"a": 10, "b": 8}, 2) == pytest.approx(2 * (10 * 0.5 + 8 * 1.0))
    assert pace.words({"a": 40}, 1) == "Takes about 20 s here once its turn has come."
