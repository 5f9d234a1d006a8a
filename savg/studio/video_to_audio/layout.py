"""What lies where in the Video to audio tab."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from savg.media.recording import SUFFIXES
from savg.studio.shared import components
from savg.studio.shared.choices import AudioChoice, DetectorChoice
from savg.studio.shared.inputs import person_detectors, seed_row, start_and_stop
from savg.studio.shared.library import MAX_UPLOAD_SECONDS
from savg.studio.shared.long_job import Controls
from savg.studio.video_to_audio.components import steer_editor, version_player
from savg.studio.video_to_audio.drawing import NONE, OWN
from savg.studio.video_to_audio.resound import MAX_GUIDANCE
from savg.studio.video_to_audio.steering import MAX_STRENGTH, MAX_WORDS, MOVED
from savg.studio.video_to_audio.uploads import MAX_BYTES

STRENGTH_WORDS = {
    "spatial": ("Strength of the boxes", "1 as trained, 0 hardly; each beside 1 takes longer."),
    "envelope": ("Strength of the envelope", ""),
    "semantic": ("Strength of what it sounds like", ""),
}

DEPTHS = (("What the network sees itself", OWN), ("None", NONE))
"""Where depth comes from: words and keys."""

HINT = "Your video will appear here."
LIMITS = (
    f"With or without audio, up to {MAX_UPLOAD_SECONDS:.0f} s and {MAX_BYTES / 1e6:.0f} MB. The new "
    "video keeps the frames' size, rate and orientation. Only you see it, and it goes when you leave."
)


@dataclass(frozen=True)
class Layout:
    """The components of the tab; `drawing` brings what is drawn in the editor to the studio."""

    controls: Controls
    upload: gr.UploadButton
    video: gr.Dropdown
    pipeline: gr.Dropdown
    seed: gr.Number
    steps: gr.Slider
    guidance: gr.Slider
    boxes: gr.Checkbox
    strengths: tuple[gr.Slider, ...]
    detector: gr.Dropdown
    audio: gr.UploadButton
    moved: gr.Dropdown
    semantic: gr.Dropdown
    words: gr.Textbox
    depth: gr.Dropdown
    editor: gr.HTML
    drawing: gr.Textbox
    player: gr.HTML

    @property
    def settings(self) -> list[Any]:
        """The pipeline, and what depends on it, in the order of `Editor.describe`."""
        return [
            self.pipeline,
            self.steps,
            self.guidance,
            self.boxes,
            self.audio,
            self.moved,
            self.semantic,
            self.words,
            self.depth,
            *self.strengths,
        ]


def lay_out(
    choices: Mapping[str, AudioChoice],
    videos: list[tuple[str, str]],
    facts: str,
    detectors: Mapping[str, DetectorChoice],
) -> Layout:
    """Settings on the left, progress and the editor on the right, the player below; on a phone the
    button comes after the editor, and progress after the button.

    videos: names and keys; facts: what is known of the first; detectors: of people.
    """
    notice = components.notice_line("savg-resound-notice")
    choice = next(iter(choices.values()))
    with gr.Row(elem_classes="savg-split", equal_height=False, elem_id="savg-resound-split"):
        with gr.Column(scale=2, min_width=280, elem_classes="savg-settings"):
            upload, video = _video(videos, facts)
            pipeline = _pipeline(choices)
            audio, moved, semantic, words = _following(choice)
            seed = seed_row("savg-resound")
            steps, guidance, boxes, depth, strengths = _sampling(choice)
            detector = person_detectors(detectors, "savg-resound-detector")
        with gr.Column(scale=3, min_width=300, elem_id="savg-resound-view"):
            progress = components.progress(
                "savg-resound-progress", components.progress_value(hint=HINT)
            )
            editor = steer_editor()
        with gr.Column(scale=2, min_width=280, elem_id="savg-resound-start"):
            start, stop = start_and_stop("savg-resound", "Make audio")
    drawing = gr.Textbox(visible=False)
    player = version_player("savg-resound")
    return Layout(
        Controls(notice, progress, start, stop),
        upload,
        video,
        pipeline,
        seed,
        steps,
        guidance,
        boxes,
        strengths,
        detector,
        audio,
        moved,
        semantic,
        words,
        depth,
        editor,
        drawing,
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


def moved_choices(recordings: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What can be moved: words and keys. recordings: names and keys."""
    return [*((words.capitalize(), key) for key, words in MOVED.items()), *recordings]


def semantic_choices(recordings: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What new audio can sound like."""
    return [("The video's own audio", "own"), *recordings, ("Nothing in particular", "none")]


def words_state(choice: AudioChoice) -> dict[str, Any]:
    """How the box for words stands for a pipeline: where it takes none, it says why."""
    missing = choice.no_words
    told = missing or "In place of the above, such as “a woman speaks”."
    value = {"value": ""} if missing else {}
    return {"visible": choice.steers, "interactive": not missing, "info": told, **value}


def depth_state(choice: AudioChoice) -> dict[str, Any]:
    """How the choice of depth stands for a pipeline: where it takes none, it says why."""
    missing = choice.no_depth
    told = missing or "How far things are, as a network sees it in the frames."
    value = NONE if missing else OWN
    return {"visible": choice.steers, "interactive": not missing, "info": told, "value": value}


def _following(
    choice: AudioChoice,
) -> tuple[gr.UploadButton, gr.Dropdown, gr.Dropdown, gr.Textbox]:
    """Example audio, what a pipeline that follows a person moves, what new audio sounds like."""
    audio = gr.UploadButton(
        "Open an audio file …",
        file_count="single",
        file_types=list(SUFFIXES),
        visible=choice.follows or choice.steers,
        elem_id="savg-resound-audio",
        size="sm",
    )
    moved = gr.Dropdown(
        moved_choices([]),
        value="own",
        label="What is moved",
        info="It becomes mono first. Audio files that you open are choices too.",
        visible=choice.follows,
        elem_id="savg-resound-moved",
    )
    semantic = gr.Dropdown(
        semantic_choices([]),
        value="own",
        label="Sounds like",
        info="Audio files that you open are choices too.",
        visible=choice.steers,
        elem_id="savg-resound-semantic",
    )
    words = gr.Textbox(
        label="Sounds like, in words",
        max_length=MAX_WORDS,
        elem_id="savg-resound-words",
        **words_state(choice),
    )
    return audio, moved, semantic, words


def _sampling(
    choice: AudioChoice,
) -> tuple[gr.Slider, gr.Slider, gr.Checkbox, gr.Dropdown, tuple[gr.Slider, ...]]:
    least, default, most = choice.steps
    with gr.Accordion("More settings", open=False, elem_id="savg-resound-more"):
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
        depth = gr.Dropdown(
            list(DEPTHS), label="Depth", elem_id="savg-resound-depth", **depth_state(choice)
        )
        strengths = tuple(
            gr.Slider(
                0,
                MAX_STRENGTH,
                choice.strengths.get(name, 1.0),
                step=0.25,
                label=label,
                info=info,
                visible=choice.steers,
                elem_id=f"savg-resound-{name}",
            )
            for name, (label, info) in STRENGTH_WORDS.items()
        )
    return steps, guidance, boxes, depth, strengths
