"""Attacks below the level of requests, by raw bytes to a real server process."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from test_listen_routes import make

from savg.mos.rehearsal.server import rehearsal_server
from savg.web import replies

ADDRESS = "/listen/one/api"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """A port, and a participant's token."""
    folder = tmp_path_factory.mktemp("study") / "one"
    store = make(folder, "one").store
    token = store.invite("one")[0].token
    with rehearsal_server(folder, 1.0) as port:
        yield port, token
    store.close()


def exchange(port: int, sent: bytes, seconds: float = 20.0) -> bytes:
    """What comes back until the server closes, or has answered."""
    with socket.create_connection(("127.0.0.1", port), seconds) as wire:
        wire.sendall(sent)
        got = b""
        try:
            while part := wire.recv(65_536):
                got += part
                head, mark, body = got.partition(b"\r\n\r\n")
                length = [ln for ln in head.lower().split(b"\r\n") if b"content-length:" in ln]
                if mark and length and len(body) >= int(length[0].split(b":")[1]):
                    break
        except (TimeoutError, ConnectionResetError):
            pass
    for leak in (b"Traceback", b".py", b"/tmp", b"sqlite"):
        assert leak not in got
    return got


def head(token: str, act: str, *more: str, method: str = "POST") -> bytes:
    lines = [f"{method} {ADDRESS}/{act} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}"]
    return "\r\n".join([*lines, "Content-Type: application/json", *more, "", ""]).encode()


def status(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1]) if reply else 0


def step(port: int, token: str) -> str:
    reply = exchange(port, head(token, "state", method="GET"))
    return str(json.loads(reply.partition(b"\r\n\r\n")[2])["step"])


def test_a_body_that_claims_to_be_huge_is_not_waited_for(served: tuple[int, str]) -> None:
    port, token = served
    for length in ("20000", "99999999999999999999999", "-1", "1e3", "0x10", "16 ", "٣"):
        began = time.monotonic()
        sent = head(token, "consent", f"Content-Length: {length}")
        assert status(exchange(port, sent, 5.0)) in (400, 413) or length == "16 ", length
        assert time.monotonic() - began < 10
    assert step(port, token) == "invited"


def test_chunked_bodies_are_cut_off(served: tuple[int, str]) -> None:
    port, token = served
    chunk = b"1000\r\n" + b" " * 4096 + b"\r\n"
    sent = head(token, "consent", "Transfer-Encoding: chunked") + chunk * 6
    assert status(exchange(port, sent)) == 413
    small = b'{"device": {}}'
    broken = head(token, "consent", "Transfer-Encoding: chunked") + b"zz\r\n" + small
    assert status(exchange(port, broken)) in (0, 400, 408)
    both = head(token, "consent", "Transfer-Encoding: chunked", "Content-Length: 3")
    sent = both + b"0\r\n\r\nGET /listen/one/api/facts HTTP/1.1\r\nHost: x\r\n\r\n"
    assert status(exchange(port, sent)) in (400, 422)
    assert step(port, token) == "invited"


@pytest.mark.parametrize(
    "sent",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /listen/one HTTP/1.1\r\n\r\n",
        b"GET /listen/one HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /listen/one HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n",
        b"GET /listen/one HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n",
        b"GET /listen/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /listen/one\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /listen/one HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 200_000 + b"\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://evil.example/listen/one/api/state HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /listen/one HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
    ],
)
def test_broken_requests_are_refused_and_the_server_stays(
    served: tuple[int, str], sent: bytes
) -> None:
    port, token = served
    reply = exchange(port, sent, 2.0)
    assert status(reply) < 500 and b"set-cookie" not in reply.lower()
    assert step(port, token) == "invited"


def test_many_slow_requests_do_not_hold_up_others(served: tuple[int, str]) -> None:
    port, token = served
    slow = []
    try:
        for _ in range(150):
            wire = socket.create_connection(("127.0.0.1", port), 10)
            wire.sendall(head(token, "consent", "Content-Length: 14") + b'{"dev')
            slow.append(wire)
        began = time.monotonic()
        assert step(port, token) == "invited"
        assert time.monotonic() - began < 5
    finally:
        for wire in slow:
            wire.close()
    assert step(port, token) == "invited"


def test_a_body_that_never_comes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "BODY_SECONDS", 0.05)
    parts = [b'{"dev', b"ice"]

    async def drip() -> dict[str, object]:
        if not parts:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": parts.pop(), "more_body": True}

    async def gone() -> dict[str, object]:
        return {"type": "http.disconnect"}

    headers = [(b"content-type", b"application/json")]
    for receive in (drip, gone):
        request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
        with pytest.raises(replies.Problem) as raised:
            asyncio.run(replies.json_object(request))
        assert raised.value.reply().status_code == 408
