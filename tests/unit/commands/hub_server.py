"""A stand-in for the Hugging Face Hub on this machine: the few paths that an upload of a model uses."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LARGE = (".bin", ".mlmodel", ".safetensors", ".png")


class Hub(ThreadingHTTPServer):
    """Repositories by name, each with branches, each with files: bytes by path.

    `refuse` answers every request with a status and a message; `tokens` are the headers that were seen.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, dict[str, dict[str, bytes]]] = {}
        self.private: dict[str, bool] = {}
        self.stored: dict[str, bytes] = {}
        self.commits: list[dict[str, object]] = []
        self.tokens: set[str | None] = set()
        self.refuse: tuple[int, str] | None = None
        self.uploads = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle(b"")

    def do_POST(self) -> None:
        self._handle(self._body())

    def do_PUT(self) -> None:
        data = self._body()
        self.server.stored[hashlib.sha256(data).hexdigest()] = data
        self.server.uploads += 1
        self._answer({})

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _handle(self, body: bytes) -> None:
        hub, path = self.server, unquote(urlsplit(self.path).path)
        hub.tokens.add(self.headers.get("Authorization"))
        if hub.refuse is not None:
            self._answer({"error": hub.refuse[1]}, hub.refuse[0])
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._answer({"warnings": [], "errors": []})
        elif path.endswith(".git/info/lfs/objects/batch"):
            self._batch(json.loads(body))
        else:
            self._in_repository(path, body)

    def _create(self, asked: dict) -> None:
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        if name in self.server.repositories:
            self._answer({"url": name, "error": "You already created this model repo"}, 409)
            return
        self.server.repositories[name] = {"main": {".gitattributes": b""}}
        self.server.private[name] = asked.get("visibility") == "private" or bool(asked.get("private"))
        self._answer({"url": f"{self.server.url}/{name}"})

    def _batch(self, asked: dict) -> None:
        objects = [
            one
            if one["oid"] in self.server.stored
            else {**one, "actions": {"upload": {"href": f"{self.server.url}/put/{one['oid']}"}}}
            for one in asked["objects"]
        ]
        self._answer({"transfer": "basic", "objects": objects})

    def _in_repository(self, path: str, body: bytes) -> None:
        _, _, _, user, name, *rest = [*path.split("/"), "", ""]
        branches = self.server.repositories.get(f"{user}/{name}")
        if branches is None:
            self._answer({"error": "Repository not found"}, 404)
            return
        what, branch = rest[0], rest[1]
        if what == "branch":
            branches.setdefault(branch, dict(branches["main"]))
            self._answer({})
        elif what == "tree":
            self._answer([{"type": "file", "path": p, "size": len(d), "oid": _git(d)}
                          for p, d in branches[branch].items()])  # fmt: skip
        elif what == "preupload":
            self._answer({"files": [self._mode(one, branches[branch]) for one in json.loads(body)["files"]]})
        elif what == "commit":
            self._commit(f"{user}/{name}", branches[branch], body)
        else:
            self._answer({"id": f"{user}/{name}", "sha": "0" * 40, "siblings": []})

    def _mode(self, asked: dict, there: dict[str, bytes]) -> dict:
        large, data = asked["path"].endswith(LARGE), there.get(asked["path"])
        oid = None if data is None else hashlib.sha256(data).hexdigest() if large else _git(data)
        mode = "lfs" if large else "regular"
        return {"path": asked["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}

    def _commit(self, name: str, there: dict[str, bytes], body: bytes) -> None:
        lines = [json.loads(line) for line in body.splitlines()]
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                there[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                there[value["path"]] = self.server.stored[value["oid"]]
            elif line["key"] == "deletedFile":
                del there[value["path"]]
        self.server.commits.append(lines[0]["value"])
        oid = f"{len(self.server.commits):040}"
        url = f"{self.server.url}/{name}/commit/{oid}"
        self._answer({"commitUrl": url, "commitOid": oid, "success": True})

    def _answer(self, content: object, status: int = 200) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_words: object) -> None:
        pass


def _git(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()


@contextmanager
def serving() -> Iterator[Hub]:
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
