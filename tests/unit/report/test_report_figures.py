import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from report_records import IMAGE, VIDEO, full, latencies, minimal, peers

from pipersr_build import files
from pipersr_build.commands import placing
from pipersr_build.evidence import Evidence
from pipersr_build.report.figures_view import figures_of
from pipersr_build.report.gate_matrix import gate_matrix
from pipersr_build.report.histogram_chart import power, share, subnormal_share, total
from pipersr_build.report.latency_chart import common_range, latency_chart
from pipersr_build.report.peers_chart import peer_groups, peers_chart
from pipersr_build.report.roofline_chart import bound, cases, shown_roofs

NS = {"svg": "http://www.w3.org/2000/svg"}


def titles(svg):
    return re.findall(r"<title>(.*?)</title>", svg)


def test_a_record_without_figures_has_none_and_its_page_says_so(page_of):
    found = figures_of(minimal())
    assert (found.peers, found.graphs, found.latencies, found.roofline, found.activations) == (
        (),
        (),
        (),
        None,
        None,
    )
    bare = [
        package.model_copy(update={"graph": [], "latencies": [], "traffic": None})
        for package in full().packages
    ]
    page = page_of(packages=bare, roofs=[], activations=None, peers=[])
    for name in (
        "Predicted latency on each chip",
        "Roofline",
        "The graph",
        "Activations against fp16's limits",
    ):
        assert f"{name}: not recorded. <code>pipersr-build export</code> records" in page
    assert "On the standard test sets: not measured. <code>pipersr-build export" in page


def test_evidence_from_before_the_figures_still_loads():
    known = full().model_dump(mode="json")
    for key in ("roofs", "activations", "peers"):
        del known[key]
    for package in known["packages"]:
        for key in ("graph", "latencies", "traffic"):
            del package[key]
    assert Evidence.model_validate(known).packages[0].graph == []


@pytest.mark.parametrize("name", ["peers", "latencies"])
def test_every_drawing_is_well_formed_with_title_and_description(name):
    for view in getattr(figures_of(full()), name):
        root = ET.fromstring(str(view.svg))
        assert root.get("role") == "img"
        assert root.find("title").text
        assert root.find("desc").text


def test_every_chip_has_its_band_and_its_own_line_of_words():
    svg = latency_chart(
        latencies(1.0), common_range(latencies(1.0)), key="k", title="t", chosen="M4", video=True
    )
    assert "M4: 15.9 ms, 11.4 ms to 23.9 ms" in titles(svg)
    assert 'class="name" x="58.0"' in svg  # the chosen chip
    bands = {
        float(x): float(width)
        for x, width in re.findall(r'class="band" x="([\d.]+)".*?width="([\d.]+)"', svg)
    }
    dots = sorted(float(x) for x in re.findall(r'class="mark" cx="([\d.]+)"', svg))
    for (left, width), dot in zip(sorted(bands.items()), dots, strict=True):
        assert left < dot < left + width
    assert "60/s" in svg
    assert "60/s" not in latency_chart(latencies(1.0), (1, 99), key="k", title="t", chosen="", video=False)


def test_chips_without_a_band_are_named():
    assert figures_of(full()).silent == ["M3"]


def test_the_roofline_is_arithmetic_on_the_record():
    chip, [image, video] = cases(full().packages)
    assert chip == "M4"
    assert (image.label, video.label) == (IMAGE, VIDEO)
    assert image.fused == pytest.approx(1.48e10 / 1.4e6)
    assert video.streamed == pytest.approx(1.48e10 / 1.309e8)
    assert video.expected == pytest.approx(1.48e10 / 15.9e-3 / 1e12)
    assert video.low < video.expected < video.high
    roofs = shown_roofs(full().roofs, "M4")
    assert [roof.chip for roof in roofs] == ["M4", "M1", "M3"]
    assert bound(roofs[0], 100) == pytest.approx(2.4)
    assert bound(roofs[0], 1e6) == 18.5


def test_names_of_roofs_that_lie_close_are_kept_apart():
    svg = str(figures_of(full()).roofline.svg)
    heights = sorted(float(y) for y in re.findall(r'y="([\d.]+)" text-anchor="start">M\d [\d.]+<', svg))
    assert len(heights) == 3
    assert min(b - a for a, b in pairwise(heights)) >= 13


