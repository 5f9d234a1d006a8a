"""Connections that keep a server waiting, by real sockets: none of them keeps listeners out."""

from __future__ import annotations

import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from mos_served import Served
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from savg.errors import SavgError
from savg.web.addresses import Proxies
from savg.web.guard import ConnectionLimits
from savg.web.server import by_port, default_limits, guarded_server, listening_socket
from savg.web.server import raise_file_limit as raise_limit

HALF = b"GET /listen/one HTTP/1.1\r\nHost: x\r\nA"


@pytest.mark.parametrize("sent", [HALF, b"", b"POST /listen/one/api/consent HTTP/1.1\r\nHost: x\r\n"
    b"Authorization: Bearer 0123456789abcdef\r\nContent-Type: application/json\r\n"
    b"Content-Length: 10\r\n\r\n{"], ids=["header", "nothing", "body"])  # fmt: skip
def test_half_sent_requests_keep_no_listener_out(tmp_path: Path, sent: bytes) -> None:
    """More of them than the process may have open files."""
    served = Served(tmp_path, files=400)
    wires = []
    try:
        for _ in range(600):
            wire = served.connect()
            with suppress(OSError):
                wire.sendall(sent)
            wires.append(wire)
        assert served.get("/listen/one").startswith(b"HTTP/1.1 200")
        acknowledged = served.rate()
        assert served.stored() == acknowledged
        assert served.stop() == 0
        lines = served.errors.splitlines()
        assert len(lines) <= 3 and all("Too many connections" in line for line in lines), lines
    finally:
        for wire in wires:
            wire.close()
        served.close()


def test_the_end_by_sigterm_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    """Listeners rate while it comes, and others read nothing of what they asked for."""
    served = Served(tmp_path, clip_bytes=2**23)
    try:
        before = served.rate(2)
        token = served.study.store.invite("one")[0].token
        wires = [served.connect() for _ in range(6)]
        for wire in wires[:4]:
            wire.sendall(f"GET /listen/one/api/state HTTP/1.1\r\nHost: x\r\n"
                         f"Authorization: Bearer {token}\r\n\r\n".encode() * 20)  # fmt: skip
        with ThreadPoolExecutor(4) as pool:
            sessions = [pool.submit(served.rate_on) for _ in range(4)]
            until(lambda: len(served.stored()) > len(before) + 3)
            assert served.stop() == 0
            acknowledged = [session.result() for session in sessions]
        stored = served.stored()
        for ratings in (before, *acknowledged):
            assert ratings.items() <= stored.items()
        assert len(stored) <= len(before) + sum(map(len, acknowledged)) + 4
        assert "Traceback" not in served.errors, served.errors
        for wire in wires:
            wire.close()
    finally:
        served.close()


def test_a_busy_database_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """Another process writes for longer than requests get to finish."""
    served = Served(tmp_path)
    token = served.study.store.invite("one")[0].token
    body = b'{"device": {}}'
    lines = f"Host: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    sent = f"POST /listen/one/api/consent HTTP/1.1\r\n{lines}Content-Length: 14\r\n\r\n".encode()
    try:
        with closing(sqlite3.connect(served.study.path / "study.sqlite")) as other:
            other.isolation_level = None
            other.execute("BEGIN IMMEDIATE")
            wire = served.connect()
            wire.sendall(sent + body)
            assert served.get("/listen/one").startswith(b"HTTP/1.1 200")
            served.process.send_signal(signal.SIGTERM)
            until(lambda: "given up" in served.errors)
            other.execute("ROLLBACK")
        assert served.process.wait(60) == 0
        assert "Traceback" not in served.errors and len(served.errors.splitlines()) == 2
        wire.close()
    finally:
        served.close()


