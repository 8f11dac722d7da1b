"""The documents: their commands run, their tables are what the records say, their links lead somewhere."""

import contextlib
import importlib
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image

from pipersr_build import cli
from pipersr_build.commands import export
from pipersr_build.commands.arguments import in_full, split
from pipersr_build.config import load
from pipersr_build.report import documents, reference
from tests.conftest import ROOT
from tests.documents import workshop
from tests.documents.blocks import EXECUTED, SHOWN, Block, blocks
from tests.documents.blocks import documents as pages

BLOCKS = [block for page in pages() for block in blocks(page)]
SKIPPED = [block for block in BLOCKS if block.skipped]
OWN_TEST = ROOT / "CONTRIBUTING.md"  # test_contributing.py
RUN = sorted({b.page for b in BLOCKS if b.language in EXECUTED and not b.skipped} - {OWN_TEST})
GENERATED = {(ROOT / "docs" / name).resolve() for name in reference.PAGES}
SERVICE = "http://127.0.0.1:9998"  # as the documents have it


def name_of(page):
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with what the documents speak of; each page works in a copy of it."""
    folder = tmp_path_factory.mktemp("workshop")
    with contextlib.chdir(folder):
        workshop.prepare(folder)
        workshop.make_packages(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def counted_once():
    """Operations are counted once for each network that is exported: it takes most of an export's time."""
    known, count = {}, export.count_operations

    def counted(trained, deployed, folder, deployment):
        key = str(trained.config), str(trained), deployment
        if key not in known:
            known[key] = count(trained, deployed, folder, deployment)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "count_operations", counted)
        yield


@pytest.fixture
def service():
    """Starts `pipersr-build serve` in a folder and returns its address, once it answers."""
    running = []

    def start():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = [sys.executable, "-m", "pipersr_build", "serve", f"port={port}", "package=exports/mine"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        running.append(subprocess.Popen(words, stderr=subprocess.PIPE, env=environment))
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/health") as answer:
                assert answer.status == 200
                return address
            assert running[0].poll() is None, running[0].stderr.read()
            time.sleep(0.1)
        raise TimeoutError(address)

    yield start
    for process in running:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_every_block_of_the_page_runs(page, prepared, tmp_path, monkeypatch, capfd, service):
    if page.name == "formats.md" and importlib.util.find_spec("coreai_torch") is None:
        pytest.skip("coreai-torch is not installed")
    folder = tmp_path / "work"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "110")
    address, printed = "", ""
    for block in blocks(page):
        if block.mark == "output":
            check_output(block, printed)
        if block.language not in EXECUTED or block.skipped:
            continue
        if block.service and not address:
            if shutil.which("curl") is None:
                pytest.skip("curl is not installed")
            address = service()
        wrong = run_python(block) if block.language == "python" else run_commands(block, address)
        printed = "".join(capfd.readouterr())
        assert not wrong, f"{block.where}: {wrong}\n{printed[-3000:]}"


def run_commands(block, address):
    if not block.service:
        return workshop.run(block)
    text = block.text.replace("pipersr-build serve\n", "").replace(SERVICE, address)
    return workshop.in_bash(text.replace("curl ", "curl --fail --silent --show-error "), [])


def run_python(block):
    """Run it with the names that it takes for granted: a picture, frames, and what is done with them."""
    frames = [np.full((360, 640, 3), shade, np.uint8) for shade in (10, 200)]
    taken = {"image": Image.new("RGB", (40, 30)), "frames": frames, "encode": np.copy, "tired": False}
    exec(compile(block.text, block.where, "exec"), taken)
    return ""


def check_output(block, printed):
    """Every line of an output block is in what was printed, with … for anything and any run of spaces."""
    shown = " ".join(printed.split())
    for line in block.text.splitlines():
        parts = [re.escape(part) for part in " ".join(line.split()).split("…")]
        assert re.search(".*?".join(parts), shown), f"{block.where}: {line!r} is not in\n{printed}"


def test_every_block_says_what_it_is():
    marks = ("run: ", "file: ", "into: ")
    for block in BLOCKS:
        assert block.language in (*EXECUTED, *SHOWN), f"{block.where}: what is a {block.language!r}?"
        assert block.mark in ("", "output") or block.mark.startswith(marks), f"{block.where}: {block.mark}"


def test_few_blocks_are_skipped_and_each_says_why(capsys):
    with capsys.disabled():
        print()
        for block in SKIPPED:
            print(f"not run here: {block.where}: {block.skipped}")
    assert len(SKIPPED) == 24, "a block more or less is skipped: is that meant?"


@pytest.mark.parametrize("block", SKIPPED, ids=lambda block: block.where)
def test_what_is_skipped_still_exists(block: Block):
    for words in block.commands():
        command, *rest = words
        assert command in cli.COMMANDS, words
        short = getattr(importlib.import_module(f"pipersr_build.commands.{command}"), "SHORT", {})
        if command == "bench":
            short = importlib.import_module("pipersr_build.commands.bench_packages").SHORT
        options = {word.partition("=")[0] for word in rest if word.startswith("-")}
        assert options <= set(re.findall(r"--?[a-z][a-z-]*", cli.help_for(command))) | {"-"}, words
        if command == "inspect":  # its words are no settings
            continue
        given = [word for word in rest if not word.startswith("-") and word != "bundle=video"]
        sweep = bool(options & {"-m", "--multirun"})
        settings = [in_full(word, short) for word in split(given, sweep=sweep)[1]]
        load([re.sub(r"=([^\[{,]+),.*", r"=\1", word) for word in settings] if sweep else settings)


@pytest.mark.parametrize("path", documents.documents(), ids=name_of)
def test_the_tables_are_what_the_records_say(path):
    text = path.read_text()
    assert documents.render(text) == text, "render it: python -m pipersr_build.report.documents"


@pytest.mark.parametrize("path", pages(), ids=name_of)
def test_links_lead_to_files(path):
    for target in re.findall(r"\]\((?!http)([^)#]+)(?:#[^)]*)?\)", path.read_text()):
        place = (path.parent / target).resolve()
        assert place.exists() or place in GENERATED, target


def test_the_commands_at_a_glance_are_all_of_them():
    text = (ROOT / "docs/reference/at_a_glance.md").read_text()
    assert [name for name in cli.COMMANDS if f"`{name}`" not in text] == []


def test_the_readme_fits_on_a_screen():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 80
