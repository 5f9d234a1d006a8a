"""Uploads in place of Gradio's own route, which keeps form fields of any size in memory.

A file appears whole in a folder of its own with an unpredictable name, or not at all.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope

from savg.errors import SavgError
from savg.paths import atomic_file
from savg.studio.shared.guard.limits import UploadLimits
from savg.studio.shared.storage import Storage
from savg.web.replies import Problem

STALL_SECONDS, MOST_SECONDS = 60.0, 1800.0
"""Longest wait for the next part of an upload, and for all of it."""

MAX_FILES, MAX_FIELD = 4, 16 * 1024
"""Files of an upload, and bytes of a field that is no file."""

MAX_NAME = 100
FORBIDDEN = frozenset('/\\:*?"<>|%')


class UploadRoute:
    """Receives uploads of at most `max_upload` bytes, within the limits of an address."""

    def __init__(self, storage: Storage, max_upload: int) -> None:
        self.storage, self.max_upload = storage, max_upload
        self.limits = UploadLimits()

    async def receive(self, scope: Scope, receive: Receive, address: str) -> Response:
        """Store the files of a request; the reply is the list of their paths. Problem for too much."""
        headers = Headers(scope=scope)
        if not headers.get("content-type", "").startswith("multipart/form-data"):
            raise Problem("form", "Content type must be multipart/form-data.")
        declared = headers.get("content-length", "")
        size = int(declared[:15]) if declared.isascii() and declared.isdigit() else 0
        with self.limits.upload(address):
            self._check_room(address, size, size)
            parser = MultiPartParser(
                headers,
                self._parts(receive, address),
                max_files=MAX_FILES,
                max_fields=MAX_FILES,
                max_part_size=MAX_FIELD,
            )
            try:
                async with asyncio.timeout(MOST_SECONDS):
                    form = await parser.parse()
                    try:
                        files = [f for f in form.getlist("files") if isinstance(f, UploadFile)]
                        return JSONResponse(await run_in_threadpool(self._store, files))
                    finally:
                        await form.close()
            except MultiPartException as error:
                raise Problem("value", f"The upload is not valid: {error.message}") from None
            except TimeoutError:
                raise Problem("slow", "The upload did not arrive in time.") from None
            except ClientDisconnect:
                raise Problem("slow", "The upload broke off.") from None
            except OSError as error:
                raise Problem("full", "The upload could not be stored here.") from error

    async def _parts(self, receive: Receive, address: str) -> AsyncGenerator[bytes, None]:
        """The parts of a request's body, as long as they are not too much."""
        arrived, more = 0, True
        while more:
            async with asyncio.timeout(STALL_SECONDS):
                message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            part: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            arrived += len(part)
            self.limits.count(address, len(part))
            self._check_room(address, arrived, 0)
            yield part

    def _check_room(self, address: str, size: int, coming: int) -> None:
        """Problem if an upload of `size` bytes, of which some are still coming, is too much."""
        if size > self.max_upload + MAX_FIELD:
            most = f"{self.max_upload / 1e6:.0f} MB"
            raise Problem("size", f"An upload must have at most {most}.")
        if self.limits.left(address) < coming:
            raise Problem("often", "Too much was uploaded within an hour: try again later.")
        try:
            self.storage.check_room(coming)
        except SavgError as error:
            raise Problem("full", str(error)) from error

    def _store(self, files: Sequence[UploadFile]) -> list[str]:
        """Copy the files to folders of their own; their paths."""
        paths: list[Path] = []
        try:
            for file in files:
                self.storage.check_room(file.size or 0)  # it lies in a temporary file so far
                folder = self.storage.uploads / secrets.token_hex(16)
                folder.mkdir(parents=True, mode=0o700)
                paths.append(folder / plain_name(file.filename))
                with atomic_file(paths[-1]) as part, part.open("wb") as target:
                    shutil.copyfileobj(file.file, target, 1 << 20)
        except (OSError, SavgError) as error:
            for path in paths:
                shutil.rmtree(path.parent, ignore_errors=True)
            raise Problem("full", "The upload could not be stored here.") from error
        return [path.as_posix() for path in paths]


def plain_name(name: Any) -> str:
    """What a file may be called here: what its owner calls it, without folders and odd characters."""
    last = str(name or "").replace("\\", "/").rpartition("/")[2]
    plain = "".join(c for c in last if c.isprintable() and c not in FORBIDDEN).strip(" .")
    stem, dot, suffix = plain[-400:].rpartition(".")
    if not dot or len(suffix) > 16:
        stem, dot, suffix = plain, "", ""
    stem = stem.encode("utf-8", "ignore")[:MAX_NAME].decode("utf-8", "ignore")
    suffix = suffix.encode("utf-8", "ignore").decode("utf-8")
    return f"{stem or 'upload'}{dot}{suffix}"