def app() -> Starlette:
    """`/` answers, `/big` has 32 MB, `/parts` as much in parts, `/who` tells the client, `/body` reads
    the body."""

    def big(request: Request) -> Response:
        return PlainTextResponse("x" * 2**25)

    def parts(request: Request) -> Response:
        return StreamingResponse(("x" * 2**16 for _ in range(2**9)), media_type="text/plain")

    def who(request: Request) -> Response:
        assert request.client is not None
        return PlainTextResponse(f"{request.client.host} {request.url.scheme}")

    async def body(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    return Starlette(
        routes=[
            Route("/", lambda request: PlainTextResponse("here")),
            Route("/big", big),
            Route("/parts", parts),
            Route("/who", who),
            Route("/body", body, methods=["POST"]),
        ]
    )


@contextmanager
def running(
    limits: ConnectionLimits | None = None, proxies: Proxies | None = None
) -> Iterator[int]:
    """A server of `app()` in a thread; its port."""
    bound = listening_socket("127.0.0.1", 0)
    server = guarded_server(app(), proxies, limits or ConnectionLimits())
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    port = int(bound.getsockname()[1])
    thread.start()
    try:
        until(lambda: server.started)
        yield port
    finally:
        server.should_exit = True
        thread.join(60)
    assert not thread.is_alive()


def until(happens: Callable[[], bool], seconds: float = 60.0) -> None:
    began = time.monotonic()
    while not happens():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)


def connect(port: int, sent: bytes = b"") -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", port), 60)
    wire.sendall(sent)
    return wire


def rest(wire: socket.socket) -> bytes:
    """All that still comes; the server closes the connection."""
    got = b""
    with suppress(ConnectionError):
        while part := wire.recv(65_536):
            got += part
    wire.close()
    return got


def greet(wire: socket.socket) -> None:
    """A request and its reply on a connection that stays."""
    wire.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    got = b""
    while not got.endswith(b"here"):
        part = wire.recv(4096)
        assert part
        got += part


