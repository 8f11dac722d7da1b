"""The page, used as a person does, in a real browser."""

import base64
import io
import re
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from pipersr_build.service.page import page as page_and_policy
from tests.unit.service.service_fakes import Repeater, doubled, png, serving

CHROMIUM = Path("/usr/bin/chromium")
TOKEN = "a-token-that-is-long-enough"
MP4 = b"\0\0\0\x18ftypisom" + bytes(100)


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        pytest.skip(f"there is no browser at {CHROMIUM}")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def engine():
    return Repeater()


@pytest.fixture
def site(tmp_path, engine):
    with serving(tmp_path, engine, image_side=64) as url:
        yield url


@pytest.fixture
def page(browser, site):
    """The page of a fresh visitor; at its end it has said nothing to the console and asked nobody else."""
    context = browser.new_context(accept_downloads=True)
    opened, complaints, asked = context.new_page(), [], []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.set_default_timeout(60_000)
    opened.goto(site)
    yield opened
    context.close()
    elsewhere = [url for url in asked if not url.startswith((site, f"blob:{site}", "data:"))]
    assert not elsewhere
    complaints = [text for text in complaints if not re.search(r"status of 4\d\d", text)]  # asked too early
    assert not complaints


def chosen(name="tree.png", seed=0):
    return {"name": name, "mimeType": "image/png", "buffer": png(8, 6, seed)[0]}


def saved(download):
    with Image.open(io.BytesIO(Path(download.path()).read_bytes())) as image:
        return np.asarray(image)


def test_a_picture_is_chosen_compared_and_downloaded(page):
    page.wait_for_selector("#about:has-text('2×, a fake')")
    page.set_input_files("#files", chosen())
    page.wait_for_selector("#list a:visible")
    page.wait_for_selector("text=1 of 1 done")
    with page.expect_download() as download:
        page.click("#list a")
    assert download.value.suggested_filename == "tree_upscaled.png"
    np.testing.assert_array_equal(saved(download.value), doubled(png(8, 6)[1]))
    slider = page.locator(".compare input")
    slider.focus()
    page.keyboard.press("End")
    assert (
        page.eval_on_selector(".compare", "node => getComputedStyle(node).getPropertyValue('--at')") == "100%"
    )
    widths = "[...document.querySelectorAll('.compare img')].map((image) => image.naturalWidth).join()"
    page.wait_for_function(f"{widths} === '6,12'")
    page.click("text=Remove")
    assert page.locator("#list li").count() == 0


def test_a_folder_gives_every_picture_in_it(page, tmp_path):
    folder = tmp_path / "album"
    (folder / "inner").mkdir(parents=True)
    for name in ("a.png", "inner/b.png", "notes.txt"):
        (folder / name).write_bytes(png(8, 6)[0])
    page.set_input_files("#folder", str(folder))
    page.wait_for_selector("text=2 of 2 done")
    assert sorted(page.locator("#list h2").all_inner_texts()) == ["album/a.png", "album/inner/b.png"]
    assert "notes.txt" in page.inner_text("#others")
    downloads = []
    page.on("download", lambda download: downloads.append(download.suggested_filename))
    page.click("#save")
    end = time.monotonic() + 30
    while len(downloads) < 2 and time.monotonic() < end:
        page.wait_for_timeout(50)
    assert sorted(downloads) == ["a_upscaled.png", "b_upscaled.png"]


def test_pictures_are_dropped(page):
    page.evaluate(
        """async (data) => {
            const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
            const carried = new DataTransfer();
            carried.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
            const drop = new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true });
            document.getElementById("drop").dispatchEvent(drop);
        }""",
        base64.b64encode(png(8, 6)[0]).decode(),
    )
    page.wait_for_selector("#list a:visible")
    assert page.inner_text("#list h2") == "dropped.png"


def test_the_keyboard_reaches_everything(page):
    with page.expect_file_chooser() as chooser:
        for _ in range(8):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "pick":
                break
        page.keyboard.press("Enter")
    chooser.value.set_files(chosen())
    page.wait_for_selector("#list a:visible")
    reached = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.tagName + ' ' + (document.activeElement.type || '')")
        )
    assert {"BUTTON button", "SELECT select-one", "A ", "INPUT range"} <= reached


