"""The Video to audio tab: any video gets new stereo audio, to be compared with its own."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from savg.media.mux import without_audio
from savg.studio.shared import components
from savg.studio.shared.choices import AudioChoice
from savg.studio.shared.context import Context, Page
from savg.studio.shared.handlers import (
    QUICK,
    event_data,
    guarded,
    inspect_clip,
    visitor,
    with_value,
)
from savg.studio.shared.jobs import DONE, STOPPED, Snapshot, sentence
from savg.studio.shared.library import VIDEO, visible_rows
from savg.studio.shared.long_job import LongJob, Task
from savg.studio.video_to_audio.components import DRAWN, versions_value
from savg.studio.video_to_audio.editor import Editor, connect
from savg.studio.video_to_audio.layout import HINT, lay_out
from savg.studio.video_to_audio.resound import ResoundRequest, ResoundResult, find_source
from savg.studio.video_to_audio.uploads import Uploads

TITLE, NAME = "Video to audio", "video-to-audio"

START = "#savg-resound-go"
"""The button that makes audio, as the page finds it."""

NO_PIPELINE = (
    "Video to audio needs a two-stage pipeline: there is none in the bundled demo weights here, and "
    "SAVG_WEIGHTS names none."
)
NO_OWN = "This video has no audio of its own."


def build(context: Context, page: Page) -> None:
    """Lay out the tab and connect it."""
    choices = context.services.audio_pipelines
    if not choices:
        components.notice_line("savg-resound-notice", NO_PIPELINE)
        return
    uploads = Uploads(context.library.storage)
    context.on_leave(
        lambda visitor: context.library.forget(uploads.forget(visitor)), uploads.owners
    )
    videos = video_choices(context, uploads, "", [])
    facts = _facts(context, uploads, "", videos[0][1] if videos else None)
    layout = lay_out(choices, videos, facts, context.services.persons)
    steering = Editor(context, uploads)
    context.on_leave(steering.recordings.drop_all, steering.recordings.owners)

    def receive(path: str | None, own: list[str], request: gr.Request) -> list[Any]:
        return receive_video(context, uploads, path, visitor(request), own)

    def describe_video(key: str | None, request: gr.Request) -> dict[str, Any]:
        return gr.update(info=_facts(context, uploads, visitor(request), key))

    def offer(own: list[str], chosen: str | None, request: gr.Request) -> dict[str, Any]:
        videos = video_choices(context, uploads, visitor(request), own)
        first = videos[0][1] if videos else None
        known = chosen in [key for _, key in videos]
        return gr.update(choices=videos, value=chosen if known else first)

    def ask(who: str, key: Any, *values: Any) -> Task:
        pipeline, detector, seed, steps, guidance, boxes, *wishes, own = values
        source = find_source(context, uploads, who, key)
        followed = steering.wishes(who, source, pipeline, detector, *wishes)
        settings = pipeline, seed, steps, guidance, boxes, who, detector
        request = ResoundRequest(context, source, *settings, steering=followed)
        return task(context, uploads, who, request, own)

    def inspect(event: gr.EventData) -> list[Any]:
        return inspect_clip(str(event_data(event).get("inspect", "")))

    def receive_silent(asked: Any, own: list[str], request: gr.Request) -> list[Any]:
        who = visitor(request)
        updates = silent_video(context, uploads, asked, who, own)
        settings: list[Any] = [gr.skip()] * len(layout.settings)
        name = unsteered(choices)
        if name is not None:
            info, *others = steering.describe(name)
            settings = [info | {"value": name}, *others]
        return [*updates, components.click_value({"target": START}), *settings]

    page.resounded.change(
        receive_silent,
        [page.resounded, page.clips],
        [layout.controls.notice, layout.video, page.clicks, *layout.settings],
        **QUICK,
    )
    layout.upload.upload(
        receive, [layout.upload, page.clips], [layout.controls.notice, layout.video], **QUICK
    )
    layout.video.change(describe_video, layout.video, layout.video, **QUICK)
    page.clips.change(offer, [page.clips, layout.video], layout.video, **QUICK)
    shown = connect(steering, layout, page, TITLE)
    numbers = [layout.seed, layout.steps, layout.guidance, layout.boxes]
    wishes = [layout.moved, layout.semantic, layout.words, layout.depth, *layout.strengths]
    wishes += [layout.drawing]
    inputs = [*shown, *numbers, *wishes, page.clips]
    send = with_value(inputs.index(layout.drawing), DRAWN)
    long_job(context).connect(layout.controls, ask, inputs, [layout.player, page.clips], send)
    layout.player.select(inspect, None, [page.inspected, page.tabs], **QUICK)


def long_job(context: Context) -> LongJob:
    """The tab's long work; its own outputs are the player and the visitor's clips."""
    return LongJob(context.board, HINT, outputs=2)


def task(
    context: Context, uploads: Uploads, who: str, request: ResoundRequest, own: list[str]
) -> Task:
    """A click of a visitor; `own`: keys of the visitor's clips so far."""

    def results(now: Snapshot) -> list[Any] | None:
        if now.state != DONE or not now.results:
            return None
        result: ResoundResult = now.results[0]
        keys = [stored.key for stored in result.clips]
        uploads.add_clips(who, keys)
        return [player_value(context, result), [*keys, *own]]

    return Task(request, _ends, results)


