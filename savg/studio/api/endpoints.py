"""The endpoints as Gradio knows them: typed arguments, names, what "Use via API" and agents read."""

from __future__ import annotations

import importlib.util
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from savg.errors import SavgError
from savg.pipelines.direction_text import MAX_PATH
from savg.studio.api.calls import MAX_EVALUATED, Caller, Calls
from savg.studio.shared.context import Context
from savg.studio.shared.handlers import network_address, visitor
from savg.studio.shared.inputs import MAX_SEED
from savg.studio.shared.library import MAX_UPLOAD_SECONDS
from savg.studio.shared.offers import MOST
from savg.studio.video_to_audio.steering import PERSONS
from savg.studio.video_to_audio.uploads import MAX_BYTES

ENDPOINTS = ("generate", "v2a", "annotate", "evaluate")
"""Names of the public endpoints; v2a is there where a pipeline gives videos audio."""

LIMITS = f"at most {MAX_UPLOAD_SECONDS:.0f} s and {MAX_BYTES / 1e6:.0f} MB"

MAX_TEXT = 40 * MAX_EVALUATED
"""Characters of a list of clips."""

T = TypeVar("T")


def mcp_is_here() -> bool:
    """Whether agents can be served: the package mcp is installed (Spaces have it)."""
    return importlib.util.find_spec("mcp") is not None


def keep_private(blocks: gr.Blocks) -> None:
    """Let all events so far be called by the page alone."""
    for event in blocks.fns.values():
        event.api_visibility = "private"


def build(context: Context) -> None:
    """Add the endpoints, whose components nobody sees, to the open blocks."""
    calls = Calls(context)
    with gr.Row(visible=False):
        if calls.pipelines:
            _generate(calls)
        if calls.audio:
            _v2a(calls)
        _annotate(calls)
        _evaluate(calls)


async def _answer(result: Awaitable[T]) -> T:
    """The result; errors as Gradio shows them to a caller."""
    try:
        return await result
    except SavgError as error:
        raise gr.Error(str(error), print_exception=False) from error


def _caller(request: gr.Request, progress: gr.Progress) -> Caller:
    def tell(share: float, words: str) -> None:
        progress(share, desc=words)

    return Caller(visitor(request), network_address(request), tell)


