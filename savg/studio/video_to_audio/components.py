"""The web component of the Video to audio tab: a player that switches between two audio tracks."""

from __future__ import annotations

from typing import Any

import gradio as gr

from savg.studio.shared import components

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
