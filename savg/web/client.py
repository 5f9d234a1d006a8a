"""A small HTTP/1.1 client: one connection at a time, kept alive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from savg.errors import SavgError


class NoAnswer(SavgError):
    """The server cannot be reached, or its answer cannot be used."""


@dataclass(frozen=True)
class Reply:
    """An HTTP reply; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; NoAnswer if it is not one."""
        try:
            value = json.loads(self.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise NoAnswer(f"The server answered {self.status} without a JSON object.")
        return value


class Wire:
    """A connection to host:port, opened when needed and reopened after a loss."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Reply:
        """Send a request and read its reply, on a new connection if the server has closed an idle one;
        OSError or EOFError if the connection is lost meanwhile."""
        if self._streams is not None:
            if not self._streams[0].at_eof():
                return await self._once(method, path, headers, body)
            self.drop()
        self._streams = await asyncio.open_connection(self.host, self.port)
        return await self._once(method, path, headers, body)

    async def _once(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        assert self._streams is not None
        reader, writer = self._streams
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method != "GET":
            lines.append(f"Content-Length: {len(body)}")
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            await writer.drain()
            reply = await _read_reply(reader)
        except BaseException:
            self.drop()
            raise
        if reply.headers.get("connection", "").lower() == "close":
            self.drop()
        return reply

    def drop(self) -> None:
        """Close the connection; the next request opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _read_reply(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {}
    for line in head[1:]:
        name, sign, value = line.partition(":")
        if sign:
            headers[name.strip().lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Reply(int(head[0].split(" ", 2)[1]), headers, body)
