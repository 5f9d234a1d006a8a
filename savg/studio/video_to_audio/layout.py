"""What lies where in the Video to audio tab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr

from savg.studio.shared import components
from savg.studio.shared.inputs import person_detectors, seed_row, start_and_stop
from savg.studio.shared.library import MAX_UPLOAD_SECONDS
from savg.studio.shared.long_job import Controls
from savg.studio.shared.services import AudioChoice, DetectorChoice
from savg.studio.video_to_audio.components import version_player
from savg.studio.video_to_audio.resound import MAX_GUIDANCE, MOVED, PERSONS
from savg.studio.video_to_audio.uploads import MAX_BYTES

HINT = "Your video will appear here."
LIMITS = (
    f"Silent or with audio, up to {MAX_UPLOAD_SECONDS:.0f} s and {MAX_BYTES / 1e6:.0f} MB. The new "
    "video keeps the frames' size, rate and turn. Only you see it, and it goes when you leave."
)


@dataclass(frozen=True)
class Layout:
    """The components of the tab."""

    controls: Controls
    upload: gr.UploadButton
    video: gr.Dropdown
    pipeline: gr.Dropdown
    seed: gr.Number
    steps: gr.Slider
    guidance: gr.Slider
    boxes: gr.Checkbox
    detector: gr.Dropdown
    moved: gr.Dropdown
    person: gr.Dropdown
    player: gr.HTML


def lay_out(
    choices: Mapping[str, AudioChoice],
    videos: list[tuple[str, str]],
    facts: str,
    detectors: Mapping[str, DetectorChoice],
) -> Layout:
    """Settings on the left, progress on the right, the player below.

    videos: names and keys; facts: what is known of the first; detectors: of people.
    """
    notice = components.notice_line("savg-resound-notice")
    choice = next(iter(choices.values()))
    with gr.Row(elem_classes="savg-split", equal_height=False):
        with gr.Column(scale=2, min_width=280, elem_classes="savg-settings"):
            upload, video = _video(videos, facts)
            pipeline = _pipeline(choices)
            moved, person = _following(choice)
            seed = seed_row("savg-resound")
            steps, guidance, boxes = _sampling(choice)
            detector = person_detectors(detectors, "savg-resound-detector")
            start, stop = start_and_stop("savg-resound", "Make audio")
        with gr.Column(scale=3, min_width=300):
            progress = components.progress(
                "savg-resound-progress", components.progress_value(hint=HINT)
            )
    player = version_player("savg-resound")
    controls = Controls(notice, progress, start, stop)
    return Layout(
        controls,
        upload,
        video,
        pipeline,
        seed,
        steps,
        guidance,
        boxes,
        detector,
        moved,
        person,
        player,
    )


def _video(videos: list[tuple[str, str]], facts: str) -> tuple[gr.UploadButton, gr.Dropdown]:
    upload = gr.UploadButton(
        "Open a video …", file_count="single", elem_id="savg-resound-upload", size="md"
    )
    gr.HTML(
        f'<p class="savg-hint ss-limits">{LIMITS}</p>',
        apply_default_css=False,
        elem_id="savg-resound-limits",
    )
    video = gr.Dropdown(
        videos,
        value=videos[0][1] if videos else None,
        label="Video",
        info=facts,
        elem_id="savg-resound-video",
    )
    return upload, video


def _pipeline(choices: Mapping[str, AudioChoice]) -> gr.Dropdown:
    name, choice = next(iter(choices.items()))
    return gr.Dropdown(
        [(choice.label, name) for name, choice in choices.items()],
        value=name,
        label="Pipeline",
        info=choice.about,
        visible=len(choices) > 1,
        elem_id="savg-resound-pipeline",
    )


def _following(choice: AudioChoice) -> tuple[gr.Dropdown, gr.Dropdown]:
    """What a pipeline moves that follows a person, and whom it follows."""
    moved = gr.Dropdown(
        [(words.capitalize(), key) for key, words in MOVED.items()],
        value="own",
        label="What is moved",
        info="It becomes mono first.",
        visible=choice.follows,
        elem_id="savg-resound-moved",
    )
    person = gr.Dropdown(
        [(words.capitalize(), key) for key, words in PERSONS.items()],
        value="longest",
        label="Whom it follows",
        visible=choice.follows,
        elem_id="savg-resound-person",
    )
    return moved, person


def _sampling(choice: AudioChoice) -> tuple[gr.Slider, gr.Slider, gr.Checkbox]:
    least, default, most = choice.steps
    with gr.Accordion("Sampling", open=False, elem_id="savg-resound-more"):
        steps = gr.Slider(least, most, default, step=1, label="Steps", elem_id="savg-resound-steps")
        guidance = gr.Slider(
            0,
            MAX_GUIDANCE,
            choice.guidance,
            step=0.5,
            label="Guidance",
            info="How closely the audio follows the video.",
            elem_id="savg-resound-guidance",
        )
        boxes = gr.Checkbox(
            True,
            label="Pass person boxes to the audio model",
            info="The flow network gets the boxes of the people that the person detector finds.",
            visible=choice.boxes,
            elem_id="savg-resound-boxes",
        )
    return steps, guidance, boxes
