"""What `/v1/openapi.json` says of bodies that are read as streams, and of refusals."""

from typing import Any

_FILE = {"type": "string", "format": "binary"}
_WHY = {
    400: "the form is malformed",
    401: "the token is missing or wrong",
    404: "there is nothing of that key",
    408: "the upload was too slow",
    413: "too many bytes or pixels",
    415: "not a file of a known kind",
    422: "the file cannot be used",
    429: "busy; see Retry-After",
    504: "the work took too long",
    507: "the disk is full",
}
_REFUSAL = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "fix": {"type": "string"}},
    "required": ["error"],
}


def _form(properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": ["file"]}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


PICTURE_FORM = _form({"file": _FILE, "passes": {"type": "integer", "enum": [1, 2], "default": 1}})
VIDEO_FORM = _form({"file": _FILE})


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a path for these statuses."""
    content = {"application/json": {"schema": _REFUSAL}}
    return {status: {"description": _WHY[status], "content": content} for status in statuses}
