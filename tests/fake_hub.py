"""A small Hugging Face Hub on this machine: private datasets with a history, and failures on demand.

It answers what the Hub's client asks when a dataset is made, listed, committed to and downloaded.
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
from typing import Any
from urllib.parse import unquote, urlparse

TOKEN = "hf_a_test_token"


class FakeHub:
    """Datasets by name, each a list of commits (files by path)."""

    def __init__(self) -> None:
        self.datasets: dict[str, list[tuple[str, dict[str, bytes]]]] = {}
        self.public: set[str] = set()
        self.status = 0
        self.only = ""
        self.silence = 0.0
        self.seen: list[str] = []
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
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

    def files(self, name: str) -> dict[str, bytes]:
        return self.datasets[name][-1][1]

    def commits(self, name: str) -> int:
        return len(self.datasets[name]) - 1

    def make(self, name: str) -> None:
        if name not in self.datasets:
            self.datasets[name] = []
            self.commit(name, {".gitattributes": b""})

    def commit(self, name: str, changes: dict[str, bytes]) -> str:
        """As another server would."""
        with self.lock:
            history = self.datasets[name]
            files = {**(history[-1][1] if history else {}), **changes}
            words = f"{name} {len(history)} {time.time_ns()}".encode()
            commit = hashlib.sha1(words).hexdigest()
            history.append((commit, files))
            return commit

    def at(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        history = self.datasets.get(name, [])
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
            if match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)(?:/revision/(.+))?", path):
                return self.info(match[1], match[2] or "main")
            if match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/(\w+)/([^/]+)", path):
                act = {"tree": self.tree, "preupload": self.preupload, "commit": self.commit}
                return act[match[2]](match[1], match[3], body)
            if match := re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                return self.resolve(method, *match.groups())
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
            name = f"{request.get('organization') or 'lab'}/{request['name']}"
            there = name in hub.datasets
            if not there:
                hub.make(name)
                if not request.get("private") and request.get("visibility") != "private":
                    hub.public.add(name)
            url = {"url": f"{hub.url}/datasets/{name}", "name": name}
            self.reply(url, 409 if there else 200)

        def info(self, name: str, revision: str) -> None:
            match = hub.at(name, revision)
            if match is None:
                return self.reply({"error": "none"}, 404, X_Error_Code="RepoNotFound")
            siblings = [{"rfilename": path} for path in match[1]]
            facts = {"id": name, "sha": match[0], "private": name not in hub.public}
            self.reply({**facts, "siblings": siblings, "tags": [], "downloads": 0, "likes": 0})

        def tree(self, name: str, revision: str, body: bytes) -> None:
            match = hub.at(name, revision)
            assert match is not None
            self.reply(
                [
                    {"type": "file", "path": p, "size": len(b), "oid": hashlib.sha1(b).hexdigest()}
                    for p, b in match[1].items()
                ]
            )

        def preupload(self, name: str, revision: str, body: bytes) -> None:
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                for f in json.loads(body)["files"]
            ]
            self.reply({"files": files})

        def commit(self, name: str, revision: str, body: bytes) -> None:
            changes: dict[str, bytes] = {}
            for line in body.splitlines():
                entry = json.loads(line)
                value = entry["value"]
                if entry["key"] == "header":
                    parent = value.get("parentCommit")
                    if parent and parent != hub.at(name, "main")[0]:  # type: ignore[index]
                        return self.reply({"error": "main has moved"}, 412)
                else:
                    assert entry["key"] == "file" and value["encoding"] == "base64"
                    changes[value["path"]] = base64.b64decode(value["content"])
            commit_id = hub.commit(name, changes)
            url = f"{hub.url}/datasets/{name}/commit/{commit_id}"
            self.reply({"success": True, "commitUrl": url, "commitOid": commit_id})

        def resolve(self, method: str, name: str, revision: str, path: str) -> None:
            match = hub.at(name, revision)
            if match is None or path not in match[1]:
                return self.reply({"error": "none"}, 404, X_Error_Code="EntryNotFound")
            data = match[1][path]
            etag = f'"{hashlib.sha1(data).hexdigest()}"'
            self.reply(data, X_Repo_Commit=match[0], ETag=etag)

    return Handler
