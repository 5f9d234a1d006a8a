"""The Video to audio tab: any video gets new stereo sound, to be compared with its own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from savg.studio.generate.requests import MAX_SEED
from savg.studio.shared import components, running
from savg.studio.shared.context import Context, Page
from savg.studio.shared.jobs import DONE, FAILED, STOPPED, Job, Snapshot, sentence
from savg.studio.shared.library import MAX_UPLOAD_SECONDS, visible_rows
from savg.studio.video_to_audio.components import version_player, versions_value
from savg.studio.video_to_audio.resound import MAX_GUIDANCE, Take, TakeOrder, find
from savg.studio.video_to_audio.uploads import MAX_BYTES

TITLE, NAME = "Video to audio", "video-to-audio"

HINT = "Your video appears here while its sound is made."
LIMITS = (
    f"Silent or sounding, up to {MAX_UPLOAD_SECONDS:.0f} s and {MAX_BYTES / 1e6:.0f} MB. The new "
    "video keeps the pictures' size, rate and turn. Only you see it, and it goes when you leave."
)
NOBODY = (
    "Video to audio needs a two-stage pipeline: there is none in the bundled demo weights here, and "
    "SAVG_WEIGHTS names none."
)
NO_OWN = "This video has no sound of its own."


def build(context: Context, page: Page) -> None:
    """Lay out the tab and connect it."""
    services = context.services
    if not services.film_sounds:
        components.notice_line("savg-take-notice", NOBODY)
        return
    choices = services.film_sounds
    first = next(iter(choices))
    least, default, most = choices[first].steps
    videos = _videos(context, "", [])
    notice = components.notice_line("savg-take-notice")
    with gr.Row(elem_classes="savg-split", equal_height=False):
        with gr.Column(scale=2, min_width=280, elem_classes="savg-settings"):
            upload = gr.UploadButton(
                "Open a video …", file_count="single", elem_id="savg-take-upload", size="md"
            )
            gr.HTML(
                f'<p class="savg-hint ss-limits">{LIMITS}</p>',
                apply_default_css=False,
                elem_id="savg-take-limits",
            )
            video = gr.Dropdown(
                videos,
                value=videos[0][1] if videos else None,
                label="Video",
                info=_facts(context, "", videos[0][1] if videos else None),
                elem_id="savg-take-video",
            )
            pipeline = gr.Dropdown(
                [(choice.label, name) for name, choice in choices.items()],
                value=first,
                label="Pipeline",
                info=choices[first].about,
                visible=len(choices) > 1,
                elem_id="savg-take-pipeline",
            )
            with gr.Row(equal_height=True, elem_classes="savg-seed"):
                seed = gr.Number(
                    0, label="Seed", precision=0, min_width=120, elem_id="savg-take-seed"
                )
                dice = gr.Button(
                    "New seed", scale=0, min_width=110, size="sm", elem_id="savg-take-dice"
                )
            with gr.Accordion("Sampling", open=False, elem_id="savg-take-more"):
                steps = gr.Slider(
                    least, most, default, step=1, label="Steps", elem_id="savg-take-steps"
                )
                guidance = gr.Slider(
                    0,
                    MAX_GUIDANCE,
                    choices[first].guidance,
                    step=0.5,
                    label="Guidance",
                    info="How closely the sound follows the picture.",
                    elem_id="savg-take-guidance",
                )
                boxes = gr.Checkbox(
                    True,
                    label="Person boxes",
                    info="The flow network is told where YOLOX finds persons.",
                    visible=choices[first].boxes,
                    elem_id="savg-take-boxes",
                )
            with gr.Row(elem_classes="savg-go"):
                go = gr.Button("Make sound", variant="primary", elem_id="savg-take-go", scale=2)
                stop = gr.Button(
                    "Stop", elem_id="savg-take-stop", interactive=False, scale=1, min_width=80
                )
        with gr.Column(scale=3, min_width=300):
            progress = components.progress(
                "savg-take-progress", components.progress_value(hint=HINT)
            )
    player = version_player("savg-take")

    def receive(path: str | None, own: list[str], request: gr.Request) -> list[Any]:
        return receive_video(context, path, running.visitor(request), own)

    def describe_video(key: str | None, request: gr.Request) -> dict[str, Any]:
        return gr.update(info=_facts(context, running.visitor(request), key))

    def describe(name: str) -> list[Any]:
        choice = choices[name]
        least, default, most = choice.steps
        return [
            gr.update(info=choice.about),
            gr.update(minimum=least, maximum=most, value=default),
            gr.update(value=choice.guidance),
            gr.update(visible=choice.boxes),
        ]

    def offer(own: list[str], chosen: str | None, request: gr.Request) -> dict[str, Any]:
        videos = _videos(context, running.visitor(request), own)
        kept = chosen if chosen in [key for _, key in videos] else None
        return gr.update(choices=videos, value=kept or (videos[0][1] if videos else None))

    def prepare(request: gr.Request) -> list[Any]:
        context.board.start(running.visitor(request))
        return running.waiting(HINT)

    def run(
        video: str | None,
        pipeline: str,
        seed: float,
        steps: float,
        guidance: float,
        boxes: bool,
        own: list[str],
        request: gr.Request,
    ) -> Iterator[list[Any]]:
        visitor = running.visitor(request)
        job = context.board.job(visitor) or context.board.start(visitor)
        try:
            work = TakeOrder(context, visitor, video, pipeline, seed, steps, guidance, boxes)
            yield from follow(context, job, work, visitor, own)
        except Exception as error:
            idle = components.progress_value(hint=HINT)
            keep = gr.skip()
            yield [components.notice(sentence(error)), idle, keep, keep, *running.buttons(False)]
        finally:
            context.board.forget(visitor, job)

    def halt(request: gr.Request) -> dict[str, Any]:
        context.board.stop(running.visitor(request))
        return gr.update(interactive=False)

    def inspect(event: gr.EventData) -> list[Any]:
        key = str(event._data.get("inspect", ""))  # type: ignore[union-attr]
        return [key, gr.Tabs(selected="inspect")]

    quick: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": 8}
    upload.upload(receive, [upload, page.clips], [notice, video], **quick)
    video.change(describe_video, video, video, **quick)
    page.clips.change(offer, [page.clips, video], video, **quick)
    pipeline.change(describe, pipeline, [pipeline, steps, guidance, boxes], **quick)
    dice.click(lambda: random.randrange(MAX_SEED), None, seed, **quick)
    start = go.click(prepare, None, [notice, progress, go, stop], **quick)
    start.then(
        run,
        [video, pipeline, seed, steps, guidance, boxes, page.clips],
        [notice, progress, player, page.clips, go, stop],
        concurrency_limit=1,
        concurrency_id="gpu",
        show_progress="hidden",
    )
    stop.click(halt, None, stop, **quick)
    player.select(inspect, None, [page.wanted, page.tabs], **quick)


def receive_video(context: Context, path: str | None, visitor: str, own: list[str]) -> list[Any]:
    """Updates of notice and chosen video after an upload; the uploaded file is taken over or gone."""
    keep = gr.skip()
    if not path:
        return [keep, keep]
    try:
        source = context.films.receive(Path(path), Path(path).name, visitor)
    except Exception as error:
        return [components.notice(sentence(error)), keep]
    finally:
        Path(path).unlink(missing_ok=True)
    videos = _videos(context, visitor, own)
    return [components.notice(""), gr.update(choices=videos, value=source.key, info=source.words)]


def follow(
    context: Context, job: Job, work: TakeOrder, visitor: str, own: list[str]
) -> Iterator[list[Any]]:
    """Updates of notice, progress, player, the visitor's clips and both buttons while it runs."""
    keep = gr.skip()
    for now in job.run(work):
        ended = now.state in (DONE, STOPPED, FAILED)
        update = [keep, _progress(now), keep, keep, *running.buttons(not ended)]
        if now.state == DONE and now.results:
            take: Take = now.results[0]
            clips = [stored for stored in (take.new, take.own) if stored]
            context.films.note(visitor, [stored.key for stored in clips])
            update[2:4] = [shown(context, take), [*(stored.key for stored in clips), *own]]
        if now.state == FAILED:
            update[0] = components.notice(now.error)
        yield update


