"""The page: one HTML file that needs nothing else, and the policy that keeps it so."""

import base64
import hashlib
import re
from functools import cache
from importlib import resources


@cache
def page() -> tuple[str, str]:
    """The page's text and its content security policy.

    The policy lets the page run its own script and style, known by their hashes, and call this service;
    nothing else, so that not even a picture's name could make it load or send something elsewhere.
    """
    text = resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    policy = "; ".join([
        "default-src 'none'",
        f"script-src {_hashes(text, 'script')}",
        f"style-src {_hashes(text, 'style')}",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ])  # fmt: skip
    return text, policy


def _hashes(text: str, tag: str) -> str:
    inside = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(t.encode()).digest()).decode()}'" for t in inside
    )
