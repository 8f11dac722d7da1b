from collections.abc import Callable
from pathlib import Path

import pytest
from report_records import full, write_samples

from pipersr_build.evidence import Evidence
from pipersr_build.report.html import render_html


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the pictures of the full record's samples."""
    write_samples(tmp_path)
    return tmp_path


@pytest.fixture
def page(folder: Path) -> str:
    return render_html(full(), folder)


@pytest.fixture
def page_of(folder: Path) -> Callable[..., str]:
    """The page of the full record with some fields replaced."""

    def render(**changes: object) -> str:
        record: Evidence = full().model_copy(update=changes)
        return render_html(record, folder)

    return render
