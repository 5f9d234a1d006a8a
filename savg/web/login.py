"""Who may come in: one password, few tries, sessions that end.

Only a hash of the password and of the sessions' keys is kept, in memory: a restart logs everybody out.
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
"""Wrong passwords of one address before it has to wait."""

LONGEST_WAIT = 120.0
FORGET_SECONDS = 3600.0
"""After so long without a try an address is new again."""

ALL_TRIES, ALL_EVERY = 40, 5.0
"""All addresses together: so many tries at once, then one each so many seconds."""

MOST_ADDRESSES = 10_000
MAX_PASSWORD = 1024


@dataclass
class Session:
    """Somebody who is logged in; `who` stands in the audit trail."""

    who: str
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    notes: list[tuple[str, str]] = field(default_factory=list)
    used: LRUCache[str, bool] = field(default_factory=lambda: LRUCache(500))

    def say(self, kind: str, sentence: str) -> None:
        """Something to tell on the next page: kind "good" or "bad"."""
        self.notes = [*self.notes, (kind, sentence)][-5:]

    def told(self) -> list[tuple[str, str]]:
        """What there is to tell, once."""
        notes, self.notes = self.notes, []
        return notes

    def first(self, key: str) -> bool:
        """Whether a form with this key comes for the first time (a reload sends it again)."""
        if not key or key in self.used:
            return False
        self.used[key] = True
        return True


class Sessions:
    """The sessions of a server by the hash of their key, MOST_SESSIONS of those used last."""

    def __init__(self, clock: Clock = time.time) -> None:
        self._known: TTLCache[str, Session] = TTLCache(MOST_SESSIONS, SESSION_SECONDS, clock)
        self._lock = threading.Lock()

    def begin(self, who: str) -> str:
        """A new session; its key goes into the cookie."""
        key = secrets.token_urlsafe(32)
        with self._lock:
            self._known[_hash(key)] = Session(who)
        return key

    def get(self, key: str) -> Session | None:
        """The session of a cookie while it lasts."""
        with self._lock:
            return self._known.get(_hash(key)) if key else None

    def end(self, key: str) -> None:
        """Log out."""
        with self._lock:
            self._known.pop(_hash(key), None)


@dataclass
class _Address:
    wrong: int = 0
    last: float = 0.0
    trusted: bool = False


class LoginThrottle:
    """The password, and how often it may be tried.

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

    def try_password(self, address: str, given: str) -> float:
        """0 if the password is right, else the seconds to wait before the next try, −1 if none.

        While an address has to wait, even the right password is not looked at.
        """
        with self._lock:
            now = self._clock()
            known = self._remember(address, now)
            wait = self._wait(known, now)
            if wait > 0:
                return wait
            if not known.trusted:
                self._tokens -= 1
            known.wrong, known.last = known.wrong + 1, now
            if not hmac.compare_digest(self._digest(given[:MAX_PASSWORD]), self._right):
                return max(self._wait(known, now), 0.0) or -1.0
            known.wrong, known.trusted = 0, True
            return 0.0

    def _remember(self, address: str, now: float) -> _Address:
        known = self._addresses.setdefault(address, _Address())
        if now - known.last > FORGET_SECONDS:
            known.wrong = 0
        gained = max(now - self._filled, 0.0) / ALL_EVERY
        self._tokens, self._filled = min(self._tokens + gained, float(ALL_TRIES)), now
        return known

    def _wait(self, known: _Address, now: float) -> float:
        own = 0.0
        if known.wrong >= FREE_TRIES:
            delay = min(2.0 ** min(known.wrong - FREE_TRIES, 20), LONGEST_WAIT)
            own = known.last + delay - now
        if not known.trusted and self._tokens < 1:
            own = max(own, (1 - self._tokens) * ALL_EVERY)
        return own

    def _digest(self, password: str) -> bytes:
        return hashlib.sha256(self._salt + password.encode("utf-8", "surrogatepass")).digest()


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
