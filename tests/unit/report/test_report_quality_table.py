from rich.console import Console
from rich.table import Table

from pipersr_build.evaluation.published import against_published
from pipersr_build.evidence import ImageQuality, Quality
from pipersr_build.report.quality_table import pictures_table, summary_table


def score(subject: str, psnr: float, protocol: str = "y_float", dataset: str = "Set5") -> Quality:
    images = [ImageQuality(image=name, psnr=psnr + more, ssim=0.9) for name, more in (("a[b]", -1), ("c", 1))]
    return Quality(
        subject=subject,
        dataset=dataset,
        protocol=protocol,
        scale=2,
        images=images,
        mean_psnr=psnr,
        mean_ssim=0.9,
    )


def printed(table: Table, width: int = 80) -> list[list[str]]:
    console = Console(width=width, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(table)
    return [line.split() for line in capture.get().splitlines() if line.strip()]


def test_every_picture_and_the_mean() -> None:
    rows = [score("bicubic", 33.673), score("an_image_package.mlpackage", 37.7)]
    lines = printed(pictures_table(rows))
    assert lines[0] == ["Set5,", "2x,", "y_float:", "PSNR", "(dB),", "SSIM"]
    assert lines[1] == ["picture", "bicubic", "an_image_package.mlpackage"]
    assert lines[3:] == [
        ["a[b]", "32.673", "0.9000", "36.700", "0.9000"],
        ["c", "34.673", "0.9000", "38.700", "0.9000"],
        ["mean", "33.673", "0.9000", "37.700", "0.9000"],
    ]


def test_means_with_their_distances() -> None:
    rows = [score("bicubic", 33.673), score("ours", 37.7), score("bicubic", 31.8, "rgb_uint8"),
            score("ours", 34.0, "rgb_uint8")]  # fmt: skip
    lines = printed(summary_table(rows, against_published(rows)))
    assert lines[1:3] == [
        ["above", "above"],
        ["test", "set,", "protocol", "method", "PSNR", "SSIM", "bicubic", "PiperSR"],
    ]
    assert lines[4:] == [
        ["Set5,", "y_float", "bicubic", "33.673", "0.9000", "–", "–"],
        ["ours", "37.700", "0.9000", "+4.027", "+0.096"],
        ["published", "PiperSR", "37.604", "0.9593", "+3.931", "–"],
        ["Set5,", "rgb_uint8", "bicubic", "31.800", "0.9000", "–", "–"],
        ["ours", "34.000", "0.9000", "+2.200", "–"],
    ]


def test_other_pictures_are_told() -> None:
    rows = [score("bicubic", 30.0), score("ours", 37.7)]
    text = " ".join(word for line in printed(summary_table(rows, against_published(rows))) for word in line)
    assert "Set5, y_float: not compared with published figures, because these are other pictures" in text
    assert "published PiperSR" not in text
