import math
import xml.etree.ElementTree as ET

import pytest

from pipersr_build.evaluation.published import load_published
from pipersr_build.evidence import ImageQuality, Quality
from pipersr_build.report.quality_plot import WIDTH, elided, panel_of, quality_plot, short

SVG = "{http://www.w3.org/2000/svg}"
SIZES = {"bicubic": None, "ours": 451_852, "other": 20_000}


def score(
    subject: str, psnr: float, dataset: str = "Set5", protocol: str = "y_float", scale: int = 2
) -> Quality:
    images = [ImageQuality(image="a", psnr=psnr, ssim=0.9)]
    return Quality(
        subject=subject,
        dataset=dataset,
        protocol=protocol,
        scale=scale,
        images=images,
        mean_psnr=psnr,
        mean_ssim=0.9,
    )


def drawn(*rows: Quality) -> ET.Element:
    return ET.fromstring(quality_plot(rows, SIZES))


def dots(root: ET.Element, kind: str) -> list[ET.Element]:
    """The marks of a kind; those of the legend have no title."""
    return [
        c for c in root.iter(f"{SVG}circle") if c.get("class") == kind and c.find(f"{SVG}title") is not None
    ]


def titles(root: ET.Element, kind: str) -> list[str]:
    return [str(dot.findtext(f"{SVG}title")) for dot in dots(root, kind)]


def texts(root: ET.Element) -> list[str]:
    return [str(text.text) for text in root.iter(f"{SVG}text")]


def test_ours_stands_beside_every_published_network_of_the_set() -> None:
    root = drawn(score("bicubic", 33.673), score("ours", 37.7))
    assert titles(root, "ours") == ["ours: 37.700 dB, 451,852 parameters, y_float"]
    assert titles(root, "measured") == ["PiperSR: 37.604 dB, 453,388 parameters, y_float"]
    others = {row.network for row in load_published("Set5") if row.parameters} - {"PiperSR"}
    assert {title.partition(":")[0] for title in titles(root, "published")} == others
    assert all("as published" in title for title in titles(root, "published"))
    assert "QuickSRNet-small" not in texts(root)  # it has no figure on this set
    assert "QuickSRNet-small" in texts(drawn(score("ours", 31.9, "BSD100")))


def test_more_is_higher_and_larger_is_further_right() -> None:
    root = drawn(score("ours", 37.7), score("other", 37.9))
    ours, other = (tuple(float(str(dot.get(key))) for key in ("cx", "cy")) for dot in dots(root, "ours"))
    assert ours[0] > other[0]
    assert ours[1] > other[1]
    assert all(0 <= float(str(dot.get("cx"))) <= WIDTH for dot in root.iter(f"{SVG}circle"))


@pytest.mark.parametrize(("psnr", "broken"), [(33.673, True), (36.9, False)])
def test_bicubic_is_a_line_and_its_distance_is_not_pretended(psnr: float, broken: bool) -> None:
    root = drawn(score("bicubic", psnr), score("ours", 37.7))
    words = next(text for text in texts(root) if text.startswith("bicubic"))
    assert words == f"bicubic {psnr:.2f} dB" + " (below the axis, not to scale)" * broken
    line = next(line for line in root.iter(f"{SVG}line") if line.get("stroke-dasharray"))
    assert all(float(str(dot.get("cy"))) < float(str(line.get("y1"))) for dot in dots(root, "ours"))


def test_a_panel_for_each_set_of_the_first_protocol() -> None:
    rows = [
        score(*row, protocol=protocol)
        for protocol in ("y_uint8", "y_float")
        for row in (("ours", 37.5, "Set5"), ("ours", 33.0, "Set14"))
    ]
    root = drawn(*rows)
    assert [text for text in texts(root) if text.endswith("1 picture")] == [
        "Set5, 2×, 1 picture", "Set14, 2×, 1 picture"]  # fmt: skip
    assert [title.rpartition(" ")[2] for title in titles(root, "ours")] == ["y_uint8"] * 2
    assert [title.split(",")[0] for title in titles(root, "measured")] == [
        "PiperSR: 37.527 dB",
        "PiperSR: 33.195 dB",
    ]


@pytest.mark.parametrize(
    "row",
    [score("ours", 33.9, protocol="rgb_uint8"), score("ours", 31.0, scale=4), score("ours", 31.0, "mine")],
)
def test_what_cannot_be_compared_is_not_drawn(row: Quality) -> None:
    root = drawn(row)
    assert len(titles(root, "ours")) == 1
    assert titles(root, "published") == titles(root, "measured") == []
    assert ("PSNR-Y, dB" in texts(root)) == (row.protocol == "y_float")


def test_scores_that_cannot_be_drawn_are_left_out() -> None:
    root = drawn(
        score("ours", math.inf, "mine"), score("unknown", 30.0, "mine"), score("bicubic", 30.0, "mine")
    )
    assert titles(root, "ours") == []
    assert "bicubic 30.00 dB" in texts(root)
    with pytest.raises(ValueError, match="at least one score"):
        quality_plot([], SIZES)


def test_names_do_no_harm() -> None:
    name = '<b>"&\x1b[31m'
    root = ET.fromstring(quality_plot([score(name, 37.0)], {name: 5}))
    assert any(text.startswith('<b>"& [31m') for text in texts(root))
    assert elided("a" * 20 + "z" * 20) == "a" * 15 + "…" + "z" * 16
    assert elided("short") == "short"


def test_the_panel_is_told_in_words() -> None:
    root = drawn(score("bicubic", 33.673), score("ours", 37.7))
    words = str(root.findtext(f"{SVG}desc"))
    assert words.startswith("Set5, 2×, 1 picture: ours 37.70 dB (y_float), ")
    assert words.endswith("bicubic 33.67 dB")
    assert panel_of([score("bicubic", 30.0, "mine")], SIZES).marks == []


@pytest.mark.parametrize(("count", "words"), [(500, "500"), (20_000, "20 K"), (1e6, "1 M"), (2.5e6, "2.5 M")])
def test_parameters_at_the_axis(count: float, words: str) -> None:
    assert short(count) == words