def shown(context: Context, take: Take) -> dict[str, Any]:
    """What the player shows of a take: the new sound first, then the video's own."""
    detector = next(iter(context.services.persons))
    names = ("New sound", "Its own sound")
    versions = []
    for stored, name, quieter in zip((take.new, take.own), names, take.quieter, strict=True):
        if stored is None:
            continue
        annotation = context.analyst.annotation(stored, detector)
        results, crop = stored.results(detector), visible_rows(annotation.clip)
        value = components.player_value(stored, crop, annotation.to_json(), results)
        value["downloads"] = [d for d in value["downloads"] if d["url"]]
        value["downloads"][0]["label"] = "Video"
        versions.append(value | {"sound": name, "quieter": quieter})
    return versions_value(take.new.key, versions, level_words(take), NO_OWN)


def level_words(take: Take) -> str:
    """How both sounds are brought to one level, in words."""
    if take.own is None:
        return ""
    new, own = take.quieter
    if not max(new, own):
        return "Both are played at the level that they have in their files."
    which = "The new sound" if new > own else "Its own sound"
    return (
        f"{which} is played {max(new, own):.1f} dB quieter here, so that both are equally loud; the "
        "files keep their levels."
    )


def _progress(now: Snapshot) -> dict[str, Any]:
    ends = {
        DONE: f"Done in {now.seconds:.1f} s.",
        STOPPED: f"Stopped after {now.seconds:.1f} s.",
    }
    return running.progress(now, ends, HINT)


def _videos(context: Context, visitor: str, own: list[str]) -> list[tuple[str, str]]:
    """Names and keys: what the visitor uploaded here, the visitor's own clips, the examples."""
    uploaded = [(source.name, source.key) for source in context.films.all_of(visitor)]
    made = context.films.came_of(visitor)
    kept = context.library.get(key for key in own if key not in made)
    clips = [(stored.title, stored.key) for stored in kept]
    examples = context.library.get(context.examples)
    return [*uploaded, *clips, *((f"Example: {s.title}", s.key) for s in examples)]


def _facts(context: Context, visitor: str, key: str | None) -> str:
    """Size, rate, length and sound of a video, or what is to be done."""
    try:
        return find(context, visitor, key).words
    except Exception as error:
        return sentence(error)
