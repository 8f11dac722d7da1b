import pytest

from pipersr_build.benchmark import ablation
from pipersr_build.benchmark.ablation import Part, Variant
from pipersr_build.errors import InputError

TINY = ["model.blocks=1", "model.channels=4", "training.batch=2", "training.patch=8", "training.stages=null"]


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(ablation, "BUDGET", 4)
    monkeypatch.setattr(ablation, "VARIANTS", {
        "plain": Variant("as it is", (Part(()),)),
        "tuned": Variant("in two parts", (Part((), share=0.5),
                                          Part(("training.form=folded",), share=0.5, goes_on=True))),
    })  # fmt: skip


@pytest.mark.usefixtures("short")
def test_variants_are_trained_and_their_rows_replace_old_ones(tmp_path):
    path = tmp_path / "ablation.json"
    first = ablation.main([*TINY, "plain"], path)
    assert [row.variant for row in first.rows] == ["plain"]
    both = ablation.main([*TINY, "tuned", "plain"], path)
    assert [row.variant for row in both.rows] == ["plain", "tuned"]
    assert both.rows[0].psnr == first.rows[0].psnr
    assert both.rows[1].psnr != first.rows[0].psnr
    assert ablation.load_record(path) == both
    table = ablation.table(both)
    assert "| plain | as it is |" in table
    assert "+0.000 dB | 1.00 x |" in table


def test_an_unknown_variant_is_named(tmp_path):
    with pytest.raises(InputError, match="no variant 'magic'"):
        ablation.main(["magic"], tmp_path / "ablation.json")


@pytest.mark.parametrize("name", ablation.VARIANTS)
def test_every_variant_is_a_valid_configuration(name):
    from pipersr_build.config import load

    for part in ablation.VARIANTS[name].parts:
        words = [word.replace("{teacher}", "teacher.safetensors") for word in part.overrides]
        words += ["training.initial=before.safetensors"] if part.goes_on else []
        assert load([*ablation.BASE, *words]).training.batch >= 1