def ask(port: int, path: str = "/", *headers: str) -> str:
    lines = [f"GET {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]
    return rest(connect(port, "\r\n".join(lines).encode())).decode()


def test_a_header_that_does_not_end_is_given_up() -> None:
    with running(ConnectionLimits(header=0.5)) as port:
        assert rest(connect(port)) == b""
        assert rest(connect(port, HALF)).startswith(b"HTTP/1.1 408 ")
        dripping = connect(port)
        with pytest.raises(OSError):
            for byte in HALF + b": b\r\n" + b"B: c\r\n" * 200:
                dripping.sendall(bytes([byte]))
                time.sleep(0.1)
        dripping.close()
        assert "here" in ask(port)


def test_a_second_header_and_an_unread_body_are_given_up_too() -> None:
    with running(ConnectionLimits(header=0.5)) as port:
        second = connect(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + HALF)
        assert rest(second).count(b"HTTP/1.1 200") == 1
        unread = connect(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nabc")
        with suppress(OSError):
            while True:
                unread.sendall(b"a")
                time.sleep(0.05)
        unread.close()


def test_a_body_that_does_not_end_is_given_up() -> None:
    with running(ConnectionLimits(body=0.5)) as port:
        sent = b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"
        assert rest(connect(port, sent)) == b""
        assert "here" in ask(port)


def test_an_idle_connection_stays() -> None:
    with running(ConnectionLimits(header=2.0, body=2.0, stalled=2.0)) as port:
        wire = connect(port)
        greet(wire)
        time.sleep(4.0)
        greet(wire)
        wire.close()


def deaf_and_slow(kept: str, path: str) -> tuple[float, int, bool]:
    """A client that does not read and one that reads slowly: seconds that the slow one took for all
    of the reply, bytes that the deaf one got, and whether others are served."""
    with running(ConnectionLimits(stalled=3.0)) as port:
        request = f"GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: {kept}\r\n\r\n".encode()
        deaf, slow = connect(port, request), connect(port, request)
        got, began = 0, time.monotonic()
        while got < 2**25:
            part = slow.recv(2**18)
            assert part
            got += len(part)
            time.sleep(0.04)
        seconds = time.monotonic() - began
        slow.close()
        return seconds, len(rest(deaf)), "here" in ask(port)


WAYS = [(kept, path) for kept in ("close", "keep-alive") for path in ("big", "parts")]


@pytest.fixture(scope="module")
def slow_replies() -> Iterator[dict[tuple[str, str], Future[tuple[float, int, bool]]]]:
    """All ways at once, each at a server of its own: they take their time by the clock."""
    with ThreadPoolExecutor(len(WAYS)) as pool:
        yield {way: pool.submit(deaf_and_slow, *way) for way in WAYS}


@pytest.mark.parametrize(("kept", "path"), WAYS)
def test_who_does_not_read_is_given_up_and_who_reads_slowly_is_not(
    kept: str,
    path: str,
    slow_replies: dict[tuple[str, str], Future[tuple[float, int, bool]]],
) -> None:
    """A reply of one piece, which waits in the server for its reader, and one in parts."""
    seconds, heard, serves = slow_replies[kept, path].result()
    assert seconds > 3.0 and heard < 2**25 and serves


def test_the_end_waits_for_nobody_who_keeps_it_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("savg.web.guarded_server.GRACE", 600)  # `running` waits for less
    with running(ConnectionLimits(ending=0.5)) as port:
        request = b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n"
        body = b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"
        wires = [connect(port, sent) for sent in (request, body, HALF, b"")]
        assert "here" in ask(port)
    for wire in wires:
        wire.close()


def test_new_connections_take_the_place_of_waiting_and_idle_ones() -> None:
    with running(ConnectionLimits(total=100, of_client=8)) as port:
        wires = [connect(port, HALF) for _ in range(30)]
        for _ in range(3):
            assert "here" in ask(port)
        idle = []
        for _ in range(30):
            wire = connect(port)
            greet(wire)
            idle.append(wire)
        assert "here" in ask(port)
        for wire in [*wires, *idle]:
            wire.close()


@pytest.mark.parametrize(
    ("proxies", "headers", "client"),
    [
        ([], ["X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https"], "127.0.0.1 http"),
        (["127.0.0.1"], ["X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https"], "1.2.3.4 https"),
        (["127.0.0.0/8"], ["X-Forwarded-For: 6.6.6.6, 1.2.3.4"], "1.2.3.4 http"),
        (["127.0.0.1"], ["X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 1.2.3.4"], "1.2.3.4 http"),
        (["127.0.0.1", "10.0.0.0/8"], ["X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.1.1.1"], "1.2.3.4 http"),
        (["10.0.0.1"], ["X-Forwarded-For: 1.2.3.4"], "127.0.0.1 http"),
        (["127.0.0.1"], [], "127.0.0.1 http"),
    ],
)  # fmt: skip
def test_forwarded_addresses_are_believed_of_named_proxies_alone(
    proxies: list[str], headers: list[str], client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    with running(proxies=Proxies.parse(proxies)) as port:
        assert ask(port, "/who", *headers).endswith(client)


@pytest.mark.parametrize("name", ["*", "proxy", "0.0.0.0/0", "::/0", "10.0.0.1/8", "1.2.3"])
def test_a_proxy_is_an_address(name: str) -> None:
    with pytest.raises(SavgError, match="Proxy must be an IP address"):
        Proxies.parse(["127.0.0.1", name])
    assert Proxies.of_environment({"SAVG_PROXIES": " 127.0.0.1, 10.0.0.0/8 ,"}).names == [
        "127.0.0.1",
        "10.0.0.0/8",
    ]


def test_limits_fit_the_open_files_of_the_process() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limits = default_limits()
    assert raise_limit() >= soft > 0 or hard == resource.RLIM_INFINITY
    assert 2 * limits.total <= raise_limit() and limits.of_client <= limits.total
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_two_sockets_have_two_ports() -> None:
    with (
        listening_socket("127.0.0.1", 0) as one,
        pytest.raises(SavgError, match="a port of their own"),
    ):
        by_port([(one, app()), (one, app())])
