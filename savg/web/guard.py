"""Connections of a server: how many there are, and for how long one may keep it waiting.

uvicorn waits without end for the header of a request and for a client to read a reply, so that some
hundred sockets stop a server. `GuardedProtocol` is its HTTP/1.1 protocol under a `Guard`: where there
are too many connections, those that keep the server waiting make room for new ones.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from savg.web.addresses import Proxies, client_key

LOG = logging.getLogger("savg.web")

LOG_EVERY = 60.0
"""Seconds between two lines in the log about too many connections."""

PROGRESS = 32 * 1024
"""Bytes after which a client that reads slowly counts as reading."""

_CLOSING = b"Content-Length: 0\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n"
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\n" + _CLOSING + b"\r\n"
TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\n" + _CLOSING + b"Retry-After: 2\r\n\r\n"


@dataclass(frozen=True)
class ConnectionLimits:
    """Numbers of connections, and seconds for which one may stay in a stage.

    header: until the whole header of a request has come; body: until its body has come; stalled:
    in which a client reads less than PROGRESS bytes of a reply that waits for it; ending: the same
    for all stages once the server shuts down.
    """

    total: int = 2048
    of_client: int = 512
    header: float = 20.0
    body: float = 60.0
    stalled: float = 60.0
    ending: float = 3.0


class Stage(Enum):
    """What a connection waits for."""

    NEW = "its first byte"
    HEADER = "the rest of a header"
    BODY = "the rest of a body"
    WORKING = "the application"
    STALLED = "its client to read"
    IDLE = "the next request"
    CLOSING = "its client to read the last reply"


class Guard:
    """The connections of a server by client; all calls are made in its event loop."""

    def __init__(
        self, limits: ConnectionLimits | None = None, proxies: Proxies | None = None
    ) -> None:
        self.limits = limits or ConnectionLimits()
        self.proxies = proxies or Proxies()
        self.ending = False
        self._clients: dict[str, dict[GuardedProtocol, None]] = {}
        self._number = 0
        self._logged = -LOG_EVERY

    def protocol(self) -> type[H11Protocol]:
        """The protocol class for uvicorn whose connections this guard watches."""
        return type("GuardedProtocol", (GuardedProtocol,), {"guard": self})

    async def watch(self) -> None:
        """Give up connections that waited too long, every second until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            self.sweep(time.monotonic())

    def admit(self, connection: GuardedProtocol) -> bool:
        """Count a new connection; False if there are too many and none can make room.

        Connections of a proxy are those of many clients: for it only their total counts.
        """
        host = connection.client[0] if connection.client else ""
        key = client_key(host)
        own = self._clients.setdefault(key, {})
        fits = True
        if len(own) >= self.limits.of_client and host not in self.proxies:
            fits = self._make_room(own, key)
        elif self._number >= self.limits.total:
            fits = self._make_room(max(self._clients.values(), key=len), key)
        if fits:
            own = self._clients.setdefault(key, {})
            own[connection] = None
            connection.client_key = key
            self._number += 1
        elif not own:
            self._clients.pop(key, None)
        return fits

    def release(self, connection: GuardedProtocol) -> None:
        """A connection is lost or given up; a second call does nothing."""
        own = self._clients.get(connection.client_key, {})
        if connection in own:
            del own[connection]
            self._number -= 1
            if not own:
                del self._clients[connection.client_key]

    def sweep(self, now: float) -> None:
        """Give up the connections that have waited for too long."""
        limits = self.limits
        longest = {
            Stage.NEW: limits.header,
            Stage.HEADER: limits.header,
            Stage.BODY: limits.body,
            Stage.STALLED: limits.stalled,
            Stage.CLOSING: limits.stalled,
        }
        if self.ending:
            longest = {stage: limits.ending for stage in Stage if stage is not Stage.WORKING}
        for own in list(self._clients.values()):
            for connection in list(own):
                stage = connection.stage
                seconds = connection.seconds_in(stage, now)
                if seconds > longest.get(stage, float("inf")):
                    connection.give_up()

    def _make_room(self, connections: dict[GuardedProtocol, None], newcomer: str) -> bool:
        """Give up the connection that has kept the server waiting longest, else an idle one."""
        now = time.monotonic()
        if now - self._logged >= LOG_EVERY:
            self._logged = now
            LOG.warning(
                "Too many connections (%d, the newest of %s): those without a request go.",
                self._number,
                newcomer,
            )
        waiting: list[tuple[bool, float, GuardedProtocol]] = []
        for connection in connections:
            stage = connection.stage
            if stage is not Stage.WORKING:
                seconds = connection.seconds_in(stage, now)
                waiting.append((stage is not Stage.IDLE and seconds >= 1.0, seconds, connection))
        if not waiting:
            return False
        max(waiting, key=lambda item: item[:2])[2].give_up()
        return True


