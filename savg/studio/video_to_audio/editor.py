"""The editor of what audio follows: people and boxes over the video, an envelope, example audio."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from savg.studio.shared import components
from savg.studio.shared.context import Context, Page
from savg.studio.shared.handlers import QUICK, SLOW, guarded, in_turns, visitor
from savg.studio.shared.jobs import sentence
from savg.studio.video_to_audio.components import steer_value
from savg.studio.video_to_audio.drawing import read_drawing
from savg.studio.video_to_audio.layout import (
    Layout,
    depth_state,
    moved_choices,
    semantic_choices,
    words_state,
)
from savg.studio.video_to_audio.recordings import Recordings
from savg.studio.video_to_audio.resound import find_source
from savg.studio.video_to_audio.scene import Scenes
from savg.studio.video_to_audio.steering import Steering, Wishes, steering
from savg.studio.video_to_audio.uploads import Source, Uploads


class Editor:
    """What visitors steer by: their recordings, and the scenes of their videos."""

    def __init__(self, context: Context, uploads: Uploads) -> None:
        self.context, self.uploads = context, uploads
        self.recordings = Recordings(context.library.storage)
        self.scenes = Scenes(context, uploads)

    def describe(self, name: str) -> list[Any]:
        """Updates of the settings for a pipeline."""
        choice = self.context.services.audio_pipelines[name]
        least, default, most = choice.steps
        strengths = [choice.strengths.get(one, 1.0) for one in ("spatial", "envelope", "semantic")]
        return [
            gr.update(info=choice.about),
            gr.update(minimum=least, maximum=most, value=default),
            gr.update(value=choice.guidance),
            gr.update(visible=choice.boxes),
            gr.update(visible=choice.follows or choice.steers),
            gr.update(visible=choice.follows),
            gr.update(visible=choice.steers),
            gr.update(**words_state(choice)),
            gr.update(**depth_state(choice)),
            *(gr.update(value=value, visible=choice.steers) for value in strengths),
        ]

    def check_again(self, name: Any, depth: Any) -> list[Any]:
        """Updates of the controls for words and depth of a pipeline: what they need may have come since
        the page was made. A choice of depth that can be had stays."""
        choice = self.context.services.audio_pipelines.get(name)
        if choice is None or not choice.steers:
            return [gr.skip(), gr.skip()]
        state = depth_state(choice)
        value = depth if state["interactive"] else state["value"]
        return [gr.update(**words_state(choice)), gr.update(**state | {"value": value})]

    def show(self, who: str, key: Any, name: Any, detector: Any) -> Iterator[list[Any]]:
        """Updates of editor and notice for a video, a pipeline and a person detector."""
        choice = self.context.services.audio_pipelines.get(name)
        if choice is None or not (choice.follows or choice.steers) or not key:
            yield [None, gr.skip()]
            return
        if detector not in self.context.services.persons:
            detector = self.context.services.video_detector
        try:
            source = find_source(self.context, self.uploads, who, key)
            if self.scenes.known(source.key, detector) is None:
                yield [self._value(who, source, choice.steers, detector), gr.skip()]
                self.scenes.look(source, detector, who)
            yield [self._value(who, source, choice.steers, detector), components.notice("")]
        except Exception as error:
            yield [None, components.notice(sentence(error))]

    def _value(self, who: str, source: Source, steers: bool, detector: str) -> dict[str, Any]:
        recordings = [
            {"key": one.key, "name": one.name, "levels": one.levels}
            for one in self.recordings.all_of(who)
        ]
        scene = self.scenes.known(source.key, detector)
        if scene is None:
            return steer_value(source.key, detector, steers, recordings)
        url = self.scenes.url(scene)
        return steer_value(source.key, detector, steers, recordings, scene.to_json(), url)

    def receive(self, who: str, path: str | None) -> list[Any]:
        """Updates of notice, what is moved, and what new audio sounds like, after an upload of audio;
        the uploaded file is moved or deleted."""
        keep = gr.skip()
        if not path:
            return [keep, keep, keep]

        def update() -> list[Any]:
            new = self.recordings.receive(Path(path), Path(path).name, who)
            names = [(f"“{one.name}”", one.key) for one in self.recordings.all_of(who)]
            return [
                components.notice(""),
                gr.update(choices=moved_choices(names), value=new.key),
                gr.update(choices=semantic_choices(names), value=new.key),
            ]

        try:
            return guarded(update, lambda message, _: [components.notice(message), keep, keep])
        finally:
            Path(path).unlink(missing_ok=True)

    def wishes(
        self,
        who: str,
        source: Source,
        name: Any,
        detector: Any,
        moved: Any,
        semantic: Any,
        words: Any,
        depth: Any,
        spatial: Any,
        envelope: Any,
        likeness: Any,
        text: Any,
    ) -> Steering | None:
        """What a visitor asked for, checked; None for a pipeline that follows nothing.

        words: of what shall sound; spatial, envelope, likeness: strengths of the conditions; text: of
        the editor, by a browser.
        """
        choice = self.context.services.audio_pipelines.get(name)
        if choice is None or not (choice.follows or choice.steers):
            return None
        scene = self.scenes.known(source.key, str(detector))
        wishes = Wishes(
            moved,
            semantic,
            {"spatial": spatial, "envelope": envelope, "semantic": likeness},
            read_drawing(text, source.key),
            None if scene is None else scene.tracks,
            words,
            depth,
        )
        return steering(choice, source, wishes, lambda key: self.recordings.get(key, who))


def connect(editor: Editor, layout: Layout, page: Page, tab: str) -> list[Any]:
    """Connect the editor; returns the components that say what it shows: video, pipeline, detector.

    tab: its title; when it is first opened, the editor shows the video that is chosen by then.
    """
    shown = [layout.video, layout.pipeline, layout.detector]

    def receive(path: str | None, request: gr.Request) -> list[Any]:
        return editor.receive(visitor(request), path)

    layout.pipeline.change(editor.describe, layout.pipeline, layout.settings, **QUICK)
    checked: dict[str, Any] = {
        "fn": editor.check_again,
        "inputs": [layout.pipeline, layout.depth],
        "outputs": [layout.words, layout.depth],
        **QUICK,
    }
    page.blocks.load(**checked)
    page.tabs.select(**checked)
    show = in_turns(editor.context.looking, editor.show)
    showing: dict[str, Any] = {
        "fn": show,
        "inputs": shown,
        "outputs": [layout.editor, layout.controls.notice],
        "trigger_mode": "always_last",
        **SLOW,
    }
    for part in shown:
        part.change(**showing)
    opened = gr.State(False)

    def note_opened(event: gr.SelectData) -> Any:
        return True if event.value == tab else gr.skip()

    page.tabs.select(note_opened, None, opened, **QUICK)
    opened.change(**showing)
    received = [layout.controls.notice, layout.moved, layout.semantic]
    layout.audio.upload(receive, layout.audio, received, **QUICK).then(**showing)
    return shown
