"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache


def give_back() -> bool:
    """Return what is free at the C library's heap to the system; whether anything went back.

    A process keeps what it freed, which after networks and frames is up to hundreds of megabytes that
    other processes of the machine lack. glibc alone offers this; elsewhere nothing happens.
    """
    trim = _trim()
    return trim is not None and bool(trim(0))


@cache
def _trim() -> Callable[[int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        found = ctypes.CDLL("libc.so.6").malloc_trim
    except (OSError, AttributeError):  # another C library, such as musl
        return None
    found.argtypes, found.restype = [ctypes.c_size_t], ctypes.c_int
    return found
