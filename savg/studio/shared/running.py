"""What tabs with long work share: whose work it is, the two buttons, and progress in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from savg.studio.shared import components
from savg.studio.shared.jobs import DONE, FAILED, RUNNING, WAITING, Snapshot

WAITING_WORDS = "Waiting for the studio to be free …"


def visitor(request: gr.Request) -> str:
    """Who asks: a page that somebody has open."""
    return str(request.session_hash)


def buttons(running: bool) -> list[Any]:
    """Updates of the button that starts and the one that stops."""
    if running:
        return [gr.skip(), gr.skip()]
    return [gr.update(interactive=True), gr.update(interactive=False)]


def waiting(hint: str) -> list[Any]:
    """Updates of notice, progress and both buttons between the click and the start."""
    said = components.progress_value(WAITING, text=WAITING_WORDS, hint=hint)
    return [components.notice(""), said, gr.update(interactive=False), gr.update(interactive=True)]


def progress(now: Snapshot, ends: Mapping[str, str], hint: str) -> dict[str, Any]:
    """What the progress shows; `ends` has the words for a job that is done or was stopped."""
    words = {RUNNING: f"{now.text}  ·  {now.seconds:.0f} s", FAILED: "", **ends}
    share = 1.0 if now.state == DONE else 0.0 if now.state == FAILED else now.done
    return components.progress_value(now.state, share, words.get(now.state, ""), hint, now.preview)