def test_progress_is_shown_and_work_can_be_stopped(page, engine):
    engine.release.clear()
    page.set_input_files("#files", [chosen("a.png"), chosen("b.png", 1)])
    page.wait_for_selector("text=working, 25 %")
    page.click("#stop")
    page.wait_for_selector("text=2 of 2 done")
    assert page.locator("#list p").all_inner_texts() == ["stopped", "stopped"]
    assert engine.stopped.wait(30)
    engine.release.set()
    page.set_input_files("#files", chosen("c.png"))
    page.wait_for_selector("#list a:visible")


def test_what_is_removed_does_not_count(page, engine):
    engine.release.clear()
    page.set_input_files("#files", [chosen("a.png"), chosen("b.png", 1), chosen("c.png", 2)])
    page.wait_for_selector("text=working, 25 %")
    page.click('[aria-label="Remove a.png"]')  # at work
    page.click('[aria-label="Remove c.png"]')  # waiting
    assert engine.stopped.wait(30)
    engine.release.set()
    page.wait_for_selector("text=1 of 1 done")
    assert page.inner_text("#state") == "1 of 1 done"
    page.click('[aria-label="Remove b.png"]')
    assert page.is_hidden("#all")


def test_files_of_other_kinds_are_named(page):
    page.set_input_files("#files", [chosen(name) for name in ("a.gif", "b.txt", "c", "d.psd")])
    assert "a.gif, b.txt, c and 1 more" in page.inner_text("#others")
    assert page.is_hidden("#all")
    page.set_input_files("#files", chosen())
    page.wait_for_selector("text=1 of 1 done")
    assert page.inner_text("#others") == ""


def test_a_large_video_waits_for_another_client(page, site, engine, tmp_path):
    engine.release.clear()
    (tmp_path / "large.mp4").write_bytes(MP4 + bytes(30 * 2**20))
    with httpx.stream("POST", f"{site}/v1/video/upscale", files={"file": MP4}, timeout=60) as first:
        assert engine.started.wait(30)
        page.set_input_files("#files", str(tmp_path / "large.mp4"))
        page.wait_for_selector("text=waiting for another client")
        engine.release.set()
        first.read()


def test_a_video_tells_of_itself(page):
    page.set_input_files("#files", {"name": "clip.mp4", "mimeType": "video/mp4", "buffer": MP4})
    page.wait_for_selector("#list a:visible")
    with page.expect_download() as download:
        page.click("#list a")
    assert download.value.suggested_filename == "clip_upscaled.mp4"
    assert Path(download.value.path()).read_bytes().startswith(b"upscaled")


def test_names_are_shown_as_text_and_errors_as_words(page):
    name = "<img src=x onerror=alert(1)>.png"
    page.set_input_files("#files", {"name": name, "mimeType": "image/png", "buffer": b"no picture"})
    page.wait_for_selector("text=not a picture of a known kind")
    assert page.inner_text("#list h2") == name
    page.wait_for_selector("text=1 failed")


def test_the_token_is_asked_for(browser, tmp_path):
    with serving(tmp_path, token=TOKEN) as site:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto(site)
        page.set_input_files("#files", chosen())
        page.wait_for_selector("text=the token is missing or wrong")
        page.set_input_files("#files", chosen("second.png"))
        assert "0 of 2 done" in page.inner_text("#state")
        page.fill("#token", TOKEN)
        page.keyboard.press("Enter")
        page.wait_for_selector("text=2 of 2 done")  # both, without being chosen again
        assert page.locator("#list a:visible").count() == 2
        page.close()
        page = browser.new_page()
        page.goto(f"{site}/#token={TOKEN}")
        assert TOKEN not in page.url
        page.set_input_files("#files", chosen())
        page.wait_for_selector("#list a:visible")
        page.close()


def test_the_page_names_no_other_address():
    text, policy = page_and_policy()
    assert not re.search(r"https?://|src=[\"']?/|@import|url\(", text)
    assert policy.count("'sha256-") == 2
    assert "unsafe" not in policy


def test_the_page_is_served(site):
    answer = httpx.get(site)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
