import pytest
import torch
from PIL import Image

from pipersr_build import models
from pipersr_build.benchmark import numerics, numerics_record
from pipersr_build.errors import InputError
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.weights import save_weights


def save(path, **settings):
    config = PiperSRConfig(blocks=1, channels=8, **settings)
    network, random = models.build(config), torch.Generator().manual_seed(0)
    for parameter in network.parameters():  # as built, it repeats pixels, whatever its activation
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=random)
    save_weights(path, network, config, path.stem)


@pytest.fixture
def words(tmp_path, monkeypatch):
    """Small weights with SiLU and with ReLU and one small picture, in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    Image.effect_noise((48, 40), 40).convert("RGB").save(tmp_path / "set" / "one.png")
    save(tmp_path / "smooth.safetensors")
    save(tmp_path / "sharp.safetensors", activation="relu")
    return ["evaluation.folder=set", "export.image.tile=32"]


def test_every_form_is_simulated_once_and_compared_with_fp16(words, tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    first = numerics.main(["smooth.safetensors", *words], path)
    record = numerics.main(["smooth.safetensors", "sharp.safetensors", *words], path)
    assert numerics_record.load(path) == record
    assert record.subjects[0] == first.subjects[0]
    smooth, sharp = record.subjects
    assert [row.form for row in smooth.rows] == list(numerics_record.FORMS)
    assert [row.form for row in sharp.rows] == ["fp16", "ane"]
    whole, lost = smooth.mean("fp16", "set"), smooth.mean("ane", "set")
    assert (whole.most_lost, whole.worst_pixel) == (0, 0)
    assert lost.most_lost == pytest.approx(whole.psnr - lost.psnr)  # there is one picture
    errors = [smooth.mean(form, "set").nearest for form in ("ane", "sums")]
    assert errors[0] < errors[1]
    assert [one.kind for one in smooth.sums] == ["conv"] * 4
    assert all(0 < one.largest <= one.partial < 32768 / one.margin * 1.001 for one in smooth.sums)
    assert [one.kind for one in smooth.tables] == ["silu"]
    assert 0 < smooth.tables[0].rms <= smooth.tables[0].worst < 1.6e-2
    assert sharp.tables == []
    monkeypatch.setattr(numerics, "_upscaler", lambda *_: pytest.fail("simulated again"))
    assert numerics.main(["sharp.safetensors", *words], path) == record


def test_the_tables_say_what_was_lost_and_what_is_left(words, tmp_path):
    record = numerics.main(["smooth.safetensors", *words], tmp_path / "record.json")
    text, (subject,) = numerics_record.table(record), record.subjects
    whole, ane = (subject.mean(form, "set") for form in ("fp16", "ane"))
    assert f"| {ane.psnr:.3f} | {whole.psnr - ane.psnr:.3f} |" in text
    assert "Simulated, not measured on an engine" in text
    margins = numerics_record.margin_table(record)
    assert margins.count("| conv `") == len(subject.sums) == 4
    assert f"| {subject.tables[0].worst:.2g} |" in margins


def test_an_interrupted_run_goes_on_where_it_was(words, tmp_path, monkeypatch):
    path, compared = tmp_path / "record.json", numerics._compared

    def stop(form, *rest):
        if form == "ane":
            raise KeyboardInterrupt
        return compared(form, *rest)

    monkeypatch.setattr(numerics, "_compared", stop)
    with pytest.raises(KeyboardInterrupt):
        numerics.main(["smooth.safetensors", *words], path)
    assert [row.form for row in numerics_record.load(path).subjects[0].rows] == [
        *("fp16", "tables", "sampled", "by_sigmoid", "by_tanh")
    ]
    done = []
    monkeypatch.setattr(numerics, "_compared", lambda form, *rest: done.append(form) or compared(form, *rest))
    record = numerics.main(["smooth.safetensors", *words], path)
    assert done == ["ane", "sums"]
    assert [row.form for row in record.subjects[0].rows] == list(numerics_record.FORMS)


def test_what_cannot_be_compared_is_refused(words, tmp_path):
    path = tmp_path / "record.json"
    save(tmp_path / "larger.safetensors", scale=3)
    with pytest.raises(InputError, match="enlarge 2 and 3 times"):
        numerics.main(["sharp.safetensors", "larger.safetensors", *words], path)
    with pytest.raises(InputError, match="no such record"):
        numerics_record.load(path)
    numerics.main(["sharp.safetensors", *words], path)
    with pytest.raises(InputError, match="other pictures or settings"):
        numerics.main(["sharp.safetensors", *words, "evaluation.protocol=y_uint8"], path)
    path.write_text("{}")
    with pytest.raises(InputError, match="does not follow the schema"):
        numerics_record.load(path)
