"""A web server on this machine that can be told to misbehave, request by request."""

import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site(ThreadingHTTPServer):
    """Serves `files` (path without the slash: bytes); `faults` are used up, one for each request.

    A fault is an HTTP status to answer, a negative number of bytes to break off after, or one of
    "no ranges", "no length", "wrong part".
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.faults: deque[int | str] = deque()
        self.ranges: list[str | None] = []

    def url(self, name: str = "") -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        site = self.server
        site.ranges.append(self.headers["Range"])
        fault = site.faults.popleft() if site.faults else None
        data = site.files.get(self.path.lstrip("/"))
        if isinstance(fault, int) and fault > 0:
            self.send_error(fault)
        elif data is None:
            self.send_error(404)
        else:
            self._send(data, fault)

    def _send(self, data: bytes, fault: int | str | None) -> None:
        start, total = self._start(fault), len(data)
        if start and start >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            first = start + 1 if fault == "wrong part" else start
            self.send_header("Content-Range", f"bytes {first}-{total - 1}/{total}")
        if fault != "no length":
            self.send_header("Content-Length", str(total - start))
        self.end_headers()
        end = start - fault if isinstance(fault, int) else total
        self.wfile.write(data[start:end])

    def _start(self, fault: int | str | None) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        return int(asked[1]) if asked and fault != "no ranges" else 0

    def log_message(self, *_words: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Site]:
    with Site() as site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            site.shutdown()
            thread.join()
