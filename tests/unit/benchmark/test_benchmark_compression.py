import pytest
from PIL import Image

from pipersr_build import models
from pipersr_build.benchmark import compression, compression_record
from pipersr_build.errors import InputError
from pipersr_build.models.quicksrnet import QuickSRNetConfig
from pipersr_build.models.weights import save_weights
from tests.unit.report.report_records import provenance


@pytest.fixture
def words(tmp_path, monkeypatch):
    """Small weights and one small picture to measure on, in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    Image.effect_noise((64, 48), 40).convert("RGB").save(tmp_path / "set" / "one.png")
    config = QuickSRNetConfig(channels=24, blocks=1, random=0.5)
    save_weights(tmp_path / "w.safetensors", models.build(config), config, "small")
    return ["weights=w.safetensors", "evaluation.folder=set", "export.image.tile=32"]


def test_packages_are_measured_once_and_compared_with_the_whole_one(words, tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    some = compression.main([*words, "export.compress=[palette4]"], path)
    assert [row.method for row in some.rows] == ["", "palette4"]
    record = compression.main([*words, "export.compress=[w8a8,palette4]"], path)
    assert [row.method for row in record.rows] == ["", "palette4", "w8a8"]
    assert record.rows[:2] == some.rows
    assert compression_record.load(path) == record
    whole, *smaller = record.rows
    assert all(row.bytes < whole.bytes and row.psnr != whole.psnr for row in smaller)
    table = compression_record.table(record).splitlines()
    assert table[2].startswith(f"| fp16, as it is | {whole.bytes:,} | 1.00 | {whole.psnr['set']:.3f} | – |")
    assert f"| {whole.psnr['set'] - smaller[0].psnr['set']:.3f} |" in table[3]
    monkeypatch.setattr(compression, "measure", lambda *_: pytest.fail("measured again"))
    assert compression.main([*words, "export.compress=[w8a8]"], path) == record
    with pytest.raises(InputError, match=r"other conditions .*keep_fp16 is 'ends' there, 'none' here"):
        compression.main([*words, "export.keep_fp16=none"], path)


@pytest.mark.parametrize(("dirty", "said"), [(True, True), (False, False), (None, False)])
def test_the_footer_says_when_the_tree_was_not_what_the_commit_holds(dirty, said):
    where = provenance().model_copy(update={"git_commit": "0123456789abcdef", "git_dirty": dirty})
    conditions = compression_record.Conditions(
        weights="w", weights_sha256="0" * 64, sets={"set": 1}, protocol="y_float", tile=32,
        target="macOS14", keep_fp16="ends", calibration="photographs",
    )  # fmt: skip
    row = compression_record.Row(method="", title="fp16", bytes=10, psnr={"set": 30.0}, ssim={"set": 0.9})
    record = compression_record.Compression(provenance=where, conditions=conditions, rows=[row])
    footer = compression_record.table(record).splitlines()[-1]
    assert footer.endswith("commit 0123456789, with uncommitted changes." if said else "commit 0123456789.")


def test_what_is_no_setting_is_refused(tmp_path):
    with pytest.raises(InputError, match="'int8' is not understood"):
        compression.main(["int8"], tmp_path / "record.json")
