import pytest

from pipersr_build.benchmark import compression_record
from pipersr_build.benchmark.compression_record import Compression, Conditions, Row
from pipersr_build.errors import InputError
from pipersr_build.report import documents
from tests.unit.report.report_records import provenance


@pytest.fixture
def record():
    """A whole package and one of half its size, on two test sets."""
    conditions = Conditions(
        weights="mine", weights_sha256="ab" * 32, sets={"Set5": 5, "BSD100": 100}, protocol="y_float",
        tile=64, target="macOS14", keep_fp16="none", calibration="the photographs in pictures",
    )  # fmt: skip
    whole = Row(method="", title="fp16, as it is", bytes=2_000, psnr={"Set5": 37.5, "BSD100": 32.0},
                ssim={"Set5": 0.95, "BSD100": 0.9})  # fmt: skip
    half = Row(method="palette8", title="8-bit palettes", bytes=1_000, psnr={"Set5": 37.25, "BSD100": 32.125},
               ssim={"Set5": 0.94, "BSD100": 0.91})  # fmt: skip
    return Compression(provenance=provenance(), conditions=conditions, rows=[whole, half])


def test_what_is_saved_is_read_back(record, tmp_path):
    path = tmp_path / "made" / "record.json"
    compression_record.save(record, path)
    assert compression_record.load(path) == record
    assert [file.name for file in path.parent.iterdir()] == ["record.json"]


@pytest.mark.parametrize(
    ("content", "message", "fix"),
    [
        (None, "no such record", "bench compression"),
        ("not JSON", "does not follow the schema", "move it away"),
        ("{}", "does not follow the schema: Field required", "move it away"),
    ],
)
def test_a_record_that_cannot_be_read_says_why_and_what_to_do(content, message, fix, tmp_path):
    path = tmp_path / "record.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        compression_record.load(path)
    assert str(caught.value.where) == str(path)
    assert fix in str(caught.value.fix)


def test_a_record_with_a_key_of_another_version_is_refused(record, tmp_path):
    path = tmp_path / "record.json"
    path.write_text(record.model_dump_json().replace('"rows"', '"lines"'))
    with pytest.raises(InputError, match="does not follow the schema"):
        compression_record.load(path)


def test_a_row_says_size_and_loss_on_every_set(record):
    head, _, whole, half, *rest = compression_record.table(record).splitlines()
    assert head == "| package | bytes | size | Set5 | lost | BSD100 | lost |"
    assert whole == "| fp16, as it is | 2,000 | 1.00 | 37.500 | – | 32.000 | – |"
    assert half == "| `palette8`, 8-bit palettes | 1,000 | 0.50 | 37.250 | 0.250 | 32.125 | -0.125 |"
    assert "`export.keep_fp16=none`" in rest[-1]
    assert "Calibrated on the photographs in pictures" in rest[-1]


def test_the_document_names_the_command_as_long_as_there_is_no_record(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "RECORDS", tmp_path)
    assert documents.compression_table() == compression_record.not_measured()
    assert "`pipersr-build bench compression" in compression_record.not_measured()
