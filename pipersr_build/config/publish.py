"""The settings of `publish`."""

from dataclasses import dataclass


@dataclass
class PublishConfig:
    """Where an export is uploaded to."""

    repo: str | None = None  # USER/NAME on the Hugging Face Hub; made if it is not there
    private: bool = False  # of a repository that is made
    revision: str | None = None  # the branch; made if it is not there; none: main
    message: str | None = None  # of the commit
