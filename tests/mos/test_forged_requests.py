"""Requests that no browser sends, as raw bytes to a real server: each is a refusal of one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest
from mos_served import Served

REQUEST = b"%s HTTP/1.1\r\nHost: x\r\n%s\r\n"

API = b"/listen/one/api"


def get(path: bytes, *headers: bytes, method: bytes = b"GET") -> bytes:
    return REQUEST % (method + b" " + path, b"".join(h + b"\r\n" for h in headers))


def post(path: bytes, body: bytes, *headers: bytes, kind: bytes = b"application/json") -> bytes:
    """A POST with a token; without a Content-Length of its own it gets the right one."""
    given = b"".join(headers).lower()
    if b"content-length" not in given and b"transfer-encoding" not in given:
        headers = (*headers, b"Content-Length: %d" % len(body))
    token = b"Authorization: Bearer 0123456789abcdef0123"
    return get(path, token, b"Content-Type: " + kind, *headers, method=b"POST") + body


FORGED: dict[str, bytes] = {
    "length_text": post(API + b"/consent", b"{}", b"Content-Length: two"),
    "length_negative": post(API + b"/consent", b"{}", b"Content-Length: -2"),
    "length_huge": post(API + b"/consent", b"{}", b"Content-Length: " + b"9" * 18),
    "length_endless": post(API + b"/consent", b"{}", b"Content-Length: " + b"9" * 5000),
    "length_twice": post(API + b"/consent", b"{}", b"Content-Length: 2", b"Content-Length: 3"),
    "length_and_chunks": post(
        API + b"/consent", b"0\r\n\r\n", b"Content-Length: 2", b"Transfer-Encoding: chunked"
    ),
    "length_absent": get(API + b"/consent", b"Content-Type: application/json", method=b"POST"),
    "chunks_bad": post(API + b"/consent", b"zz\r\n{}\r\n", b"Transfer-Encoding: chunked"),
    "chunks_huge": post(API + b"/consent", b"f" * 30 + b"\r\n{}", b"Transfer-Encoding: chunked"),
    "chunks_late": post(API + b"/consent", b"2\r\n{}\r\nzz\r\n", b"Transfer-Encoding: chunked"),
    "chunks_coded": post(API + b"/consent", b"{}", b"Transfer-Encoding: gzip, chunked"),
    "chunks_trailer": post(
        API + b"/consent", b"2\r\n{}\r\n0\r\nA: b\r\n\r\n", b"Transfer-Encoding: chunked"
    ),
    "expect": post(API + b"/consent", b"{}", b"Expect: 100-continue"),
    "expect_more": post(API + b"/consent", b"{}", b"Expect: the best"),
    "gzip": post(API + b"/consent", b"\x1f\x8b\x08\x00", b"Content-Encoding: gzip"),
    "body_not_utf8": post(API + b"/consent", b'{"device": {"x": "\xff\xfe"}}'),
    "body_nul": post(API + b"/consent", b"\x00" * 50),
    "body_cut": post(API + b"/consent", b'{"device": {'),
    "body_deep": post(API + b"/consent", b"[" * 8000),
    "body_number": post(API + b"/serve", b'{"position": 1e999}'),
    "body_digits": post(API + b"/serve", b'{"position": ' + b"9" * 6000 + b"}"),
    "body_surrogate": post(API + b"/answer", b'{"key": "\\ud800", "text": "\\ud800"}'),
    "type_odd": post(API + b"/consent", b"{}", kind=b"\xff\xfe; charset=\x01"),
    "form_odd": post(
        b"/admin/login",
        b"%ff%fe%00=%zz&=&;&password=%ff",
        kind=b"application/x-www-form-urlencoded",
    ),
    "form_many": post(b"/admin/login", b"a=1&" * 500, kind=b"application/x-www-form-urlencoded"),
    "form_not_ascii": (
        post(b"/admin/login", b"password=\xff\xc3", kind=b"application/x-www-form-urlencoded")
    ),
    "form_multipart": post(b"/admin/login", b"--x\r\n", kind=b"multipart/form-data; boundary=x"),
    "token_odd": get(API + b"/state", b"Authorization: Bearer \xff\xfe\xe9"),
    "token_long": get(API + b"/state", b"Authorization: Bearer " + b"a" * 9000),
    "token_none": get(API + b"/state", b"Authorization: Bearer"),
    "token_basic": get(API + b"/state", b"Authorization: Basic \xff"),
    "cookie_odd": get(b"/admin/", b"Cookie: savg_admin=\xff\xfe; ;;; =; \x22; a=\x22\\377"),
    "cookie_long": get(b"/admin/", b"Cookie: savg_admin=" + b"a" * 9000),
    "cookie_many": get(b"/admin/", b"Cookie: " + b"; ".join(b"a%d=b" % i for i in range(900))),
    "range_odd": get(b"/listen/_page/listen.js", b"Range: bytes=\xff-\xfe"),
    "range_text": get(b"/listen/_page/listen.js", b"Range: bytes=a-b,c-d"),
    "range_unit": get(b"/listen/_page/listen.js", b"Range: pages=1-2"),
    "range_backwards": get(b"/listen/_page/listen.js", b"Range: bytes=9-1"),
    "range_beyond": get(b"/listen/_page/listen.js", b"Range: bytes=99999999-"),
    "range_huge": get(b"/listen/_page/listen.js", b"Range: bytes=0-" + b"9" * 5000),
    "range_minus": get(b"/listen/_page/listen.js", b"Range: bytes=--1,-"),
    "range_many": get(
        b"/listen/_page/listen.js",
        b"Range: bytes=" + b",".join(b"%d-%d" % (i, i) for i in range(0, 3000, 2)),
    ),
    "range_same": get(b"/listen/_page/listen.js", b"Range: bytes=0-" + b",0-" * 2000),
    "range_if": get(b"/listen/_page/listen.js", b"Range: bytes=0-1", b"If-Range: \xff"),
    "since_odd": (
        get(b"/listen/_page/listen.js", b"If-Modified-Since: never \xff", b'If-None-Match: "\xff')
    ),
    "since_far": get(
        b"/listen/_page/listen.js", b"If-Modified-Since: Mon, 99 Jan 999999999999 99:99:99 GMT"
    ),
    "path_nul": get(b"/listen/one%00/api/facts"),
    "path_page_nul": get(b"/listen/_page/%00"),
    "path_admin_nul": get(b"/admin/_page/%00.css"),
    "path_dots": get(b"/listen/_page/%2e%2e/%2e%2e/app.py"),
    "path_dots_plain": get(b"/listen/_page/../../../../../etc/passwd"),
    "path_admin_dots": get(b"/admin/_page/..%2f..%2f..%2frequest.py"),
    "path_backslash": get(b"/listen/_page/..%5c..%5capp.py"),
    "path_absolute": get(b"/listen/_page//etc/passwd"),
    "path_not_utf8": get(b"/listen/%ff%fe/api/facts"),
    "path_surrogate": get(b"/listen/%ed%a0%80/api/facts"),
    "path_long": get(b"/listen/" + b"a" * 12_000),
    "path_page_long": get(b"/listen/_page/" + b"a" * 12_000 + b".js"),
    "path_media": (
        get(API + b"/media/%2e%2e%2fstudy.sqlite", b"Authorization: Bearer 0123456789abcdef")
    ),
    "path_lines": get(b"/listen/one%0d%0aSet-Cookie:%20a=b"),
    "path_percent": get(b"/listen/%/%zz/%u0041"),
    "path_star": get(b"*", method=b"OPTIONS"),
    "path_whole": get(b"http://elsewhere.example/admin/"),
    "path_empty": b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    "query": get(API + b"/facts?" + b"%ff&" * 2000),
    "path_raw_bytes": get(b"/listen/\xff\xfe"),
    "path_raw_nul": get(b"/listen/one\x00"),
    "http_09": b"GET /listen/one\r\n\r\n",
    "http_10": b"GET /listen/one HTTP/1.0\r\n\r\n",
    "http_2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http_9": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 500,
    "binary": bytes(range(256)) * 40,
    "newlines": b"\r\n" * 5000,
    "method_odd": get(b"/listen/one", method=b"G\xffT"),
    "method_long": get(b"/listen/one", method=b"A" * 9000),
    "method_track": get(b"/listen/one", method=b"TRACE"),
    "method_connect": get(b"elsewhere.example:443", method=b"CONNECT"),
    "method_made_up": get(b"/listen/one", method=b"BREW"),
    "method_head": get(b"/listen/one", method=b"HEAD"),
    "header_huge": get(b"/listen/one", b"A: " + b"a" * 100_000),
    "header_many": get(b"/listen/one", *(b"A%d: b" % i for i in range(1500))),
    "header_folded": get(b"/listen/one", b"A: b\r\n c\r\n\td"),
    "header_space": get(b"/listen/one", b"A : b"),
    "header_no_name": get(b"/listen/one", b": b"),
    "header_no_colon": get(b"/listen/one", b"nothing"),
    "header_nul": get(b"/listen/one", b"A: \x00"),
    "header_return": get(b"/listen/one", b"A: b\rSet-Cookie: c=d"),
    "host_none": b"GET /listen/one HTTP/1.1\r\n\r\n",
    "host_twice": b"GET /listen/one HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "host_odd": b"GET /admin/ HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "host_bytes": b"GET /admin HTTP/1.1\r\nHost: \xff\xfe:99999999\r\n\r\n",
    "upgrade": get(
        b"/listen/one",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: x",
        b"Sec-WebSocket-Version: 13",
    ),
    "upgrade_h2c": get(
        b"/listen/one",
        b"Upgrade: h2c",
        b"Connection: Upgrade, HTTP2-Settings",
        b"HTTP2-Settings: \xff",
    ),
    "connection_odd": get(b"/listen/one", b"Connection: \xff, close, keep-alive"),
    "forwarded": (
        get(b"/listen/one", b"X-Forwarded-For: \xff, " + b"a," * 4000, b"X-Forwarded-Proto: \xff")
    ),
    "pipelined": get(API + b"/facts") * 40,
    "pipelined_bad": get(API + b"/facts") * 3 + b"GARBAGE\r\n\r\n",
    "pipelined_body": post(API + b"/consent", b"{}") + b"\x00\x01 garbage \xff\r\n\r\n",
    "smuggled": (
        post(API + b"/consent", b"GET /admin/ HTTP/1.1\r\nHost: x\r\n\r\n", b"Content-Length: 0")
    ),
}
"""What it is → what is sent."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("forged")
    server = Served(folder)
    os.mkfifo(folder / "one" / "media" / "pipe.mp4")
    yield server
    assert server.rate() == server.stored()
    assert "Invalid HTTP request received." in server.errors
    assert server.stop() == 0
    server.close()


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_request_is_at_most_a_line_in_the_log(served: Served, name: str) -> None:
    before = len(served.errors)
    reply = served.send(FORGED[name], seconds=4.0 if name in WAITS else 30.0)
    status = int(reply.split(b" ", 2)[1]) if reply.startswith(b"HTTP/1.1 ") else 0
    assert status < 500, reply[:300]
    assert reply or name in WAITS | {"tls"}
    for leak in (b"traceback", b'.py"', b"/tmp", b"sqlite", b"root:", b"\r\nset-cookie"):
        assert leak not in reply.lower()
    page = served.get("/listen/one")
    assert page.startswith(b"HTTP/1.1 200")
    said = served.errors[before:]
    assert len(said.splitlines()) <= 1 and "Traceback" not in said, said


WAITS = {"newlines", "chunks_late", "length_huge", "chunks_huge"}
"""Requests that are not complete, so that nothing comes back at once."""


def test_all_forged_requests_at_once_leave_no_traceback(served: Served) -> None:
    wires = []
    for sent in FORGED.values():
        wire = served.connect()
        with suppress(OSError):
            wire.sendall(sent)
        wires.append(wire)
    for wire in wires:
        wire.close()
    assert served.get("/listen/one").startswith(b"HTTP/1.1 200")
    assert "Traceback" not in served.errors and "Exception" not in served.errors
