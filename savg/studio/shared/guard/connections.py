"""Connections of the server that Gradio starts: watched as those of `mos serve` are."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from savg.studio.shared.guard.uploads import MOST_SECONDS
from savg.web.addresses import PROXIES_VARIABLE, Proxies
from savg.web.guard import Guard
from savg.web.server import default_limits

SPACE_PROXIES = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
"""Networks of the proxy before a Space, which nobody reaches otherwise."""


def believed(environment: Mapping[str, str] = os.environ) -> Proxies:
    """The proxies that the operator names, or those before a Space."""
    if PROXIES_VARIABLE not in environment and environment.get("SPACE_ID"):
        return Proxies.parse(SPACE_PROXIES)
    return Proxies.of_environment(environment)


def watch_connections(server: Any, proxies: Proxies) -> None:
    """Put the connections of a running uvicorn server under a guard.

    An upload may take longer than other bodies: its own route watches it.
    """
    guard = Guard(replace(default_limits(), body=MOST_SECONDS), proxies)
    server.config.http_protocol_class = guard.protocol()
    loop = next(iter(server.servers)).get_loop()
    asyncio.run_coroutine_threadsafe(guard.watch(), loop)
