"""A small Hugging Face Hub on this machine: datasets, models and Spaces with a history, and failures on
demand.

It answers what the Hub's client asks when a repository is made, listed, committed to and downloaded,
and when a Space gets variables, secrets and hardware.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import huggingface_hub
import pytest

TOKEN = "hf_a_test_token"


@contextmanager
def hub_here(patch: pytest.MonkeyPatch, cache: Path) -> Iterator[FakeHub]:
    """A fake Hub that the Hub's client takes for the real one, with its token, while the block runs."""
    hub = FakeHub()
    patch.setenv("HF_TOKEN", TOKEN)
    patch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    patch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    patch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    patch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    patch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    try:
        yield hub
    finally:
        hub.close()


History = list[tuple[str, dict[str, bytes]]]
"""Commits of a repository: names, and files by path."""


class FakeHub:
    """Repositories by name, each a list of commits; `settings`: of Spaces, by name."""

    def __init__(self) -> None:
        self.datasets: dict[str, History] = {}
        self.models: dict[str, History] = {}
        self.spaces: dict[str, History] = {}
        self.public: set[str] = set()
        self.settings: dict[str, dict[str, Any]] = {}
        self.status = 0
        self.only = ""
        self.silence = 0.0
        self.seen: list[str] = []
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        # looks every 50 ms whether it shall end: by default each test would wait half a second for that
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    @contextmanager
    def failing(self, status: int = 0, silence: float = 0.0, only: str = "") -> Iterator[None]:
        """Answer requests with an error, or after some seconds; `only` those with a word in them."""
        self.status, self.silence, self.only = status, silence, only
        try:
            yield
        finally:
            self.status, self.silence, self.only = 0, 0.0, ""

    def repos(self, kind: str) -> dict[str, History]:
        return {"datasets": self.datasets, "models": self.models, "spaces": self.spaces}[kind]

    def files(self, name: str, kind: str = "datasets") -> dict[str, bytes]:
        return self.repos(kind)[name][-1][1]

    def commits(self, name: str, kind: str = "datasets") -> int:
        return len(self.repos(kind)[name]) - 1

    def make(self, name: str, kind: str = "datasets") -> None:
        if name not in self.repos(kind):
            self.repos(kind)[name] = []
            self.commit(name, {".gitattributes": b""}, kind)

    def commit(
        self,
        name: str,
        changes: dict[str, bytes],
        kind: str = "datasets",
        deleted: frozenset[str] = frozenset(),
    ) -> str:
        """As another server would."""
        with self.lock:
            history = self.repos(kind)[name]
            files = {**(history[-1][1] if history else {}), **changes}
            files = {path: data for path, data in files.items() if path not in deleted}
            words = f"{name} {len(history)} {time.time_ns()}".encode()
            commit = hashlib.sha1(words).hexdigest()
            history.append((commit, files))
            return commit

    def at(
        self, name: str, revision: str, kind: str = "datasets"
    ) -> tuple[str, dict[str, bytes]] | None:
        history = self.repos(kind).get(name, [])
        if revision == "main" and history:
            return history[-1]
        return next((c for c in history if c[0] == revision), None)


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def do_GET(self) -> None:
            self.handled("GET")

        def do_HEAD(self) -> None:
            self.handled("HEAD")

        def do_POST(self) -> None:
            self.handled("POST")

        def handled(self, method: str) -> None:
            body = self.body()
            path = unquote(urlparse(self.path).path)
            hub.seen.append(f"{method} {path}")
            if hub.only in path:
                time.sleep(hub.silence)
                if hub.status:
                    return self.reply({"error": "told to fail"}, hub.status)
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self.reply({"error": "Invalid username or password."}, 401)
            if path == "/api/repos/create":
                return self.create(json.loads(body))
            if path == "/api/validate-yaml":
                return self.reply({"errors": [], "warnings": []})
            repo = r"/api/(datasets|models|spaces)/([^/]+/[^/]+)"
            if match := re.fullmatch(repo + r"(?:/revision/(.+))?", path):
                return self.info(match[1], match[2], match[3] or "main")
            if match := re.fullmatch(repo + r"/(secrets|variables|hardware|runtime)", path):
                return self.settings(method, match[2], match[3], body)
            if match := re.fullmatch(repo + r"/(\w+)/([^/]+)", path):
                act = {"tree": self.tree, "preupload": self.preupload, "commit": self.commit}
                return act[match[3]](match[1], match[2], match[4], body)
            resolve = r"/(?:(datasets|spaces)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)"
            if match := re.fullmatch(resolve, path):
                return self.resolve(method, match[1] or "models", *match.groups()[1:])
            self.reply({"error": "unknown"}, 404)

        def body(self) -> bytes:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                parts = b""
                while size := int(self.rfile.readline(), 16):
                    parts += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return parts
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def reply(self, content: Any, status: int = 200, **headers: str) -> None:
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)
            except OSError:
                self.close_connection = True

        def create(self, request: dict[str, Any]) -> None:
            kind = f"{request.get('type') or 'model'}s"
            name = f"{request.get('organization') or 'lab'}/{request['name']}"
            there = name in hub.repos(kind)
            if not there:
                hub.make(name, kind)
                if not request.get("private") and request.get("visibility") != "private":
                    hub.public.add(name)
                if kind == "spaces":
                    known = {"sdk": request["sdk"], "hardware": request.get("hardware")}
                    hub.settings[name] = {**known, "secrets": {}, "variables": {}}
            place = name if kind == "models" else f"{kind}/{name}"
            self.reply({"url": f"{hub.url}/{place}", "name": name}, 409 if there else 200)

        def settings(self, method: str, name: str, what: str, body: bytes) -> None:
            if name not in hub.spaces:
                return self.reply({"error": "none"}, 404, X_Error_Code="RepoNotFound")
            own, value = hub.settings[name], json.loads(body or b"{}")
            if method == "POST" and what == "hardware":
                own["hardware"] = value["flavor"]
            elif method == "POST" and what != "runtime":
                own[what][value["key"]] = value["value"]
            if what == "variables":
                return self.reply({key: {"value": text} for key, text in own[what].items()})
            hardware = {"current": None, "requested": own["hardware"]}
            self.reply({"stage": "BUILDING", "hardware": hardware, "gcTimeout": None})

        def info(self, kind: str, name: str, revision: str) -> None:
            match = hub.at(name, revision, kind)
            if match is None:
                error = "RevisionNotFound" if name in hub.repos(kind) else "RepoNotFound"
                return self.reply({"error": "none"}, 404, X_Error_Code=error)
            siblings = [{"rfilename": path} for path in match[1]]
            facts = {"id": name, "sha": match[0], "private": name not in hub.public}
            self.reply({**facts, "siblings": siblings, "tags": [], "downloads": 0, "likes": 0})

        def tree(self, kind: str, name: str, revision: str, body: bytes) -> None:
            match = hub.at(name, revision, kind)
            assert match is not None
            self.reply(
                [
                    {"type": "file", "path": p, "size": len(b), "oid": hashlib.sha1(b).hexdigest()}
                    for p, b in match[1].items()
                ]
            )

        def preupload(self, kind: str, name: str, revision: str, body: bytes) -> None:
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                for f in json.loads(body)["files"]
            ]
            self.reply({"files": files})

        def commit(self, kind: str, name: str, revision: str, body: bytes) -> None:
            changes: dict[str, bytes] = {}
            deleted: set[str] = set()
            for line in body.splitlines():
                entry = json.loads(line)
                value = entry["value"]
                if entry["key"] == "header":
                    parent = value.get("parentCommit")
                    if parent and parent != hub.at(name, "main", kind)[0]:  # type: ignore[index]
                        return self.reply({"error": "main has moved"}, 412)
                elif entry["key"] == "deletedFile":
                    deleted.add(value["path"])
                else:
                    assert entry["key"] == "file" and value["encoding"] == "base64"
                    changes[value["path"]] = base64.b64decode(value["content"])
            commit_id = hub.commit(name, changes, kind, frozenset(deleted))
            url = f"{hub.url}/{kind}/{name}/commit/{commit_id}".replace("/models/", "/")
            self.reply({"success": True, "commitUrl": url, "commitOid": commit_id})

        def resolve(self, method: str, kind: str, name: str, revision: str, path: str) -> None:
            match = hub.at(name, revision, kind)
            if match is None or path not in match[1]:
                return self.reply({"error": "none"}, 404, X_Error_Code="EntryNotFound")
            data = match[1][path]
            etag = f'"{hashlib.sha1(data).hexdigest()}"'
            self.reply(data, X_Repo_Commit=match[0], ETag=etag)

    return Handler
