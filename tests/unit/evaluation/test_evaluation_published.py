from pipersr_build.evaluation.protocol import PROTOCOLS
from pipersr_build.evaluation.published import load_published


def test_every_row_is_complete() -> None:
    rows = load_published()
    assert len({(row.network, row.dataset, row.protocol) for row in rows}) == len(rows)
    for row in rows:
        assert row.source
        assert row.scale == 2
        assert row.parameters is None or row.parameters > 1000
        assert 29 < row.psnr < 39
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