def test_activations_are_summed_and_shares_are_honest():
    found = full().activations
    whole = total(found)
    assert (whole.largest, whole.sums, whole.zeros) == (29.73, 241.4, 3)
    assert sum(whole.counts) == sum(sum(op.counts) for op in found.operations)
    below = sum(sum(op.counts[:10]) for op in found.operations)
    assert subnormal_share(whole, -24) == pytest.approx(below / (sum(whole.counts) + 3))
    assert (share(0), share(1e-5), share(0.25), share(1)) == ("0 %", "under 0.1 %", "25.0 %", "100 %")
    assert (power(-14), power(10)) == ("2⁻¹⁴", "2¹⁰")


def test_all_bars_together_are_all_values():
    svg = str(figures_of(full()).activations.svg)
    heights = [float(tall) for tall in re.findall(r'class="bar".*?height="([\d.]+)"', svg)]
    whole = total(full().activations)
    assert len(heights) == sum(count > 0 for count in whole.counts)
    assert sum(heights) == pytest.approx(150 * sum(whole.counts) / max(whole.counts), abs=0.05 * len(heights))


def test_published_networks_are_hollow_and_protocols_named():
    groups = peer_groups(peers())
    assert [(group.dataset, group.protocol) for group in groups] == [
        ("Set5", "y_float"),
        ("BSD100", "y_float"),
    ]
    svg = peers_chart(groups[0], key="k")
    kinds = dict(re.findall(r'<circle class="(\w+)".*?<title>(\S+):', svg))
    assert kinds == {"mark": IMAGE, "dark": "PiperSR", "hollow": "FSRCNN"}
    assert "FSRCNN: 37.00 dB, 12,800 parameters, PSNR-Y as published" in titles(svg)
    assert "bicubic 33.67 dB, far below" in svg
    assert "stroke-dasharray" in peers_chart(groups[1], key="k")  # there it is among the networks
    assert [row.network for row in groups[0].ranked] == [IMAGE, "PiperSR", "FSRCNN", "bicubic"]
    bare = [row.model_copy(update={"parameters": None}) for row in peers()]
    assert peers_chart(peer_groups(bare)[0], key="k") == ""


def test_gates_at_a_glance_have_a_place_each():
    found = gate_matrix(full().gates)
    assert (found.corner, found.columns) == ("gate", ("network", IMAGE, VIDEO))
    shown = [gate for _, row in found.rows for gate in row if gate is not None]
    assert sorted(shown, key=str) == sorted(full().gates, key=str)
    assert gate_matrix([]) is None
    assert gate_matrix([*full().gates, full().gates[0]]) is None


def test_gates_of_many_packages_have_a_row_for_each_package():
    gate = full().gates[0]
    asked = [(str(n), name) for n in range(9) for name in ("a", "b")]
    many = [gate.model_copy(update={"subject": subject, "name": name}) for subject, name in asked]
    found = gate_matrix(many[:-1])
    assert (found.corner, found.columns) == ("asked of", ("a", "b"))
    assert found.rows[0] == ("0", tuple(many[:2]))
    assert found.rows[8] == ("8", (many[16], None))
    names = [gate.model_copy(update={"subject": str(n), "name": str(n)}) for n in range(13)]
    assert gate_matrix(names) is None


def test_activations_of_a_package_that_is_kept_are_kept_too(tmp_path):
    (tmp_path / IMAGE).mkdir()
    (tmp_path / IMAGE / "model").write_bytes(b"a package")
    kept = full().packages[0].model_copy(update={"sha256": files.sha256(tmp_path / IMAGE)})
    before = full().model_copy(update={"packages": [kept]})
    nothing = {"packages": [], "activations": None, "gates": []}
    for weights, expected in ((before.weights_sha256, before.activations), ("0" * 64, None)):
        stage = tmp_path / f"stage-{weights[0]}"
        stage.mkdir()
        new = before.model_copy(update={**nothing, "weights_sha256": weights})
        found = placing.carry_over(placing.Place(tmp_path, stage, before), new)
        assert found.activations == expected


def test_packages_with_the_same_bands_share_a_chart_that_names_them():
    record = full()
    twin = record.packages[0].model_copy(update={"file": "image_128_int8.mlpackage"})
    found = figures_of(record.model_copy(update={"packages": [*record.packages, twin]})).latencies
    assert [view.labels for view in found] == [(IMAGE, "image_128_int8.mlpackage"), (VIDEO,)]
    other = twin.model_copy(update={"latencies": latencies(0.2)})
    assert len(figures_of(record.model_copy(update={"packages": [*record.packages, other]})).latencies) == 3
