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

Clock = Callable[[], float]

COOKIE = "savg_admin"

SESSION_SECONDS = 12 * 3600.0
MOST_SESSIONS = 64

FREE_TRIES = 4
"""Number of wrong passwords of one address before it has to wait."""

LONGEST_WAIT = 120.0
FORGET_SECONDS = 3600.0
"""Time without a try after which an address's wrong passwords are forgotten."""

ALL_TRIES, ALL_EVERY = 40, 5.0
"""All addresses together: number of tries at once, then seconds for each further one."""

MOST_ADDRESSES = 10_000
MAX_PASSWORD = 1024


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
class _Address:
    wrong: int = 0
    last: float = 0.0
    trusted: bool = False


class LoginThrottle:
    """Checks the password and limits the tries.

    After FREE_TRIES wrong ones an address waits 1, 2, 4, … seconds, at most LONGEST_WAIT. All
    addresses that never got in share ALL_TRIES, one more each ALL_EVERY seconds; one that got in
    before is not held up by the others.
    """

    def __init__(self, password: str, clock: Clock = time.time) -> None:
        self._clock = clock
        self._salt = secrets.token_bytes(16)
        self._right = self._digest(password)
        self._addresses: LRUCache[str, _Address] = LRUCache(MOST_ADDRESSES)
        self._tokens, self._filled = float(ALL_TRIES), clock()
        self._lock = threading.Lock()

    def try_password(self, address: str, password: str) -> float:
        """0 if the password is right, else the seconds to wait before the next try, −1 for no wait.

        While an address has to wait, no password is checked, not even the right one.
        """
        with self._lock:
            now = self._clock()
            state = self._remember(address, now)
            wait = self._wait(state, now)
            if wait > 0:
                return wait
            if not state.trusted:
                self._tokens -= 1
            state.wrong, state.last = state.wrong + 1, now
            if not hmac.compare_digest(self._digest(password[:MAX_PASSWORD]), self._right):
                return max(self._wait(state, now), 0.0) or -1.0
            state.wrong, state.trusted = 0, True
            return 0.0

    def _remember(self, address: str, now: float) -> _Address:
        state = self._addresses.setdefault(address, _Address())
        if now - state.last > FORGET_SECONDS:
            state.wrong = 0
        gained = max(now - self._filled, 0.0) / ALL_EVERY
        self._tokens, self._filled = min(self._tokens + gained, float(ALL_TRIES)), now
        return state

    def _wait(self, state: _Address, now: float) -> float:
        own = 0.0
        if state.wrong >= FREE_TRIES:
            delay = min(2.0 ** min(state.wrong - FREE_TRIES, 20), LONGEST_WAIT)
            own = state.last + delay - now
        if not state.trusted and self._tokens < 1:
            own = max(own, (1 - self._tokens) * ALL_EVERY)
        return own

    def _digest(self, password: str) -> bytes:
        return hashlib.sha256(self._salt + password.encode("utf-8", "surrogatepass")).digest()


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
