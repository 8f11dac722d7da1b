"""The configuration and the command line as records hold them: without the folders of this machine."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipersr_build.config.schemas import Config


def plain(config: Config) -> dict[str, Any]:
    """The configuration as plain data for records, without the folders of this machine."""
    shown: dict[str, Any] = _without_folders(asdict(config))
    return shown


def _without_folders(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def command_line(name: str, words: Sequence[str]) -> str:
    """What the user typed, for a record: absolute paths are shortened to their last part."""
    shown = (word.rpartition("=") for word in words)
    return shlex.join(
        ["pipersr-build", *name.split(), *(f"{key}{sign}{_last_part(value)}" for key, sign, value in shown)]
    )


def _last_part(value: str) -> str:
    """A path without its folders if it is absolute; of a list of values, each."""
    parts = (part.strip() for part in value.strip("[]").split(","))
    kept = ",".join(Path(part).name if Path(part).is_absolute() else part for part in parts)
    return f"[{kept}]" if value.startswith("[") else kept
