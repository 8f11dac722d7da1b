"""Upload files to a repository of the Hugging Face Hub in one commit."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipersr_build.config.publish import PublishConfig
from pipersr_build.errors import BuildError, InputError, MachineError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MAIN = "main"
_LOG_IN = "give a token with the right to write: log in with `hf auth login`, or set HF_TOKEN"
_REFUSALS = {
    401: ("the Hub does not know the token", _LOG_IN),
    403: ("the token may not write to this repository", _LOG_IN),
    404: ("there is no such repository, or the token may not see it", "check publish.repo, and the token"),
    413: ("the Hub takes no files of this size", "leave packages out"),
    429: ("the Hub asks to wait: too many requests", "try again later"),
}


def upload(settings: PublishConfig, files: Mapping[str, Path]) -> str:
    """Send files in one commit, and remove what else lies in the packages among them; return the address.

    The repository is made if it is not there, and so is the branch. Until the commit, nothing of it is to be
    seen. Files that the repository has already are not sent again.

    Args:
        settings: repository, branch, message.
        files: by their names in the repository.

    Raises:
        InputError: there is no token, or the Hub refuses.
        MachineError: the extra is not installed, or the Hub cannot be reached.
    """
    api, repo = _api(), str(settings.repo)
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    with _explained(repo):
        api.create_repo(repo, private=settings.private, exist_ok=True)
        if settings.revision not in (None, MAIN):
            api.create_branch(repo, branch=str(settings.revision), exist_ok=True)
        there = api.list_repo_files(repo, revision=settings.revision)
        commit = api.create_commit(
            repo,
            operations=[
                *(CommitOperationAdd(name, path) for name, path in files.items()),
                *(CommitOperationDelete(name) for name in left_over(there, files)),
            ],
            commit_message=settings.message or "Upload the export",
            revision=settings.revision,
        )
    return str(commit.commit_url)


def left_over(there: list[str], files: Mapping[str, Path]) -> list[str]:
    """What a repository has inside packages that are sent, and is not sent: with it they would be spoilt."""
    packages = {name.partition("/")[0] for name in files if ".mlpackage/" in name}
    return sorted(name for name in there if name.partition("/")[0] in packages and name not in files)


def _api() -> "HfApi":
    try:
        from huggingface_hub import HfApi, get_token
        from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]
    except ImportError as error:
        fix = "install it with: python -m pip install 'pipersr-build[publish]'"
        raise MachineError("publish needs huggingface_hub, which is not installed", fix=fix) from error
    if not get_token():
        raise InputError("there is no token for the Hugging Face Hub", where="publish", fix=_LOG_IN)
    disable_progress_bars()
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="pipersr-build")


@contextmanager
def _explained(repo: str) -> Iterator[None]:
    """Say in one message what the Hub's refusals and the network's failures mean."""
    try:
        yield
    except Exception as error:  # the library wraps some of its errors in a RuntimeError
        explained = _meaning(error, repo) or _meaning(error.__cause__, repo)
        if explained is None:
            raise
        raise explained from error


def _meaning(error: BaseException | None, repo: str) -> BuildError | None:
    """What an error of huggingface_hub means for the user; None if it is not one that a user can mend."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    transport: Any = HfHubHTTPError.__bases__[0]  # HTTPError of httpx, or of httpx2: by the library's version
    if isinstance(error, HFValidationError):
        return InputError(str(error), where="publish.repo", fix="say repo=USER/NAME")
    if isinstance(error, HfHubHTTPError):
        code = error.response.status_code
        what, fix = _REFUSALS.get(code, (f"the Hub answers with {code}", "try again later"))
        said = f" ({error.server_message})" if error.server_message else ""
        kind = MachineError if code >= 500 else InputError  # its fault, not what was asked
        return kind(f"{what}{said}", where=repo, fix=fix)
    if isinstance(error, (transport, OfflineModeIsEnabled)):
        fix = "check the network, and HF_ENDPOINT if it is set; nothing was changed there"
        return MachineError(f"the Hub cannot be reached ({error})", where=repo, fix=fix)
    if isinstance(error, ValueError):  # what the Hub says of the card's metadata, or of a file
        return InputError(f"the Hub does not take the files: {error}", where=repo)
    return None
