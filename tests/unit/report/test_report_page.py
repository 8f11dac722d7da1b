"""The report in a real browser: the slider, the console, the network, contrast, narrow windows, paper."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report_records import full, write_samples

from pipersr_build.report.html import render_html

CHROMIUM = Path("/usr/bin/chromium")
TEXTS = ("h1", ".lede", "nav a", "main p", ".fine", "td", "thead th", "summary", ".badge", ".tag", ".none",
         ".legend li", "dt", "dd")  # fmt: skip
CONTRAST = """selector => {
  const paint = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const over = (colour, under) => {
    paint.fillStyle = under; paint.fillRect(0, 0, 1, 1);
    paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = rgb => rgb.map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return colour;
    }
    return 'white';
  };
  return [...document.querySelectorAll(selector)].map(element => {
    const ground = behind(element);
    const [a, b] = [over(getComputedStyle(element).color, ground), over(ground, ground)].map(light);
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
}"""


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        pytest.skip(f"there is no browser at {CHROMIUM}")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_samples(folder)
    path = folder / "report.html"
    path.write_text(render_html(full(), folder))
    return path


@pytest.fixture
def visit(browser, report):
    """Opens the report; at the end it has said nothing to the console and asked for nothing else."""
    contexts, complaints, asked = [], [], []

    def opened(width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.set_default_timeout(10_000)
        page.goto(report.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert {url for url in asked if not url.startswith("data:")} == {report.as_uri()}
    assert not complaints


def pixels(locator, tmp_path):
    path = tmp_path / "stage.png"
    locator.screenshot(path=path)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def changed_columns(before, after):
    """Where, across the picture from 0 to 1, something differs."""
    columns = np.flatnonzero(np.abs(before - after).sum(axis=(0, 2)))
    return columns.min() / before.shape[1], columns.max() / before.shape[1]


def test_the_keyboard_moves_the_slider_and_the_picture_changes(visit, tmp_path):
    page = visit()
    stage, slider = page.locator(".stage").first, page.get_by_role("slider").first
    slider.focus()
    middle = pixels(stage, tmp_path)
    page.keyboard.press("Home")
    assert slider.get_attribute("aria-valuetext") == "0 % bicubic, 100 % ours"
    left, right = changed_columns(middle, pixels(stage, tmp_path))
    assert right < 0.56  # what was bicubic, and the handle
    page.keyboard.press("End")
    assert slider.input_value() == "100"
    left, right = changed_columns(middle, pixels(stage, tmp_path))
    assert left > 0.44
    page.keyboard.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "99 % bicubic, 1 % ours"


def test_the_pointer_drags_the_picture(visit, tmp_path):
    page = visit()
    stage, slider = page.locator(".stage").first, page.get_by_role("slider").first
    before = pixels(stage, tmp_path)
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 30)
    assert slider.input_value() == "25"
    page.mouse.up()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 30)  # no longer held
    assert slider.input_value() == "25"
    assert changed_columns(before, pixels(stage, tmp_path))[0] < 0.3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(visit, scheme):
    page = visit(scheme=scheme)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    assert dark == (scheme == "dark")
    for selector in TEXTS:
        found = page.evaluate(CONTRAST, selector)
        assert found, selector
        assert min(found) >= 4.5, selector  # WCAG 2.2, level AA


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_sticks_out_of_a_narrow_window(visit, width):
    page = visit(width)
    for opened in (False, True):
        page.evaluate("all => document.querySelectorAll('details').forEach(d => d.open = all)", opened)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_paper_shows_everything_that_a_screen_can(visit):
    page = visit(760)
    page.emulate_media(media="print")
    hidden = "d => [...d.children].slice(1).every(part => part.getBoundingClientRect().height > 0)"
    folded = page.locator("details:not(.listing)")
    assert folded.count() >= 8
    for index in range(folded.count()):
        assert folded.nth(index).evaluate(hidden), folded.nth(index).inner_text()[:60]
    assert not page.get_by_role("slider").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 760
    kinds = ("bicubic", "ours", "truth")
    boxes = [page.locator(f".compare .{kind}").first.bounding_box() for kind in kinds]
    assert len({round(box["y"]) for box in boxes}) == 1
    assert boxes[0]["x"] < boxes[1]["x"] < boxes[2]["x"]
    assert page.evaluate("getComputedStyle(document.querySelector('.bicubic')).clipPath") == "none"


def test_printing_opens_what_is_folded_and_folds_it_again(visit):
    page = visit()
    count = "document.querySelectorAll('details[open]').length"
    assert page.evaluate(count) == 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(count) == page.locator("details:not(.listing)").count()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(count) == 0


def test_a_screen_reader_finds_its_way(visit):
    page = visit()
    assert page.evaluate("[...document.images].filter(image => !image.alt).length") == 0
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for role, number in (("banner", 1), ("main", 1), ("contentinfo", 1), ("navigation", 1)):
        assert page.get_by_role(role).count() == number, role
    names = page.locator("main").aria_snapshot()
    assert 'slider "bicubic or ours: share of harbour shown as bicubic"' in names
    for control in page.get_by_role("slider").all():
        assert control.evaluate("c => c.labels.length") == 1
    unnamed = "[...document.querySelectorAll('svg[role=img]')].filter(s => !s.querySelector('title,desc'))"
    assert page.evaluate(f"{unnamed}.length") == 0


def test_the_keyboard_reaches_the_content_and_shows_where_it_is(visit):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.matches(':focus-visible')")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    reached = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName"))
    assert {"INPUT", "SUMMARY", "DIV"} <= reached


def test_another_script_is_refused(browser, report):
    """The content policy lets this page's own script run, and none that a record might smuggle in."""
    context = browser.new_context()
    page, refused = context.new_page(), []
    page.on("console", lambda message: refused.append(message.text))
    page.set_content(report.read_text().replace("</body>", "<script>window.evil = 1</script></body>"))
    assert page.evaluate("window.evil") is None
    assert page.get_by_role("slider").first.get_attribute("aria-valuetext")
    context.close()
    assert any("Content Security Policy" in text for text in refused)
