"""How far the pictures at work have come, by names that the clients gave them, so that a page can show it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pipersr_build.service.engine import Step
from pipersr_build.service.refusals import Refusal

KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")


@dataclass
class Job:
    """One picture: `uploading`, `waiting` or `working`, and its last step."""

    state: str = "uploading"
    step: Step = field(default_factory=lambda: Step(0))

    def work(self, step: Step) -> None:
        """Take note of a step; called in the job's thread."""
        self.state, self.step = "working", step

    def as_json(self) -> dict[str, Any]:
        """For `GET /v1/jobs/KEY`."""
        return {"state": self.state, "done": self.step.done, "total": self.step.total}


class Jobs:
    """The jobs that are under way, by key."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    @contextmanager
    def job(self, key: str | None) -> Iterator[Job]:
        """A job for as long as it lasts; without a key nobody can ask for it.

        Raises:
            Refusal: 400, the key is malformed or in use.
        """
        job = Job()
        if key is None:
            yield job
            return
        if not KEY.fullmatch(key) or key in self._jobs:
            raise Refusal(400, "job must be 8 to 64 letters, digits, '_' or '-', and not in use")
        self._jobs[key] = job
        try:
            yield job
        finally:
            del self._jobs[key]

    def find(self, key: str) -> Job:
        """The job of that key.

        Raises:
            Refusal: 404, there is none: it ended, or never began.
        """
        if key not in self._jobs:
            raise Refusal(404, "no such job is under way")
        return self._jobs[key]
