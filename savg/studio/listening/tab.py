"""The Listening test tab: what one is, and the way to the organiser's page or to a first study."""

from __future__ import annotations

from savg.studio.shared import parts
from savg.studio.shared.context import Context, Page

TITLE, NAME = "Listening test", "listening"


def build(context: Context, page: Page) -> None:
    """Lay out the tab. It names no study: what listeners may know is in their links."""
    parts.listening_tests("savg-listening", served=context.hosted)
