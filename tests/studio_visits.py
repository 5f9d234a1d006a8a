"""Visits of a studio over HTTP, as its page makes them: events, results as they stream, uploads."""

from __future__ import annotations

import json
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from savg.studio import Studio, launch

TIMEOUT = httpx.Timeout(120.0)

API = "/gradio_api"


@contextmanager
def serving(studio: Studio, **options: Any) -> Iterator[str]:
    """The address of a studio that is served in this process until the block ends."""
    _, address, _ = launch(studio, prevent_thread_lock=True, quiet=True, **options)
    try:
        yield address.rstrip("/")
    finally:
        studio.blocks.close()
        studio.hosted.close()


class Visit:
    """One page of a studio; `forwarded` is what a proxy says its address is."""

    def __init__(self, address: str, forwarded: str | None = None) -> None:
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        self.http = httpx.Client(base_url=address, timeout=TIMEOUT, headers=headers)
        self.session = secrets.token_hex(5)
        self.config = self.http.get("/config").json()

    def event(self, elem_id: str, kind: str = "click") -> dict[str, Any]:
        """The event of an element, as Gradio's configuration describes it."""
        (component,) = [
            c["id"] for c in self.config["components"] if c["props"].get("elem_id") == elem_id
        ]
        return next(
            d for d in self.config["dependencies"] if [component, kind] in map(list, d["targets"])
        )

    def values(self, event: dict[str, Any], **changes: Any) -> list[Any]:
        """The first values of an event's inputs; changes by elem_id, with _ for -."""
        by_id = {c["id"]: c["props"] for c in self.config["components"]}
        wanted = {name.replace("_", "-"): value for name, value in changes.items()}
        values = []
        for number in event["inputs"]:
            props = by_id[number]
            default = None if "elem_id" not in props else props.get("value")
            values.append(wanted.get(props.get("elem_id"), default))
        return values

    def join(self, event: dict[str, Any], data: list[Any], **more: Any) -> httpx.Response:
        """Ask for an event."""
        body = {"fn_index": event["id"], "data": data, "session_hash": self.session, **more}
        return self.http.post(f"{API}/queue/join", json=body)

    def messages(self) -> Iterator[dict[str, Any]]:
        """The messages of this page until Gradio closes the stream."""
        query = {"session_hash": self.session}
        with self.http.stream("GET", f"{API}/queue/data", params=query) as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    message = json.loads(line[5:])
                    yield message
                    if message["msg"] == "close_stream":
                        return

    def results(self, event: dict[str, Any], data: list[Any], **more: Any) -> list[dict[str, Any]]:
        """All messages of one event."""
        self.join(event, data, **more).raise_for_status()
        return list(self.messages())

    def upload(self, name: str, content: bytes) -> httpx.Response:
        """Upload a file."""
        return self.http.post(f"{API}/upload", files={"files": (name, content)})

    @contextmanager
    def connected(self) -> Iterator[None]:
        """While the page's stream of results is open."""
        ended, opened = threading.Event(), threading.Event()

        def listen() -> None:
            query = {"session_hash": self.session}
            with self.http.stream("GET", f"{API}/queue/data", params=query) as stream:
                opened.set()
                for _ in stream.iter_lines():
                    if ended.is_set():
                        return

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        assert opened.wait(60)
        yield
        ended.set()


def outputs(message: dict[str, Any]) -> list[Any]:
    """The values of a message with results."""
    return message["output"]["data"]


def until_served(address: str, process: subprocess.Popen, log: Path) -> None:
    """Wait until a started studio answers; fail with its log if it ends before, or does not in time."""
    deadline = time.monotonic() + 180
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(address, timeout=60).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.3)
    pytest.fail(log.read_text())
