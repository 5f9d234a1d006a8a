"""The studio: a Gradio app in which clips are generated, looked at and listened to.

`build()` makes it, `launch(studio)` serves it. A tab is a module of the form of
`savg.studio.shared.context.Tab`, in a folder of its own, and one entry of `TABS`.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from inspect import signature
from typing import Any, cast

# Gradio reads these when it is imported: nothing is reported to anybody.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from savg.studio.shared.gradio_stubs import without_stubs

with without_stubs():
    import gradio as gr
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from savg.command import wait_briefly
from savg.errors import SavgError
from savg.private_files import private_umask
from savg.studio.api import endpoints
from savg.studio.dataset.sets import Sets
from savg.studio.listening.hosted import Hosted, end_by_signal
from savg.studio.shared import about, components, theme, tour, zero_gpu
from savg.studio.shared.annotation_cache import AnnotationCache
from savg.studio.shared.context import Context, Page, Tab
from savg.studio.shared.gradio_apps import without_apps
from savg.studio.shared.guard.connections import believed, watch_connections
from savg.studio.shared.guard.guard import StudioGuard, sender
from savg.studio.shared.guard.presence import Presence
from savg.studio.shared.handlers import visitor
from savg.studio.shared.job_queue import JobQueue, per_address, short_jobs
from savg.studio.shared.jobs import Board
from savg.studio.shared.library import Library
from savg.studio.shared.services import Services, bundled
from savg.studio.shared.storage import UPLOAD_SECONDS
from savg.studio.shared.web import text
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

MAX_UPLOAD = 500_000_000
"""Bytes of an upload."""

CLEANING_SECONDS = 30.0

LOOK_SECONDS = 0.02
"""How often Gradio's queue looks for new events. By itself it looks a thousand times a second, which
takes several percent of a core while nobody visits."""

THREADS = 128
"""Events that Gradio runs at a time, most of which wait in the studio's own queues."""


@dataclass(frozen=True)
class Studio:
    """A built studio: the Gradio app, the library whose folder it serves, its services, and the
    listening tests beside it."""

    blocks: gr.Blocks
    library: Library
    services: Services
    hosted: Hosted
    context: Context

    def guard(self) -> Middleware:
        """The layer before Gradio's routes."""

        def events() -> list[tuple[str, str]]:
            pending = list(self.blocks._queue.event_ids_to_events.values())
            return [(event.session_hash, sender(event.request.scope)) for event in pending]

        def inputs(number: int) -> int | None:
            event = self.blocks.fns.get(number)
            return None if event is None else len(event.inputs)

        return Middleware(
            cast(Any, StudioGuard),
            storage=self.library.storage,
            presence=self.context.presence,
            events=events,
            inputs=inputs,
            max_upload=MAX_UPLOAD,
            beside=self.hosted.paths,
        )

    @asynccontextmanager
    async def lifespan(self, app: ASGIApp) -> AsyncIterator[None]:
        """While the studio is served, what nobody needs any more goes."""

        async def clean() -> None:
            while True:
                await asyncio.sleep(CLEANING_SECONDS)
                await asyncio.to_thread(self.context.clean_up)

        task = asyncio.create_task(clean())
        try:
            yield
        finally:
            task.cancel()


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
    # Gradio decides by this variable, when components are made and when events come, where files of
    # visitors may lie.
    os.environ["GRADIO_TEMP_DIR"] = str(library.storage.uploads)
    examples = tuple(library.add_examples(services.examples))
    hosted = Hosted.of_environment() if hosted is None else hosted
    options: dict[type, Any] = {Hosted: hosted}
    if datasets is not None:
        options[Sets] = Sets(datasets)
    presence = Presence()
    context = Context(
        services,
        library,
        AnnotationCache(services),
        examples=examples,
        board=Board(JobQueue(presence.is_listening, per_address())),
        presence=presence,
        looking=short_jobs(presence.is_listening),
        options=options,
    )
    with without_apps():
        blocks = _blocks(context)
    return Studio(blocks, library, services, hosted, context)


def _blocks(context: Context) -> gr.Blocks:
    """The page with all tabs."""

    def leave(request: gr.Request) -> None:
        context.leave(visitor(request))

    age = int(UPLOAD_SECONDS)
    with gr.Blocks(
        title="SAVG Studio", analytics_enabled=False, delete_cache=(age // 10, age)
    ) as blocks:
        gr.HTML(
            text("shared/header.html"),
            js_on_load=text("shared/lists.js"),
            apply_default_css=False,
            elem_id="savg-header",
        )
        tour.build()
        clicks = components.clicker("savg-clicks")
        clips, inspected, resounded = gr.State([]), gr.State(None), gr.State(None)
        with gr.Tabs(elem_id="savg-tabs", overflow_behavior="wrap") as tabs:
            page = Page(clips, tabs, inspected, resounded, clicks, blocks)
            for module in TABS:
                tab = cast(Tab, importlib.import_module(module))
                with gr.Tab(tab.TITLE, id=tab.NAME, elem_id=f"savg-tab-{tab.NAME}"):
                    tab.build(context, page)
        about.build()
        blocks.unload(leave)
        endpoints.keep_private(blocks)
        endpoints.build(context)
    blocks.queue(max_size=None, api_open=False)  # the guard limits what may be pending
    blocks._queue.sleep_when_free = LOOK_SECONDS
    blocks._queue.progress_update_sleep_when_free = LOOK_SECONDS
    return blocks


def launch(studio: Studio, **options: Any) -> Any:
    """Serve the studio and its listening tests; Gradio's own environment variables say where.

    Only reverse proxies that SAVG_PROXIES names are believed about their clients' addresses.
    """
    proxies = believed()
    os.environ["FORWARDED_ALLOW_IPS"] = ",".join(proxies.names)  # uvicorn's, which Gradio starts
    settings: dict[str, Any] = {
        "theme": theme.theme(),
        "css": theme.css(TABS),
        "ssr_mode": False,
        "footer_links": ["api"],
        "mcp_server": endpoints.mcp_is_here(),
        "allowed_paths": [str(studio.library.root)],
        "max_file_size": MAX_UPLOAD,
        "max_threads": THREADS,
        "run_history": False,
        "enable_monitoring": False,
        "app_kwargs": {
            "routes": studio.hosted.routes(),
            "middleware": [studio.guard()],
            "lifespan": studio.lifespan,
        },
    }
    if "_frontend" in signature(gr.Blocks.launch).parameters:
        settings["_frontend"] = False  # no second look, within 3 s, at what answered already
    for problem in studio.services.problems:
        print(f"* Warning: {problem}", flush=True)
    if zero_gpu.is_here():
        studio.services.load_all()  # in this thread, before Gradio is told to serve
    settings |= options
    waits = not settings.pop("prevent_thread_lock", False)
    if waits:
        end_by_signal()
    try:
        result = studio.blocks.launch(**settings, prevent_thread_lock=True)
        watch_connections(studio.blocks.server, proxies)
        if not zero_gpu.is_here():  # not before: the first page would wait for the networks
            warm_up = studio.services.warm_up
            threading.Thread(target=warm_up, name="savg-warm-up", daemon=True).start()
        if waits:
            studio.blocks.block_thread()
        return result
    finally:
        if waits:
            studio.hosted.close()


def main() -> None:
    """Build the studio and serve it; a SavgError of the settings ends it with one sentence.

    No other account of the machine can read what visitors make or listeners answer.
    """
    wait_briefly()
    try:
        with private_umask():
            launch(build())
    except SavgError as error:
        sys.exit(f"app.py: {error}")
    except SystemExit as end:
        if end.code:
            raise
    end_process()
