import pytest

from pipersr_build.commands import quality
from pipersr_build.evidence import ImageQuality, Quality


def row(subject, dataset, psnr):
    image = ImageQuality(image="a", psnr=psnr, ssim=0.9)
    return Quality(subject=subject, dataset=dataset, protocol="y_float", scale=2, images=[image],
                   mean_psnr=psnr, mean_ssim=0.9)  # fmt: skip


def test_what_is_lost_is_told_for_each_set_of_pictures():
    whole = [row("image_128", "Set5", 37.5), row("image_128", "Set14", 33.0)]
    smaller = [row("image_128_w8a8", "Set14", 32.5), row("image_128_w8a8", "Set5", 37.25)]
    found = quality.with_losses(smaller, whole)
    assert [one.lost_db for one in found] == [pytest.approx(0.5), pytest.approx(0.25)]
    assert [one.model_copy(update={"lost_db": None}) for one in found] == smaller
    assert whole[0].lost_db is None