def receive_video(
    context: Context, uploads: Uploads, path: str | None, who: str, own: list[str]
) -> list[Any]:
    """Updates of notice and chosen video after an upload; the uploaded file is moved or deleted."""
    if not path:
        return [gr.skip(), gr.skip()]

    def update() -> list[Any]:
        source = uploads.receive(Path(path), Path(path).name, who)
        videos = video_choices(context, uploads, who, own)
        chosen = gr.update(choices=videos, value=source.key, info=source.words)
        return [components.notice(""), chosen]

    try:
        return guarded(update, lambda message, _: [components.notice(message), gr.skip()])
    finally:
        Path(path).unlink(missing_ok=True)


def unsteered(choices: Mapping[str, AudioChoice]) -> str | None:
    """The first pipeline that makes audio from frames alone, as a silent video has nothing else."""
    return next((k for k, one in choices.items() if not (one.follows or one.steers)), None)


def silent_video(
    context: Context, uploads: Uploads, asked: Any, who: str, own: list[str]
) -> list[Any]:
    """Updates of notice and chosen video when a clip of the library is taken without its audio; `asked`
    is {"key": its key}. A visitor's own one of before is taken again."""

    def update() -> list[Any]:
        stored = context.library[asked.get("key") if isinstance(asked, dict) else None]
        name = f"{stored.title}, silent.mp4"
        source = next((one for one in uploads.all_of(who) if one.name == name), None)
        if source is None:
            part = context.library.storage.videos / f"{secrets.token_hex(16)}.mp4"
            part.parent.mkdir(parents=True, exist_ok=True)
            try:
                without_audio(stored.path(VIDEO), part)
                source = uploads.receive(part, name, who)
            finally:
                part.unlink(missing_ok=True)
        videos = video_choices(context, uploads, who, own)
        return [
            components.notice(""),
            gr.update(choices=videos, value=source.key, info=source.words),
        ]

    return guarded(update, lambda message, _: [components.notice(message), gr.skip()])


def player_value(context: Context, result: ResoundResult) -> dict[str, Any]:
    """What the player shows of a result: the new audio first, then the video's own."""
    detector = result.detector or context.services.video_detector
    labels = ("New audio", "Its own audio")
    versions = []
    for stored, label, quieter in zip(
        (result.new, result.own), labels, result.quieter, strict=True
    ):
        if stored is None:
            continue
        annotation = context.annotations.annotation(stored, detector)
        folder, crop = stored.results(detector), visible_rows(annotation.clip)
        value = components.player_value(stored, crop, annotation.to_json(), folder)
        value["downloads"] = [d for d in value["downloads"] if d["url"]]
        value["downloads"][0]["label"] = "Video"
        versions.append(value | {"label": label, "quieter": quieter})
    return versions_value(result.new.key, versions, level_words(result), NO_OWN)


def level_words(result: ResoundResult) -> str:
    """How both versions are brought to one level, in words."""
    if result.own is None:
        return ""
    new, own = result.quieter
    if not max(new, own):
        return "Both are played at the level that they have in their files."
    which = "The new audio" if new > own else "Its own audio"
    return (
        f"{which} is played {max(new, own):.1f} dB quieter here, so that both are equally loud; the "
        "files keep their levels."
    )


def video_choices(
    context: Context, uploads: Uploads, who: str, own: list[str]
) -> list[tuple[str, str]]:
    """Names and keys: what the visitor uploaded here, the visitor's own clips, the examples."""
    uploaded = [(source.name, source.key) for source in uploads.all_of(who)]
    resounded = uploads.clips_of(who)
    own_clips = context.library.get(key for key in own if key not in resounded)
    clips = [(stored.title, stored.key) for stored in own_clips]
    examples = context.library.get(context.examples)
    return [*uploaded, *clips, *((f"Example: {s.title}", s.key) for s in examples)]


def _ends(now: Snapshot) -> Mapping[str, str]:
    return {
        DONE: f"Done in {now.seconds:.1f} s.",
        STOPPED: f"Stopped after {now.seconds:.1f} s.",
    }


def _facts(context: Context, uploads: Uploads, who: str, key: str | None) -> str:
    """Size, rate, length and audio of a video, or what is to be done."""
    try:
        return find_source(context, uploads, who, key).words
    except Exception as error:
        return sentence(error)
