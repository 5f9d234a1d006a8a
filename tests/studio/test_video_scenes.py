"""A video as the editor shows it: its people, frames that browsers play, its level; whose it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gradio as gr
import made_up_clips
import pytest
import studio_fakes
from videos import make_video

from savg.errors import SavgError
from savg.media.probe import video_info
from savg.studio.shared.annotation_cache import AnnotationCache
from savg.studio.shared.context import Context
from savg.studio.shared.library import VIDEO, Library
from savg.studio.video_to_audio.editor import Editor
from savg.studio.video_to_audio.resound import find_source
from savg.studio.video_to_audio.uploads import Uploads


@pytest.fixture
def editor(tmp_path: Path) -> Editor:
    services = studio_fakes.services(0, both=True)
    context = Context(services, Library(tmp_path / "library"), AnnotationCache(services))
    return Editor(context, Uploads(context.library.storage))


def shown(editor: Editor, key: object, pipeline: str = "steered", who: str = "me") -> list[list]:
    return list(editor.show(who, key, pipeline, "yolox"))


def test_people_and_level_of_a_clip(editor: Editor) -> None:
    stored = editor.context.library.add(studio_fakes.scene(1), "Seed 1", "test")
    looking, ready = (update[0] for update in shown(editor, stored.key))
    assert looking["state"] == "looking" and ready["state"] == "ready" and ready["steers"]
    (person,) = ready["people"]
    middles = [(row[1] + row[3]) / 2 for row in person]
    assert all(abs(x - made_up_clips.RIGHT_X) < 15 for x in middles) and ready["longest"] == 1
    assert person[0][0] == 0 and person[-1][0] == 5
    assert (ready["top"], ready["bottom"]) == (56, 200)
    assert len(ready["levels"]) == 100 and max(ready["levels"]) > -30
    assert stored.key in ready["url"]
    ((again, _),) = shown(editor, stored.key, "pan")  # nothing is looked for twice
    assert again["people"] == ready["people"] and not again["steers"]
    assert shown(editor, stored.key, "second")[0][0] is None


def test_an_upload_is_shown_to_its_owner_and_goes_with_it(editor: Editor, tmp_path: Path) -> None:
    path = make_video(tmp_path / "odd.avi", seconds=1, audio=False)
    key = editor.uploads.receive(path, "odd.avi", "me").key
    value = shown(editor, key)[-1][0]
    assert value["people"] == [] and value["levels"] is None
    (clip,) = editor.uploads.clips_of("me")
    copy = editor.context.library[clip].path(VIDEO)
    assert video_info(copy).channels == 2
    assert "no longer here" in shown(editor, key, who="you")[-1][1]["value"]["text"]
    editor.context.library.forget(editor.uploads.forget("me"))
    assert not copy.exists() and editor.scenes.known(key, "yolox") is None


def test_a_video_that_breaks_off_is_told_by_its_owners_name(
    editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(tmp_path / "a.mkv", seconds=1)
    key = editor.uploads.receive(path, "a.mkv", "me").key
    source = find_source(editor.context, editor.uploads, "me", key)
    source.path.write_bytes(b"no video")
    with pytest.raises(SavgError, match=r"“a\.mkv”") as caught:
        editor.scenes.look(source, "yolox", "me")
    assert str(tmp_path) not in str(caught.value)


def test_words_and_depth_are_looked_for_again(editor: Editor) -> None:
    """What the weights need may be fetched while the page is open; no restart, no lost choice."""
    missing = ["Not here."]
    pipelines = editor.context.services.audio_pipelines
    late = replace(
        pipelines["steered"],
        missing_words=lambda: missing[0],
        missing_depth=lambda: missing[0],
    )
    services = replace(
        editor.context.services, audio_pipelines={"late": late, "pan": pipelines["pan"]}
    )
    editor.context = replace(editor.context, services=services)
    words, depth = editor.check_again("late", "own")
    assert words["info"] == depth["info"] == "Not here." and depth["value"] == "none"
    assert not words["interactive"] and not depth["interactive"]
    missing[0] = ""
    for chosen in ("own", "none"):
        words, depth = editor.check_again("late", chosen)
        assert words["interactive"] and depth["interactive"] and depth["value"] == chosen
    for name in ("pan", "unknown"):
        assert all(update == gr.skip() for update in editor.check_again(name, "own"))
