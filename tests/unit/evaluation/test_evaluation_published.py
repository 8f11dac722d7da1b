import pytest

from pipersr_build.evaluation.protocol import PROTOCOLS
from pipersr_build.evaluation.published import (
    against_published,
    best,
    load_published,
    measured,
    other_pictures,
)
from pipersr_build.evidence import Quality


def test_every_row_is_complete() -> None:
    rows = load_published()
    assert len({(row.network, row.dataset, row.protocol) for row in rows}) == len(rows)
    for row in rows:
        assert row.source
        assert row.scale == 2
        assert row.parameters is None or row.parameters > 1000
        assert 26 < row.psnr < 39
        assert row.ssim is None or 0.8 < row.ssim < 1
        assert row.protocol in PROTOCOLS or row.protocol == "PSNR-Y as published"


def test_rows_of_one_set() -> None:
    assert {row.dataset for row in load_published()} == {"Set5", "Set14", "BSD100", "Urban100"}
    rows = {(row.network, row.protocol): row for row in load_published("Set5")}
    assert rows["PAN", "PSNR-Y as published"].psnr == 38.00
    assert rows["PiperSR", "y_float"].psnr == 37.604
    assert rows["PiperSR", "y_uint8"].ssim == 0.9582
    assert "QuickSRNet-small" not in {name for name, _ in rows}
    assert load_published("Set6") == []


def test_errors_in_circulation_are_not_repeated() -> None:
    parameters = {row.network: row.parameters for row in load_published()}
    assert (parameters["PAN"], parameters["SPAN"], parameters["SPAN-S"]) == (261_000, 481_000, 411_000)
    assert all("ModelPiper" in row.source for row in load_published() if row.network == "PiperSR")


def score(
    subject: str, psnr: float, dataset: str = "Set5", protocol: str = "y_float", scale: int = 2
) -> Quality:
    return Quality(
        subject=subject,
        dataset=dataset,
        protocol=protocol,
        scale=scale,
        images=[],
        mean_psnr=psnr,
        mean_ssim=0.96,
    )


@pytest.mark.parametrize(
    ("dataset", "protocol", "psnr", "ssim"),
    [
        ("Set5", "y_float", 37.604, 0.9593),
        ("Set14", "y_float", 33.223, 0.9147),
        ("BSD100", "y_float", 32.015, 0.8977),
        ("Set5", "y_uint8", 37.527, 0.9582),
        ("Set14", "y_uint8", 33.195, 0.9138),
        ("BSD100", "y_uint8", 31.988, 0.8969),
    ],
)
def test_the_published_network_is_measured_under_both_luma_protocols(
    dataset: str, protocol: str, psnr: float, ssim: float
) -> None:
    row = measured("PiperSR", dataset, 2, protocol)
    assert row is not None
    assert (row.psnr, row.ssim, row.parameters) == (psnr, ssim, 453_388)
    assert "ModelPiper" in row.source


def test_differences_to_the_published_network() -> None:
    rows = [
        score("bicubic", 33.6734),
        score("ours", 37.704),
        score("ours", 33.0, "Set14"),
        score("ours", 40.0, "mine"),
        score("ours", 40.0, protocol="rgb_uint8"),
        score("ours", 40.0, scale=4),
    ]
    found = against_published(rows)
    assert [(d.subject, d.dataset, d.protocol, d.network) for d in found] == [
        ("ours", "Set5", "y_float", "PiperSR"),
        ("ours", "Set14", "y_float", "PiperSR"),
    ]
    assert [d.psnr for d in found] == [pytest.approx(0.1), pytest.approx(33.0 - 33.223)]
    assert found[0].ssim == pytest.approx(0.96 - 0.9593)
    assert (found[0].published_psnr, found[0].published_ssim) == (37.604, 0.9593)


def test_other_pictures_under_a_known_name_are_not_compared() -> None:
    rows = [score("bicubic", 33.70), score("ours", 37.7), score("bicubic", 33.64, protocol="y_uint8"),
            score("ours", 37.6, protocol="y_uint8")]  # fmt: skip
    assert [other_pictures(row) for row in rows] == [True, False, False, False]
    assert [(d.protocol, d.psnr) for d in against_published(rows)] == [("y_uint8", pytest.approx(0.073))]
    assert not other_pictures(score("bicubic", 20.0, "mine"))


def test_best_takes_the_row_of_the_protocol_where_there_is_one() -> None:
    rows = load_published("Set5")
    for protocol, psnr in (("y_float", 37.604), ("y_uint8", 37.527), ("rgb_uint8", 37.54)):
        found = {row.network: row for row in best(rows, protocol)}
        assert found["PiperSR"].psnr == psnr
        assert found["PAN"].protocol == "PSNR-Y as published"
        assert len(found) == len({row.network for row in rows})
