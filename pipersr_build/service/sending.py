"""Answers that carry a file which is removed once it is sent, and streams of events."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send


class PassingFile(FileResponse):
    """Sends a file, whole, then calls `after`, whether the client took all of it or left.

    A wish for a range is not heard, since the rest could never be fetched (RFC 9110, 14.2 allows it).

    Args:
        path: of the file.
        media_type: of what is in it.
        name: that the client may save it by.
        after: removes it.
    """

    def __init__(self, path: Path, media_type: str, name: str, after: Callable[[], None]) -> None:
        super().__init__(path, media_type=media_type, filename=name, headers={"Accept-Ranges": "none"})
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it as the ASGI protocol has it."""
        try:
            headers = [pair for pair in scope["headers"] if pair[0] != b"range"]
            await super().__call__({**scope, "headers": headers}, receive, send)
        finally:
            self._after()


def event(name: str, data: Mapping[str, Any]) -> str:
    """One server-sent event with JSON in it (HTML Living Standard, 9.2)."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
