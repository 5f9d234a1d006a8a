"""The studio: a Gradio app in which clips are generated, looked at and listened to.

`build()` makes it, `launch(studio)` serves it. A tab is a module of the form of
`savg.studio.shared.context.Tab`, in a folder of its own, and one entry of `TABS`.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

# Gradio reads these when it is imported: nothing is reported to anybody.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import gradio as gr

from savg.errors import SavgError
from savg.private_files import private_umask
from savg.studio.dataset.sets import Sets
from savg.studio.listening.hosted import Hosted, end_by_signal
from savg.studio.shared import theme
from savg.studio.shared.annotation_cache import AnnotationCache
from savg.studio.shared.context import Context, Page, Tab
from savg.studio.shared.handlers import visitor
from savg.studio.shared.library import Library
from savg.studio.shared.services import Services, bundled
from savg.studio.shared.web import text
from savg.web.addresses import Proxies
from savg.web.server import end_process

__all__ = ["TABS", "Studio", "build", "launch", "main"]

TABS = (
    "savg.studio.generate.tab",
    "savg.studio.video_to_audio.tab",
    "savg.studio.inspect.tab",
    "savg.studio.dataset.tab",
    "savg.studio.results.tab",
    "savg.studio.listening.tab",
)
"""The tabs from left to right."""

MAX_UPLOAD = "500mb"


@dataclass(frozen=True)
class Studio:
    """A built studio: the Gradio app, the library whose folder it serves, its services, and the
    listening tests beside it."""

    blocks: gr.Blocks
    library: Library
    services: Services
    hosted: Hosted


def build(
    services: Services | None = None,
    datasets: Iterable[str | os.PathLike[str]] | None = None,
    hosted: Hosted | None = None,
) -> Studio:
    """The studio on the bundled weights, or on other services.

    datasets: folders of clips that visitors may browse; without it, those of the variable SAVG_DATA.
    hosted: the listening tests beside it; without it, those of the variable SAVG_STUDIES.
    """
    services = services or bundled()
    library = Library()
    examples = tuple(library.add_examples(services.examples))
    hosted = Hosted.of_environment() if hosted is None else hosted
    options: dict[type, Any] = {Hosted: hosted}
    if datasets is not None:
        options[Sets] = Sets(datasets)
    cache = AnnotationCache(services)
    context = Context(services, library, cache, examples=examples, options=options)
    return Studio(_blocks(context), library, services, hosted)


def _blocks(context: Context) -> gr.Blocks:
    """The page with all tabs."""

    def leave(request: gr.Request) -> None:
        context.leave(visitor(request))

    with gr.Blocks(title="SAVG Studio", analytics_enabled=False) as blocks:
        gr.HTML(text("shared/header.html"), apply_default_css=False, elem_id="savg-header")
        clips, inspected = gr.State([]), gr.State(None)
        with gr.Tabs(elem_id="savg-tabs") as tabs:
            page = Page(clips, tabs, inspected)
            for module in TABS:
                tab = cast(Tab, importlib.import_module(module))
                with gr.Tab(tab.TITLE, id=tab.NAME, elem_id=f"savg-tab-{tab.NAME}"):
                    tab.build(context, page)
        blocks.unload(leave)
    blocks.queue(max_size=32, api_open=False)
    return blocks


def launch(studio: Studio, **options: Any) -> Any:
    """Serve the studio and its listening tests; Gradio's own environment variables say where.

    Only reverse proxies that SAVG_PROXIES names are believed about their clients' addresses.
    """
    os.environ["FORWARDED_ALLOW_IPS"] = ",".join(Proxies.of_environment().names)  # uvicorn's
    settings: dict[str, Any] = {
        "theme": theme.theme(),
        "css": theme.css(TABS),
        "ssr_mode": False,
        "footer_links": [],
        "allowed_paths": [str(studio.library.root)],
        "max_file_size": MAX_UPLOAD,
        "app_kwargs": {"routes": studio.hosted.routes()},
    }
    threading.Thread(target=studio.services.warm_up, name="savg-warm-up", daemon=True).start()
    settings |= options
    if settings.get("prevent_thread_lock"):
        return studio.blocks.launch(**settings)
    end_by_signal()
    try:
        return studio.blocks.launch(**settings)
    finally:
        studio.hosted.close()


def main() -> None:
    """Build the studio and serve it; a SavgError of the settings ends it with one sentence.

    No other account of the machine can read what visitors make or listeners answer.
    """
    try:
        with private_umask():
            launch(build())
    except SavgError as error:
        sys.exit(f"app.py: {error}")
    except SystemExit as end:
        if end.code:
            raise
    end_process()
