"""Security headers of the studio's replies."""

from __future__ import annotations

import os
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders

HUGGING_FACE = "https://huggingface.co https://*.hf.space"
"""Whoever shows a Space in a frame, and whom its page asks about the Space."""

PAGE = (
    "default-src 'self'; "
    # Gradio's page has inline scripts, and it compiles those of its components.
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:{hub}; worker-src 'self' blob:; frame-src 'none'; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'{hub}"
)

FILE = (
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox; "
    "frame-ancestors 'self'{hub}"
)
"""A file that is opened by itself runs nothing, whatever it holds."""


class StudioHeaders:
    """The headers of a studio, which a Space's page on huggingface.co may show in a frame."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._is_space = bool(environment.get("SPACE_ID"))
        hub = f" {HUGGING_FACE}" if self._is_space else ""
        self._page, self._file = PAGE.format(hub=hub), FILE.format(hub=hub)

    def add(self, headers: MutableHeaders, is_file: bool) -> None:
        """Add what a reply has not set itself; files lose the name that the disk has for them."""
        headers.setdefault("Content-Security-Policy", self._file if is_file else self._page)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        if is_file:
            headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
            # A name given here would win over the telling one of the page's link.
            if disposition := headers.get("Content-Disposition"):
                headers["Content-Disposition"] = disposition.partition(";")[0]
        if not self._is_space:
            headers.setdefault("X-Frame-Options", "SAMEORIGIN")