def _generate(calls: Calls) -> None:
    async def generate_clip(
        request: gr.Request,
        pipeline: str,
        seed: float,
        steps: float,
        boxes: bool,
        say: str = "",
        x_path: str = "",
        people: float = 0,
        strength: str = "",
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[str, dict[str, Any]]:
        """Generate a short video clip with stereo sound from a seed, and score whether frames and
        sound agree on where things are. The same settings give the same clip. The name in `clip` of the
        facts can be given to annotate_clip, evaluate_clips and video_to_audio for half an hour.

        Args:
            pipeline: the method: joint makes frames and audio together, two_stage frames first.
            seed: a whole number that chooses the clip.
            steps: steps of the diffusion network; 0 for the method's own number.
            boxes: whether persons' boxes are shown to a second stage that takes them.
            say: what is heard, speech or instrument; empty: open. From here on of directed weights.
            x_path: where, in pixels of 256 from the left, over the clip (40 or 40,200); empty: open.
            people: how many are seen, 1 to 3; 0: open.
            strength: how closely that is followed, such as x=2,sound=1.5; empty: as trained.
        """
        options = {"say": say, "x_path": x_path, "people": int(people or 0), "strength": strength}
        asked = {name: value for name, value in options.items() if value}
        made = calls.generate(_caller(request, progress), pipeline, seed, steps, boxes, asked)
        path, facts = await _answer(made)
        return str(path), facts

    names = list(calls.pipelines)
    inputs = [
        gr.Dropdown(names, value=names[0], label="Pipeline"),
        gr.Number(0, label="Seed", precision=0, minimum=0, maximum=MAX_SEED),
        gr.Number(0, label="Steps", precision=0, minimum=0, maximum=MOST),
        gr.Checkbox(True, label="Person boxes"),
        gr.Dropdown(["", "speech", "instrument"], value="", label="What is heard"),
        gr.Textbox("", label="Where: pixels from the left", max_length=MAX_PATH),
        gr.Number(0, label="People", precision=0, minimum=0, maximum=3),
        gr.Textbox("", label="Strengths", max_length=MAX_TEXT),
    ]
    _add(calls, generate_clip, "generate", inputs, [_video("Clip"), _facts()])


def _v2a(calls: Calls) -> None:
    async def video_to_audio(
        request: gr.Request,
        file: str | None = None,
        clip: str = "",
        pipeline: str = "",
        seed: float = 0,
        steps: float = 0,
        person: str = "longest",
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[str, dict[str, Any]]:
        """Give a video new stereo audio, or (pipeline pan) move its own with a person whom it follows.

        Args:
            file: a video, silent or not, of at most 30 s; or give the name of a clip.
            clip: the name of a clip that another endpoint returned as "clip".
            pipeline: what makes the audio.
            seed: a whole number that chooses the audio.
            steps: steps of the network; 0 for its own number.
            person: whom pan follows: longest, or the number of a person from the left.
        """
        asked = calls.resound(_caller(request, progress), file, clip, pipeline, seed, steps, person)
        path, facts = await _answer(asked)
        return str(path), facts

    names = list(calls.audio)
    inputs = [
        gr.File(label=f"Video: {LIMITS}", type="filepath"),
        gr.Textbox("", label="Name of a clip", max_length=64),
        gr.Dropdown(names, value=names[0], label="Pipeline"),
        gr.Number(0, label="Seed", precision=0, minimum=0, maximum=MAX_SEED),
        gr.Number(0, label="Steps", precision=0, minimum=0, maximum=MOST),
        gr.Dropdown([str(who) for who in PERSONS], value="longest", label="Person"),
    ]
    _add(calls, video_to_audio, "v2a", inputs, [_video("Video with new audio"), _facts()])


def _annotate(calls: Calls) -> None:
    async def annotate_clip(
        request: gr.Request,
        file: str | None = None,
        clip: str = "",
        detector: str = "",
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[str, str, dict[str, Any]]:
        """Find people and sounds in a video and judge whether they agree: a video with boxes and bands
        drawn, all detections as a JSON file, and the score of Spatial AV-Align beside chance baselines.

        Args:
            file: a video with stereo audio, of at most 30 s; or give the name of a clip.
            clip: the name of a clip that another endpoint returned as "clip".
            detector: of people; empty for the studio's choice.
        """
        asked = calls.annotate(_caller(request, progress), file, clip, detector)
        overlay, table, facts = await _answer(asked)
        return str(overlay), str(table), facts

    inputs = [
        gr.File(label=f"Video: {LIMITS}", type="filepath"),
        gr.Textbox("", label="Name of a clip", max_length=64),
        _detectors(calls),
    ]
    outputs = [_video("Overlay"), gr.File(label="Annotation"), _facts()]
    _add(calls, annotate_clip, "annotate", inputs, outputs)


def _evaluate(calls: Calls) -> None:
    async def evaluate_clips(
        request: gr.Request,
        files: list[str] | None = None,
        clips: str = "",
        detector: str = "",
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> dict[str, Any]:
        """Score up to eight clips together by the metrics that need detections alone: each with its
        95 % interval, chance baselines and notes, and a row for each clip.

        Args:
            files: videos with stereo audio, of at most 30 s each.
            clips: names of clips that other endpoints returned as "clip", separated by commas.
            detector: of people; empty for the studio's choice.
        """
        asked = calls.evaluate(_caller(request, progress), files or [], clips, detector)
        return await _answer(asked)

    inputs = [
        gr.File(label=f"Videos: {LIMITS} each", type="filepath", file_count="multiple"),
        gr.Textbox("", label="Names of clips", max_length=MAX_TEXT),
        _detectors(calls),
    ]
    _add(calls, evaluate_clips, "evaluate", inputs, [_facts("Metrics")])


def _detectors(calls: Calls) -> gr.Dropdown:
    return gr.Dropdown(["", *calls.context.services.persons], value="", label="Person detector")


def _video(label: str) -> gr.File:
    return gr.File(label=label)


def _facts(label: str = "Facts") -> gr.JSON:
    return gr.JSON(label=label)


def _add(calls: Calls, function: Any, name: str, inputs: list[Any], outputs: list[Any]) -> None:
    """Connect a function as a public endpoint. Files of results are served where they lie."""
    for output in outputs:
        if isinstance(output, gr.File):
            output.GRADIO_CACHE = str(Path(calls.context.library.root))
    gr.Button(name).click(
        function,
        inputs,
        outputs,
        api_name=name,
        api_visibility="public",
        concurrency_limit=None,  # the studio's queues have the order
        show_progress="hidden",
    )
