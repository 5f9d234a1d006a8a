"""An agent over HTTP: lists the tools, generates a clip and scores it; the rest of MCP stays closed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import httpx
import pytest
import studio_fakes
from studio_visits import API, serving

from savg.studio import build

pytest.importorskip("mcp", reason="the package mcp is not installed")


def in_its_own_thread(work: Any) -> Any:
    """What a coroutine function returns; browsers of other tests keep a loop in this thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(anyio.run, work).result()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    studio = build(studio_fakes.services(seconds=0.001, both=True), datasets=())
    with serving(studio) as address:
        yield address


def found(pattern: str, text: str) -> str:
    """The first group of a pattern in a text, which must be there."""
    match = re.search(pattern, text)
    assert match is not None, text
    return match[1]


def test_an_agent_generates_a_clip_and_scores_it(address: str) -> None:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def visit() -> tuple[dict[str, Any], str, list[str], Any]:
        async with (
            streamablehttp_client(f"{address}{API}/mcp/") as (reads, writes, _),
            ClientSession(reads, writes) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            call = {"pipeline": "fake", "seed": 3, "steps": 4, "boxes": True}
            made = await session.call_tool("generate_clip", call)
            words = " ".join(part.text for part in made.content)
            key = found(r"'clip': '([0-9a-f]{32})'", words)
            scored = await session.call_tool("evaluate_clips", {"clips": key})
            outside = {"file": "https://example.org/x.mp4", "clip": "", "detector": ""}
            refused = await session.call_tool("annotate_clip", outside)
            return tools, words, [part.text for part in scored.content], refused

    tools, words, scored, refused = in_its_own_thread(visit)
    assert set(tools) == {"generate_clip", "video_to_audio", "annotate_clip", "evaluate_clips"}
    for tool in tools.values():
        assert len(tool.description) > 60
        for name, schema in tool.inputSchema["properties"].items():
            assert schema.get("description"), (tool.name, name)
    asked = tools["generate_clip"].inputSchema["properties"]
    assert asked["pipeline"]["enum"] == ["fake", "second"]
    assert asked["say"]["enum"] == ["", "speech", "instrument"]
    assert {"x_path", "people", "strength"} < asked.keys()
    video = httpx.get(found(r"'url': '([^']+)'", words), timeout=60)
    assert video.headers["content-type"] == "video/mp4" and len(video.content) > 1000
    assert "spatial_av_align" in words
    assert "spatial_av_align" in scored[0] and "'n': 1" in scored[0]
    assert refused.isError and "example.org" not in json.dumps(refused.model_dump(), default=str)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "mcp/sse", 403),
        ("POST", "mcp/messages/", 403),
        ("GET", "mcp/", 403),
        ("DELETE", "mcp/", 403),
        ("GET", "mcp/schema", 200),
    ],
)
def test_one_way_in_is_open(address: str, method: str, path: str, status: int) -> None:
    assert httpx.request(method, f"{address}{API}/{path}", timeout=60).status_code == status
