"""The Listening test tab: what one is, and the way to the organiser's page or to a first study."""

from __future__ import annotations

from savg.studio.listening.hosted import Hosted
from savg.studio.shared import components
from savg.studio.shared.context import Context, Page
from savg.studio.shared.web import component

TITLE, NAME = "Listening test", "listening"


def build(context: Context, page: Page) -> None:
    """Lay out the tab. It names no study: what listeners may know is in their links."""
    hosted = context.option(Hosted, Hosted)
    if hosted:
        template = "served.html" if hosted.admin is None else "served_elsewhere.html"
        component(f"listening/{template}", [], "savg-listening")
    else:
        components.commands("savg-listening", "listening/no_study.html")