class GuardedProtocol(H11Protocol):
    """A connection; `guard` is set by `Guard.protocol`."""

    guard: ClassVar[Guard]

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.client_key = ""
        self._partial = self._stalled = False
        self._since = time.monotonic()
        self._unread = 0
        self._mark: tuple[Stage, object] = (Stage.NEW, None)

    @property
    def stage(self) -> Stage:
        """What the connection waits for now."""
        cycle = self.cycle
        if self.transport.is_closing():
            return Stage.CLOSING
        if self._stalled:
            return Stage.STALLED
        if cycle is not None and not cycle.response_complete:
            return Stage.BODY if cycle.more_body else Stage.WORKING
        if self._partial:
            return Stage.HEADER
        return Stage.NEW if cycle is None else Stage.IDLE

    def seconds_in(self, stage: Stage, now: float) -> float:
        """Seconds in this stage of the same request, as far as they were noticed."""
        mark, unread = (stage, self.cycle), self.transport.get_write_buffer_size()
        is_same = self._mark[0] is mark[0] and self._mark[1] is mark[1]
        if not is_same or unread <= self._unread - PROGRESS:
            self._mark, self._since, self._unread = mark, now, unread
        self._unread = max(self._unread, unread)
        return now - self._since

    def give_up(self) -> None:
        """End the connection, whatever its client does; a late header gets an answer."""
        if self.stage is Stage.HEADER and self.cycle is None and not self.guard.ending:
            self.transport.write(TOO_SLOW)
            self.transport.close()
            if not self.transport.get_write_buffer_size():
                self.guard.release(self)
                return
        self.guard.release(self)
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse the connection where there are too many."""
        super().connection_made(transport)
        if not self.guard.admit(self):
            transport.write(TOO_MANY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.guard.release(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Notice whether a header is complete; bytes that cannot be handled end the connection."""
        before = self.cycle
        try:
            super().data_received(data)
        except Exception as error:
            LOG.warning("A request could not be read (%s).", type(error).__name__)
            self.transport.abort()
            return
        answered = self.cycle is None or self.cycle.response_complete
        self._partial = answered and self.cycle is before
        if not self._partial:
            self.seconds_in(self.stage, time.monotonic())

    def on_response_complete(self) -> None:
        """Notice part of a header that came with the request before it."""
        super().on_response_complete()
        if self.cycle.response_complete and self.conn.trailing_data[0]:
            self._partial = True

    def pause_writing(self) -> None:
        """The client reads more slowly than the reply comes."""
        self._stalled = True
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client has read on."""
        self._stalled = False
        self._since = time.monotonic()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; where a reply has begun, the connection just ends."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            self.transport.close()

    def shutdown(self) -> None:
        """The server ends: finish the reply that has begun, else close."""
        if self.transport.is_closing():
            return
        try:
            super().shutdown()
        except h11.LocalProtocolError:
            self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        LOG.info("An upgrade of the connection was asked for, which there is not.")
