"""What a visitor asks for on the stage reaches the pipeline, the link, the file and the shelf."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import studio_fakes

from savg.errors import SavgError
from savg.media.comment import read_comment
from savg.models.joint_config import CONFIGS as JOINT
from savg.pipelines.direction import Direction
from savg.pipelines.direction_text import FRAMES_ONLY
from savg.pipelines.joint import JointPipeline
from savg.pipelines.joint import tiny as undirected
from savg.pipelines.settings import GenerationSettings
from savg.pipelines.two_stage import tiny as two_stage
from savg.studio.generate import tab
from savg.studio.generate.links import made_before, read_link
from savg.studio.generate.requests import TOGETHER, GenerateRequest, generate_choices
from savg.studio.generate.stage import (
    MAX_TEXT,
    evaluations,
    moments_of,
    path_of,
    read_stage,
    stage_value,
)
from savg.studio.shared import components, services
from savg.studio.shared.annotation_cache import AnnotationCache
from savg.studio.shared.context import Context
from savg.studio.shared.jobs import DONE, Job
from savg.studio.shared.library import VIDEO, Library

ASKED = {"say": "speech", "people": 2, "moments": [[5, 200], [0, 40]], "strengths": {"x": 2}}
DIRECTION = Direction("speech", (40.0, 200.0), 2, {"x": 2})
QUERY = {"pipeline": "directed", "seed": "3"}
QUERY |= {"say": "speech", "x_path": "40,200", "people": "2", "strength": "x=2"}
REFUSED = "These joint weights were not trained with directions."


@pytest.fixture
def context(tmp_path: Path) -> Context:
    made_up = studio_fakes.services(seconds=0.001, both=True, directed=True)
    return Context(made_up, Library(tmp_path / "library"), AnnotationCache(made_up))


def asked(**changes: Any) -> Direction | None:
    return read_stage(json.dumps(ASKED | changes))


def test_the_stage_is_read_as_a_direction() -> None:
    assert asked() == DIRECTION
    assert read_stage(None) is read_stage("") is read_stage("{}") is None
    assert asked(path="10,20.5,30") == replace(DIRECTION, x=(10, 20.5, 30))  # as a link had it
    # A weight of 1, or of what is left open, asks for nothing and costs nothing.
    plain = asked(say="", strengths={"sound": 3, "x": 1, "people": 1.5})
    assert plain == Direction(None, (40, 200), 2, {"people": 1.5})
    assert evaluations(json.dumps(ASKED)) == 2 and evaluations("{") == evaluations("") == 1


@pytest.mark.parametrize(
    ("moments", "path"),
    [
        ([(0, 40)], (40,)),
        ([(0, 40), (5, 200)], (40, 200)),
        ([(0, 40), (2.5, 120), (5, 10)], (40, 120, 10)),
        ([(1, 50), (4, 200)], (50, 50, 100, 150, 200, 200)),
    ],
)
def test_moments_are_a_path_of_few_places_that_the_stage_shows_again(
    moments: list[tuple[float, float]], path: tuple[float, ...]
) -> None:
    assert path_of(moments) == path
    assert path_of([tuple(row) for row in moments_of(path)]) == path  # type: ignore[misc]


def test_a_path_of_many_places_has_few_moments() -> None:
    fine = path_of([(0, 0), (0.25, 30), (5, 200)])
    assert len(fine) == 21 and moments_of(fine) == [[0, 0], [0.25, 30], [5, 200]]
    assert len(moments_of([40 + i % 2 * 100 for i in range(256)])) <= 21


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (5, f"a text of at most {MAX_TEXT} characters"),
        ("x" * (MAX_TEXT + 1), "a text of at most"),
        ("[" * 19_000, "must be JSON"),
        ("[1]", "must be an object"),
        ({"say": "song"}, "sound must be speech or instrument, got 'song'"),
        ({"say": [1]}, "sound must be speech or instrument"),
        ({"people": 4}, r"people must be in 1\.\.3, got 4"),
        ({"people": True}, r"people must be in 1\.\.3, got True"),
        ({"strengths": {"x": -1}}, r"weight of x must be in 0\.\.100, got -1"),
        ({"strengths": {"y": 1}}, "weights must be of sound, people, x, got 'y'"),
        ({"strengths": 3}, "The strengths must be an object, got 3"),
        ({"path": "40,left"}, "path must be places in pixels such as 40,120,200, got 'left'"),
        ({"path": 7}, "path must be places in pixels"),
        ({"moments": [[0, 300]]}, r"x must be in 0\.\.256 pixels, got 300"),
        ({"moments": [[0, 10**400]]}, r"x must be in 0\.\.256 pixels"),
        ({"moments": [[0, float("nan")]]}, r"x must be in 0\.\.256 pixels, got nan"),
        ({"moments": [[6, 3]]}, "A moment must be at 0 to 5 s, got 6"),
        ({"moments": [[1, 3], [1, 4]]}, "Two moments must not be at one time"),
        ({"moments": [[1, "3"]]}, "rows of 2 numbers"),
        ({"moments": {"0": 1}}, "rows of 2 numbers"),
        ({"moments": [[i / 20, 3] for i in range(65)]}, "at most 64 rows"),
    ],
)  # fmt: skip
def test_what_no_stage_sends_is_one_sentence(text: Any, words: str) -> None:
    with pytest.raises(SavgError, match=words):
        if isinstance(text, dict):
            asked(**text)
        else:
            read_stage(text)


def run(context: Context, request: GenerateRequest) -> list[Any]:
    return list(tab.long_job(context).follow(Job(), tab.task(context, request, [], {})))[-1]


def test_a_directed_clip_says_what_was_asked_for(context: Context) -> None:
    request = GenerateRequest(context, "directed", 3, 4, 1, direction=DIRECTION)
    last = run(context, request)
    assert last[1]["state"] == DONE, last[0]
    (card,) = last[2]["clips"]
    assert card["origin"].endswith("4 steps, speech, x 40→200, 2 people, strength x 2")
    view = last[5]
    assert view["link"].endswith("&say=speech&x_path=40,200&people=2&strength=x%3D2")
    assert "--say speech --x-path 40,200 --people 2 --strength x=2" in view["command"]
    stored = context.library[card["id"]]
    settings = GenerationSettings.from_text(read_comment(stored.path(VIDEO)))
    assert settings == stored.settings and settings.direction_words.startswith("speech, x 40→200")
    upload = stored.folder / "upload.mp4"
    upload.write_bytes(stored.path(VIDEO).read_bytes())
    opened = context.library.add_upload(upload, "mine.mp4")  # Inspect reads it back
    assert opened.settings == settings and "asked for speech, x 40→200" in opened.origin
    again = components.made_again(opened)["command"]
    assert sorted(again.split()) == sorted(view["command"].split())
    # The same network left open makes another clip.
    plain = run(context, GenerateRequest(context, "directed", 3, 4, 1))[2]["clips"][0]
    assert plain["origin"].endswith("4 steps")
    assert context.library[plain["id"]].path(VIDEO).read_bytes() != stored.path(VIDEO).read_bytes()


def test_the_view_says_where_sounds_were_asked_and_heard(context: Context) -> None:
    settings = GenerationSettings("directed", 1, options={"x_path": "40,200"})
    clip = studio_fakes.scene(0)
    stored = context.library.add(clip, "Seed 1", "", settings=settings)
    view = tab.view_value(context, stored.key, look=True)
    events = studio_fakes.find_sounds(clip)
    wanted = 40 + 160 * (events.frames + 0.5) / 50
    error = np.abs(events.x - wanted).mean()
    assert view is not None and view["asked"] == {
        "moments": [[0, 40], [5, 200]],
        "seconds": 5,
        "words": f"Asked for x 40→200: sounds are {error:.0f} px from it on average.",
    }
    silent = replace(clip, audio=np.zeros_like(clip.audio))
    for sound, path, words in (
        (silent, "40", "x 40: no sound"),
        (clip, "left", None),
        (clip, None, None),
    ):
        options = {} if path is None else {"x_path": path}
        settings = GenerationSettings("directed", 1, options=options)
        stored = context.library.add(sound, "Seed 1", "", settings=settings)
        view = tab.view_value(context, stored.key, look=True)
        assert view is not None
        assert (words in view["asked"]["words"]) if words else view["asked"] is None


def test_a_strength_counts_as_further_steps(context: Context) -> None:
    rates = []
    context.pace.add = lambda name, steps, seconds: rates.append(steps)  # type: ignore[method-assign]
    run(context, GenerateRequest(context, "directed", 3, 4, 1, direction=DIRECTION))
    assert rates == [8]


def test_weights_without_directions_say_so(context: Context) -> None:
    choices = generate_choices(context.services)
    assert choices["fake"].refusal == REFUSED and choices["directed"].refusal == ""
    assert choices[TOGETHER].refusal == (
        "These joint and two-stage weights were not trained with directions."
    )
    for key in ("fake", TOGETHER):
        with pytest.raises(SavgError, match="not trained with directions"):
            GenerateRequest(context, key, 0, 10, 1, direction=DIRECTION)
    assert GenerateRequest(context, "fake", 0, 10, 1).direction is None
    assert stage_value(choices["fake"])["refusal"] == REFUSED


def test_a_pipeline_that_directs_its_frames_alone_says_so(context: Context) -> None:
    pipelines = context.services.pipelines
    half = replace(pipelines["directed"], frames_only=True)
    choices = generate_choices(replace(context.services, pipelines=pipelines | {"directed": half}))
    assert choices["directed"].warning == FRAMES_ONLY and choices["directed"].refusal == ""
    assert stage_value(choices["directed"])["warning"] == FRAMES_ONLY
    assert generate_choices(context.services)["directed"].warning == choices["fake"].warning == ""


def test_a_link_asks_for_the_same(context: Context) -> None:
    choices = generate_choices(context.services)
    link = read_link(QUERY, choices)
    assert link is not None and link.direction == DIRECTION
    one = read_link({"pipeline": "directed", "x": "40.5"}, choices)
    assert one is not None and one.direction == Direction(x=(40.5,))
    opened = tab.open_link(context, choices, QUERY, [])
    assert opened[-3]["asked"] == {
        "say": "speech", "people": 2, "path": "40,200", "moments": [[0, 40], [5, 200]],
        "strengths": {"x": 2},
    }  # fmt: skip
    assert opened[-2]["target"] == "#savg-go" and opened[-1] is None
    # What the page sends back is what the link asked for, and the clip is known again.
    assert read_stage(json.dumps(opened[-3]["asked"])) == DIRECTION
    last = run(context, GenerateRequest(context, "directed", 3, 20, 1, direction=DIRECTION))
    assert made_before(context, link, choices, last[3]) == last[3][0]
    other = replace(link, direction=replace(DIRECTION, people=1))
    assert made_before(context, other, choices, last[3]) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pipeline": "fake"}, REFUSED),
        ({"say": "song"}, "sound must be speech or instrument, got 'song'"),
        ({"say": ""}, "sound must be speech or instrument, got ''"),
        ({"people": "4"}, r"people must be in 1\.\.3, got 4"),
        ({"people": "two"}, "people of the link must be a number, got 'two'"),
        ({"x": "40"}, "Either x of the link or x_path of the link must be given, got both"),
        ({"x_path": "40;200"}, "x_path of the link must be places in pixels"),
        ({"x_path": ",".join("9" * 300)}, r"x must be 1\.\.256 places"),
        ({"x_path": "1," * 3000}, "x_path of the link must be places in pixels"),
        ({"strength": "x"}, "strength of the link must be CONDITION=NUMBER, got 'x'"),
        ({"strength": "x=inf"}, r"weight of x must be in 0\.\.100"),
    ],
)
def test_a_link_that_asks_for_nothing_possible_is_told(
    context: Context, changes: dict[str, str], words: str
) -> None:
    choices = generate_choices(context.services)
    with pytest.raises(SavgError, match=words):
        read_link(QUERY | changes, choices)
    assert tab.open_link(context, choices, QUERY | changes, [])[6]["value"]["kind"] == "problem"


def test_a_long_path_is_read_back_from_a_file() -> None:
    path = Direction(x=tuple(100 + i / 7 for i in range(256)))
    settings = GenerationSettings("joint", 1, options=path.to_options())
    assert GenerationSettings.from_text(settings.to_text()) == settings


def test_folders_tell_whether_their_weights_take_directions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    JointPipeline.random(replace(JOINT["tiny"], direction=3), None).save_pretrained(tmp_path / "a")
    undirected().save_pretrained(tmp_path / "b")
    two_stage().save_pretrained(tmp_path / "c")
    monkeypatch.setenv("SAVG_WEIGHTS", ":".join(str(tmp_path / name) for name in "abc"))
    found = services.bundled().pipelines
    assert [found[name].directs for name in "abc"] == [True, False, False]
