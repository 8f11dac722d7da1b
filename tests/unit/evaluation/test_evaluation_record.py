import math
from pathlib import Path

import pytest

from pipersr_build import machine
from pipersr_build.errors import InputError
from pipersr_build.evaluation.record import Difference, Evaluation, Pictures, Subject, load, save
from pipersr_build.evidence import ImageQuality, Quality


def evaluation() -> Evaluation:
    image = ImageQuality(image="a", psnr=math.inf, ssim=1.0)
    return Evaluation(
        provenance=machine.provenance("pipersr-build evaluate bicubic"),
        config={"protocol": "y_float"},
        subjects=[Subject(name="w", kind="weights", scale=2, parameters=7, runner="r", config={"a": 1})],
        pictures=[Pictures(name="Set5", scale=2, count=1, lr="made")],
        quality=[Quality(subject="w", dataset="Set5", protocol="y_float", scale=2, images=[image],
                         mean_psnr=math.inf, mean_ssim=1.0)],
        against_published=[Difference(subject="w", dataset="Set5", protocol="y_float", network="PiperSR",
                                      published_psnr=37.604, published_ssim=None, psnr=math.inf, ssim=None,
                                      source="s")],
    )  # fmt: skip


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    save(evaluation(), tmp_path / "q.json")
    assert load(tmp_path / "q.json") == evaluation().model_copy(
        update={"provenance": load(tmp_path / "q.json").provenance}
    )
    assert [path.name for path in tmp_path.iterdir()] == ["q.json"]


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such record"):
        load(tmp_path / "q.json")
    (tmp_path / "q.json").write_text("{")
    with pytest.raises(InputError, match=r"does not follow the schema: \(file\)"):
        load(tmp_path / "q.json")
    (tmp_path / "q.json").write_text(evaluation().model_dump_json().replace('"kind":"weights"', '"kind":"x"'))
    with pytest.raises(InputError, match=r"subjects\.0\.kind") as caught:
        load(tmp_path / "q.json")
    assert caught.value.where == str(tmp_path / "q.json")
