"""Listening tests that the studio serves beside itself: /listen for listeners, /admin for organisers.

They are routes of their own in front of Gradio's: no part of Gradio sees their requests, its login
(`auth=`) does not guard /listen, and /admin has its own.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute

from savg.errors import SavgError
from savg.mos.hub import DATASET_VARIABLE
from savg.numerals import integer
from savg.paths import existing

if TYPE_CHECKING:  # slow to import, and needed where there are listening tests alone
    from savg.mos.hub.push import Pushes
    from savg.mos.web.studies import Studies

VARIABLE = "SAVG_STUDIES"
"""Environment variable: folders of studies, or one folder in which studies lie (also later ones)."""

CLIPS_VARIABLE = "SAVG_CLIPS"
"""Environment variable: folders under which organisers may choose the clips of a new study."""

ADMIN_PORT_VARIABLE = "SAVG_ADMIN_PORT"
ADMIN_HOST_VARIABLE = "SAVG_ADMIN_HOST"
"""Environment variables: /admin at a port of its own, instead of beside the studio (default: there),
and its host (default: 127.0.0.1)."""

URL_VARIABLE = "SAVG_URL"
"""Environment variable: the address at which listeners reach the studio, for their links."""

RESTORED = Path("~/.cache/savg-studio/studies")
"""Where studies of a dataset are restored if SAVG_STUDIES names no folder of studies."""


@dataclass(frozen=True)
class Hosted:
    """The listening tests of one running studio, empty where its operator named none, and the
    pushes that keep them in a dataset.

    admin: host and port of /admin, if it does not stand beside the studio; url: where listeners reach
    the studio.
    """

    studies: Studies | None = None
    pushes: Pushes | None = None
    clips: tuple[Path, ...] = ()
    admin: tuple[str, int] | None = None
    url: str = ""

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Hosted:
        """Those of SAVG_STUDIES, and of the dataset SAVG_MOS_DATASET.

        SavgError for a folder that is neither a study nor holds studies, or a folder of SAVG_CLIPS
        that is not there.
        """
        named = [Path(p) for p in environment.get(VARIABLE, "").split(os.pathsep) if p]
        dataset = environment.get(DATASET_VARIABLE, "").strip()
        if dataset and all((folder / "study.json").is_file() for folder in named):
            named.append(RESTORED.expanduser())
        if dataset:
            for folder in named:
                folder.mkdir(parents=True, exist_ok=True)
        if not named:
            return cls()
        studies = opened(named)
        if environment.get("SPACE_ID") and not dataset:
            print(f"* Warning: ratings are lost when this Space restarts: set {DATASET_VARIABLE}.")
        roots = environment.get(CLIPS_VARIABLE, "").split(os.pathsep)
        clips = tuple(existing(p, "folder of clips") for p in roots if p)
        admin = _admin_address(environment)
        url = environment.get(URL_VARIABLE, "").strip()
        from savg.mos.hub.push import pushes_of

        return cls(studies, pushes_of(studies, environment), clips, admin, url)

    def __bool__(self) -> bool:
        return self.studies is not None

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths under which its routes lie."""
        return () if self.studies is None else ("/listen", "/admin")

    def routes(self) -> list[BaseRoute]:
        """What comes before Gradio's own routes; restores, and tells the operator the way in."""
        if self.studies is None:
            return []
        from savg.mos.web.app import admin_app, routes
        from savg.web.addresses import Proxies
        from savg.web.server import (
            address_of,
            listening_socket,
            organiser_password,
            serve_in_thread,
        )

        if self.pushes is not None:
            self.pushes.start()
            for sentence in self.pushes.messages():
                print(f"* {sentence}")
        password, new = organiser_password()
        made_up = f", password: {password}" if new else ""
        print(f"* Listening tests: {', '.join(self.studies.names()) or 'none yet'}")
        if self.admin is None:
            print(f"* Organiser's page: /admin beside the studio{made_up}", flush=True)
            return routes(self.studies, password, self.clips)
        bound = listening_socket(*self.admin)
        print(f"* Organiser's page: {address_of(bound)}/admin{made_up}", flush=True)
        listeners = self.url or int(os.environ.get("GRADIO_SERVER_PORT", "7860"))
        app = admin_app(self.studies, password, self.clips, listeners=listeners)
        self.studies.closing.append(serve_in_thread(app, bound, Proxies.of_environment()))
        return routes(self.studies)

    def close(self) -> None:
        """Push what is left, and close all databases."""
        if self.studies is not None:
            self.studies.close()


def _admin_address(environment: Mapping[str, str]) -> tuple[str, int] | None:
    """Host and port of /admin, or None if it stands beside the studio."""
    port = environment.get(ADMIN_PORT_VARIABLE, "").strip()
    if not port:
        return None
    host = environment.get(ADMIN_HOST_VARIABLE, "").strip() or "127.0.0.1"
    try:
        return host, integer(port)
    except ValueError as error:
        raise SavgError(f"{ADMIN_PORT_VARIABLE} {error}") from None


def opened(folders: list[Path]) -> Studies:
    """Studies of some folders, at most one of which may be a folder of studies."""
    from savg.mos.web.studies import Studies

    studies = [folder for folder in folders if (folder / "study.json").is_file()]
    roots = [folder for folder in folders if folder not in studies]
    for folder in roots:
        if not folder.is_dir():
            raise SavgError(f"{VARIABLE} names {folder}, which is no folder.")
    if len(roots) > 1:
        raise SavgError(
            f"{VARIABLE} names one folder of studies at most, not both {roots[0]} and {roots[1]}."
        )
    return Studies(studies, roots[0] if roots else None)


def end_by_signal() -> None:
    """Let SIGTERM end the program as Ctrl-C does, so that what must be closed is closed."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(0)
