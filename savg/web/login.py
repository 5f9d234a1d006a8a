"""Login with one password: a throttle of tries, and sessions that expire.

Only hashes of the password and of the sessions' keys are stored, in memory: a restart logs everybody
out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cachetools import LRUCache, TTLCache

from savg.web.addresses import client_key

Clock = Callable[[], float]

COOKIE = "savg_admin"

SESSION_SECONDS = 12 * 3600.0
MOST_SESSIONS = 64

SURE_PASSWORD = 15
"""Characters from which a password needs no limit of tries (NIST SP 800-63B-4, 3.1.1): nobody guesses
it, and whoever knows it is never held up by others' guesses."""

SHORT_PASSWORD = (
    f"a password of {SURE_PASSWORD} characters or more also lets you in while others guess it from "
    "your address."
)

FREE_TRIES = 4
"""Number of wrong passwords of one client before it has to wait."""

LONGEST_WAIT = 30.0
FORGET_SECONDS = 3600.0
"""Time without a try after which a client's wrong passwords are forgotten."""

MOST_CLIENTS = 10_000


@dataclass
class Session:
    """A login; `who` is the name in the audit trail."""

    who: str
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    messages: list[tuple[str, str]] = field(default_factory=list)
    used: LRUCache[str, bool] = field(default_factory=lambda: LRUCache(500))

    def add_message(self, kind: str, sentence: str) -> None:
        """Add a message for the next page, of kind "good" or "bad"; the newest five are kept."""
        self.messages = [*self.messages, (kind, sentence)][-5:]

    def take_messages(self) -> list[tuple[str, str]]:
        """The messages as (kind, sentence); they are removed."""
        messages, self.messages = self.messages, []
        return messages

    def claim(self, key: str) -> bool:
        """Mark the key of a form as used; False if it was used before (a reload sends it again)."""
        if not key or key in self.used:
            return False
        self.used[key] = True
        return True


class Sessions:
    """The sessions of a server by the hash of their key, at most MOST_SESSIONS."""

    def __init__(self, clock: Clock = time.time) -> None:
        self._sessions: TTLCache[str, Session] = TTLCache(MOST_SESSIONS, SESSION_SECONDS, clock)
        self._lock = threading.Lock()

    def begin(self, who: str) -> str:
        """Begin a session; returns its key, which goes into the cookie."""
        key = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[_hash(key)] = Session(who)
        return key

    def get(self, key: str) -> Session | None:
        """The session with this key; None if it does not exist or has expired."""
        with self._lock:
            return self._sessions.get(_hash(key)) if key else None

    def end(self, key: str) -> None:
        """End the session with this key, if there is one."""
        with self._lock:
            self._sessions.pop(_hash(key), None)


@dataclass
class _Client:
    wrong: int = 0
    last: float = 0.0


class LoginThrottle:
    """Checks the password and slows down guesses, without locking out whoever knows it.

    After FREE_TRIES wrong ones a client (an address; all people behind one proxy) is told to wait 1, 2,
    4, … seconds, at most LONGEST_WAIT. A password of SURE_PASSWORD characters or more is accepted
    meanwhile; a shorter one could be guessed, so that its client waits. No client waits for another's
    guesses.
    """

    def __init__(self, password: str, clock: Clock = time.time) -> None:
        self._clock = clock
        self._salt = secrets.token_bytes(16)
        self._right = self._digest(password)
        self._is_sure = len(password) >= SURE_PASSWORD
        self._clients: LRUCache[str, _Client] = LRUCache(MOST_CLIENTS)
        self._lock = threading.Lock()

    def try_password(self, address: str, password: str) -> float:
        """0 if the login succeeds, else the seconds to wait before the next try, −1 for no wait."""
        is_right = hmac.compare_digest(self._digest(password), self._right)
        with self._lock:
            now = self._clock()
            client = self._clients.setdefault(client_key(address), _Client())
            if now - client.last > FORGET_SECONDS:
                client.wrong = 0
            wait = self._wait(client, now)
            if is_right and (self._is_sure or wait <= 0):
                client.wrong = 0
                return 0.0
            if wait > 0:
                return wait
            client.wrong, client.last = client.wrong + 1, now
            return max(self._wait(client, now), 0.0) or -1.0

    def _wait(self, client: _Client, now: float) -> float:
        if client.wrong < FREE_TRIES:
            return 0.0
        return client.last + min(2.0 ** min(client.wrong - FREE_TRIES, 20), LONGEST_WAIT) - now

    def _digest(self, password: str) -> bytes:
        return hashlib.sha256(self._salt + password.encode("utf-8", "surrogatepass")).digest()


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
