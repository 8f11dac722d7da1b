import pytest

from pipersr_build.evaluation.peers import with_peers
from pipersr_build.evidence import Evidence, Fusion, ImageQuality, PackageRecord, Quality
from tests.unit.report.report_records import minimal

PACKAGE = PackageRecord(file="image_128.mlpackage", contract="image", input="i", output="o", target="t",
                        bytes=1, sha256="0" * 64, census={}, parity=[])  # fmt: skip
FUSION = Fusion(parameters_before=453_388, parameters_after=451_852, batch_norms_folded=12, max_abs_error=0)
REFERENCE = "2595e0b1a46cf89fde8c97de2a9d3bb70814247b8566f361d0df699a3adcf9a5"  # the shipped weights' file


def row(subject, psnr, dataset="Set5", protocol="y_float"):
    return Quality(subject=subject, dataset=dataset, protocol=protocol, scale=2, mean_psnr=psnr,
                   mean_ssim=0.95, images=[ImageQuality(image="a", psnr=psnr, ssim=0.95)])  # fmt: skip


def export(*rows, **more) -> Evidence:
    return minimal().model_copy(
        update={"packages": [PACKAGE], "fusion": FUSION, "quality": list(rows), **more}
    )


BICUBIC, OURS = row("bicubic", 33.673), row("image_128.mlpackage", 37.5)


def test_ours_stand_beside_the_published_ones_of_the_same_set():
    found = with_peers(export(BICUBIC, OURS), "y_float").peers
    kinds = {peer.network: (peer.kind, peer.protocol) for peer in found}
    assert {peer.dataset for peer in found} == {"Set5"}
    assert kinds["bicubic"] == ("bicubic", "y_float")
    assert kinds["image_128.mlpackage"] == ("ours", "y_float")
    assert kinds["PiperSR"] == ("measured", "y_float")
    assert kinds["PAN"] == ("published", "PSNR-Y as published")
    assert len(kinds) == len(found)
    [ours] = [peer for peer in found if peer.kind == "ours"]
    assert (ours.parameters, ours.psnr, ours.source) == (451_852, 37.5, "measured for this export")


@pytest.mark.parametrize(
    ("rows", "protocol"),
    [
        ([row("bicubic", 30.0, "photos"), row("image_128.mlpackage", 31.0, "photos")], "y_float"),
        ([BICUBIC], "y_float"),  # nothing of ours
        ([row("bicubic", 33.0), OURS], "y_float"),  # other pictures under the set's name
        ([BICUBIC, OURS], "y_uint8"),  # measured under another protocol
        ([BICUBIC, OURS], "rgb_uint8"),  # nobody published that
        ([BICUBIC, row("weights.safetensors", 37.5)], "y_float"),  # no package
    ],
)
def test_without_ours_under_the_protocol_nothing_is_compared(rows, protocol):
    assert with_peers(export(*rows), protocol).peers == []


def test_the_reference_weights_bring_their_record_and_say_so():
    photos = row("image_128.mlpackage", 35.0, "photos")
    found = with_peers(export(photos, weights_sha256=REFERENCE), "y_float").peers
    assert list(dict.fromkeys(peer.dataset for peer in found)) == ["Set5", "Set14", "BSD100"]
    ours = [peer for peer in found if peer.kind == "ours"]
    assert len(ours) == 3
    assert all(
        "on a package of the same weights, weights/pipersr_2x.quality.json" in peer.source for peer in ours
    )
    assert with_peers(export(photos, weights_sha256="0" * 64), "y_float").peers == []


def test_what_the_export_measured_itself_comes_first():
    found = with_peers(export(BICUBIC, OURS, weights_sha256=REFERENCE), "y_float").peers
    assert {peer.source for peer in found if peer.kind == "ours"} == {"measured for this export"}
    assert {peer.dataset for peer in found} == {"Set5"}
