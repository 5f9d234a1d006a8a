"""The web components of the Video to audio tab: an editor of what the audio follows, and a player that
switches between two audio tracks."""

from __future__ import annotations

from typing import Any

import gradio as gr

from savg.studio.shared import components
from savg.studio.shared.web import component
from savg.studio.video_to_audio.levels import RATE

BEFORE = [components.SCORE_SCRIPT, "video_to_audio/before.js"]


def version_player(elem_id: str) -> gr.HTML:
    """The player of a video with new audio and its own; its value is `versions_value(…)` or None.

    `.select` gets {"inspect": key}.
    """
    after = ["video_to_audio/versions.js"]
    return components.player(elem_id, components.SCORE, BEFORE, after)


def versions_value(
    key: str, versions: list[dict[str, Any]], level: str, missing: str = ""
) -> dict[str, Any]:
    """What that player shows: versions as `player_value(…)` with a "label" and the dB
    by which it is played "quieter"; words on the level, and on a version that is missing."""
    return {"id": key, "versions": versions, "level": level, "missing": missing}


STEER = "savg-steer"
"""Id of the editor's element."""

DRAWN = f"((window.savgSteers || {{}})['{STEER}'] || {{ text: () => '' }}).text()"
"""JavaScript: what is drawn in the editor, as `read_drawing` takes it."""


def steer_editor() -> gr.HTML:
    """The editor of boxes over a video and of an envelope; its value is `steer_value(…)` or None."""
    scripts = ["steer_state", "steer", "steer_envelope"]
    files = [f"video_to_audio/{name}.js" for name in scripts]
    return component("video_to_audio/steer.html", [*components.STEERING, *files], STEER)


def steer_value(
    key: str,
    detector: str,
    steers: bool,
    recordings: list[dict[str, Any]],
    scene: dict[str, Any] | None = None,
    url: str = "",
) -> dict[str, Any]:
    """What the editor shows: nothing but words until there is a scene of the video of that key, which
    lies at `url`. steers: whether there is an envelope."""
    about = {"id": key, "detector": detector, "steers": steers, "recordings": recordings}
    if scene is None:
        return {**about, "state": "looking"}
    return {**about, **scene, "state": "ready", "url": url, "rate": RATE}
