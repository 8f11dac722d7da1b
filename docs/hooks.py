"""The pages of the site that are made when it is built: what the code says, and files beside `docs/`."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from pipersr_build.report import reference

ROOT = Path(__file__).resolve().parent.parent
BESIDE = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages: README, CONTRIBUTING and CHANGELOG as they are, and the reference."""
    for name, source in BESIDE.items():
        files.append(File.generated(config, name, content=from_root((ROOT / source).read_text())))
    for name, page in reference.PAGES.items():
        files.append(File.generated(config, name, content=page()))
    return files


def from_root(text: str) -> str:
    """A document of the root with its links as `docs/` has them; where they leave the site, their text."""
    text = text.replace("](docs/", "](")
    for name, source in BESIDE.items():
        text = text.replace(f"]({source}", f"]({name}")
    return re.sub(r"\[([^\]]+)\]\((?:LICENSE|weights/[^)]*|notebooks/[^)]*|exports/[^)]*)\)", r"\1", text)
