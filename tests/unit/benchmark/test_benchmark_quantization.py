import pytest

from pipersr_build.benchmark import quantization, quantization_record, runs
from pipersr_build.errors import InputError

WORDS = ["data=photos", "training.steps=2", "training.batch=2", "training.patch=16", "training.threads=1",
         "model.channels=6", "model.blocks=1", "export.image.tile=48"]  # fmt: skip
NAME = "small_identity_relu1"


@pytest.fixture
def somewhere(tmp_path, monkeypatch):
    """An empty working folder, and one small picture to measure on."""
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    Image.effect_noise((64, 48), 40).convert("RGB").save(tmp_path / "set" / "one.png")
    return tmp_path / "record.json"


def test_a_network_gives_three_packages_and_is_not_trained_again(somewhere, monkeypatch):
    words = [*WORDS, "evaluation.folder=set"]
    record = quantization.main([*words, NAME], somewhere)
    [row] = record.rows
    assert [(one.form, one.dataset) for one in row.scores] == [(f, "set") for f in ("fp16", "ptq", "qat")]
    assert row.bytes.keys() == {"fp16", "ptq", "qat"}
    assert len({one.psnr for one in row.scores}) == 3
    assert quantization_record.load(somewhere) == record
    monkeypatch.setattr(runs, "train_network", lambda _: pytest.fail("trained again"))
    assert quantization.main([*words, NAME], somewhere) == record
    somewhere.unlink()  # an interruption before the record: the trainings are there
    again = quantization.main([*words, NAME], somewhere)
    assert again.rows[0].scores == row.scores
    with pytest.raises(InputError, match=r"another budget .*tile is 48 there, 56 here"):
        quantization.main([*words, "export.image.tile=56", NAME], somewhere)
    table = quantization_record.table(record)
    assert "| small | yes | ReLU1 | set |" in table
    assert f"PTQ, least lost first: {NAME} (" in table


def test_nothing_is_written_before_the_first_row(somewhere, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "train_network", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quantization.main([*WORDS, "evaluation.folder=set", NAME], somewhere)
    assert not somewhere.exists()


def test_what_cannot_be_asked_for():
    with pytest.raises(InputError, match="no network 'huge'"):
        quantization.main(["huge"], None)
    with pytest.raises(InputError, match="set by the benchmark"):
        quantization.main(["training.form=quantized"], None)


def test_the_four_corners_of_both_sizes():
    assert len(quantization.VARIANTS) == 8
    assert quantization.VARIANTS["medium_random_relu"].words == [
        "model=quicksrnet_medium_2x", "model.identity=false", "model.activation=relu",
    ]  # fmt: skip
