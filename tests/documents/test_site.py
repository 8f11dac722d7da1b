"""The site builds without a warning, its links lead somewhere, and it loads nothing from other hosts."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

from pipersr_build.report import reference
from tests.conftest import ROOT

# what a browser fetches when it opens a page, as (element, attribute); of links only style sheets, icons, …
LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src"),
          ("video", "src"), ("object", "data"), ("embed", "src"), ("image", "href")}  # fmt: skip


class Page(HTMLParser):
    """A page's anchors, links, and what it loads."""

    def __init__(self, path):
        super().__init__()
        self.path, self.anchors, self.links, self.loaded = path, set(), [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors |= {found[key] for key in ("id", "name") if found.get(key)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        self.loaded += [value for key, value in attributes if (tag, key) in LOADED and value]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site's pages by their path in it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, {path.relative_to(folder).as_posix(): Page(path) for path in folder.rglob("*.html")}


def test_every_document_is_a_page(site):
    _, pages = site
    names = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    for name in (*names, *reference.PAGES, "index.md", "contributing.md", "changelog.md"):
        assert name.replace(".md", ".html") in pages


def test_links_and_anchors_inside_lead_somewhere(site):
    folder, pages = site
    dead = [
        f"{name}: {link}"
        for name, page in pages.items()
        if name != "404.html"  # its links are those of the host's root
        for link in page.links
        if not urlsplit(link).scheme and not leads(folder, pages, page, link)
    ]
    assert dead == []


def leads(folder, pages, page, link):
    parts = urlsplit(link)
    place = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
    place = place / "index.html" if place.is_dir() else place
    if not place.is_file():
        return False
    target = pages.get(place.relative_to(folder.resolve()).as_posix())
    return not parts.fragment or target is None or unquote(parts.fragment) in target.anchors | {"__toc"}


def test_nothing_is_loaded_from_other_hosts(site):
    folder, pages = site
    for name, page in pages.items():
        outside = [one for one in page.loaded if urlsplit(one).netloc and "canonical" not in one]
        assert outside == [], name
        assert "mermaid" not in page.anchors
    for sheet in folder.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(?:https?:)?//", sheet.read_text()), sheet
        assert not re.search(r"@import\s+['\"]?(?:https?:)?//", sheet.read_text()), sheet


def test_the_reference_is_made_from_docstrings_and_schemas(site):
    folder, _ = site
    python = (folder / "reference/python.html").read_text()
    assert "Enlarge a picture tile by tile" in python
    assert "training.optimizer" in (folder / "reference/settings.html").read_text()
    assert (folder / "family.svg").is_file()
