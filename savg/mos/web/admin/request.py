"""What all pages of /admin share: session, submitted form, templates and relative addresses.

Addresses in pages are relative, so that the pages work below any prefix that a proxy adds or removes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs

from cachetools import LRUCache
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from savg import __version__
from savg.mos.storage.rows import UnknownStudy
from savg.mos.study.folder import StudyFolder
from savg.mos.web.admin.building import StudyBuilder
from savg.mos.web.studies import Studies
from savg.viz.documents import as_svg, emphasis
from savg.web.login import COOKIE, LoginThrottle, Session, Sessions
from savg.web.replies import Problem, body_of

PAGES = Path(__file__).parents[1] / "pages" / "admin"

MAX_FORM = 64 * 1024
"""Bytes of a form."""

T = TypeVar("T")


class ResultCache:
    """A thread-safe cache by key; concurrent requests of one key compute its value once."""

    def __init__(self, most: int = 32) -> None:
        self._values: LRUCache[str, tuple[object, Any]] = LRUCache(most)
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: str, state: object, make: Callable[[], T]) -> T:
        """The cached value if it was made for this state, else that of `make()`."""
        with self._lock:
            own_lock = self._locks.setdefault(key, threading.Lock())
        with own_lock:
            with self._lock:
                cached_state, value = self._values.get(key, (None, None))
            if value is None or cached_state != state:
                value = make()
                with self._lock:
                    self._values[key] = state, value
            return value  # type: ignore[no-any-return]


@dataclass
class AdminContext:
    """The objects that all requests of /admin share.

    cookie: name of the session's cookie; listeners: where /listen is if not beside /admin, its port on
    the host of the request or the whole address.
    """

    studies: Studies
    throttle: LoginThrottle
    sessions: Sessions
    builder: StudyBuilder
    clock: Callable[[], float] = time.time
    cookie: str = COOKIE
    listeners: int | str | None = None
    cache: ResultCache = field(default_factory=ResultCache)


@dataclass
class AdminRequest:
    """One request, with its session (None without a login) and the fields of its form."""

    context: AdminContext
    request: Request
    session: Session | None = None
    form: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """The path of the request below /admin/."""
        scope = self.request.scope
        return str(scope["path"]).removeprefix(scope.get("root_path", "")).lstrip("/")

    @property
    def base(self) -> str:
        """The relative address of /admin/."""
        return "../" * self.place.count("/") or "./"

    @property
    def who(self) -> Session:
        """The session; only for handlers behind the login."""
        assert self.session is not None
        return self.session

    def text(self, name: str) -> str:
        """A field of the form, empty if it is missing."""
        return next(iter(self.form.get(name, ())), "")

    def study(self) -> StudyFolder:
        """The study of the address; Problem if there is none."""
        try:
            return self.context.studies.get(self.request.path_params["study"])
        except UnknownStudy:
            raise Problem("absent", "There is no such study.") from None

    @property
    def listeners(self) -> str:
        """The address in front of /listen for links, as the organiser's browser reaches this server."""
        url, elsewhere = self.request.base_url, self.context.listeners
        if isinstance(elsewhere, int):
            return str(url.replace(port=elsewhere, path="")).rstrip("/")
        return elsewhere or str(url).rstrip("/").removesuffix("/admin")

    def to(self, place: str = "") -> Response:
        """A redirect to another page below /admin/, with GET."""
        return RedirectResponse(self.base + place, 303)

    def page(self, template: str, code: int = 200, **values: Any) -> Response:
        """A page or part of one from its template."""
        is_part = template.startswith("_")
        common = {
            "base": self.base,
            "place": self.place,
            "session": self.session,
            "messages": self.session.take_messages() if self.session and not is_part else [],
            "version": __version__,
        }
        html = TEMPLATES.get_template(template).render(common | values)
        return HTMLResponse(html, code, {"Cache-Control": "no-store"})

    def problem(self, problem: Problem, code: int) -> Response:
        """A page with one sentence."""
        reply = self.page("message.html", code, sentence=problem.sentence)
        if problem.reason in ("often", "busy"):
            reply.headers["Retry-After"] = "2"
        return reply


async def read_form(request: Request) -> dict[str, list[str]]:
    """The fields of a submitted form; Problem if it is too large or of another content type."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/x-www-form-urlencoded":
        raise Problem("form", "Content type must be application/x-www-form-urlencoded.")
    body = await body_of(request, MAX_FORM)
    try:
        return parse_qs(body.decode("ascii"), True, errors="replace", max_num_fields=200)
    except ValueError:
        raise Problem("value", "The form is not valid.") from None


def when(seconds: float | None) -> Markup:
    """A time as HTML; the page's script shows it in the visitor's time zone."""
    if seconds is None:
        return Markup("–")
    at = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        at.isoformat(timespec="seconds").replace("+00:00", "Z"), at.strftime("%Y-%m-%d %H:%M")
    )


def duration(seconds: float | None) -> str:
    """Seconds in words."""
    if seconds is None:
        return "–"
    if seconds < 55:
        return f"{max(seconds, 1):.0f} s"
    minutes = max(round(seconds / 60), 1)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def number(value: float | None, digits: int = 1) -> str:
    """A number as text, a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(PAGES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"when": when, "duration": duration, "number": number}
    environment.filters["emphasis"] = lambda text: Markup(emphasis(text))
    environment.filters["svg"] = lambda figure: Markup(as_svg(figure))
    return environment


TEMPLATES = _templates()
