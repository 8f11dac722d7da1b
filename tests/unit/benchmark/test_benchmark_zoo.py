import importlib.util
from pathlib import Path

import pytest

from pipersr_build.benchmark import zoo
from pipersr_build.errors import InputError
from pipersr_build.report.documents import RECORDS, zoo_table
from pipersr_build.zoo.samples import SAMPLES

needs_spandrel = pytest.mark.skipif(
    importlib.util.find_spec("spandrel") is None, reason="spandrel (the extra zoo) is not installed"
)
CONDITIONS = {"chip": "h16", "target": "macOS13"}


@needs_spandrel
@pytest.mark.parametrize("name", ["Compact", "SwinIR", "PLKSR"])
def test_architectures_that_come_through(name):
    row = zoo.measure(name, SAMPLES[name], **CONDITIONS)
    assert row.passes
    assert row.reached == "done"
    assert row.fold_error == 0
    assert row.parity_db > 60


# coremltools leaves its temporary folder to the garbage collector when a conversion fails
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@needs_spandrel
def test_an_operation_that_cannot_be_converted_is_named():
    row = zoo.measure("ATD", SAMPLES["ATD"], **CONDITIONS)
    assert row.reached == "folded"
    assert not row.passes
    assert "`sort`" in row.error


@needs_spandrel
def test_an_operation_that_the_engine_refuses_is_named():
    row = zoo.measure("SeemoRe", SAMPLES["SeemoRe"], **CONDITIONS)
    assert row.refused == {"topk": 1}
    assert not row.passes
    assert row.parity_db > 50


def test_the_record_has_every_architecture_and_is_what_the_document_shows():
    record = zoo.load_record(RECORDS / "zoo.json")
    assert [row.name for row in record.rows] == list(SAMPLES)
    assert zoo_table() in (Path(RECORDS).parents[2] / "docs" / "how_to" / "third_party.md").read_text()
    passing = {row.architecture for row in record.rows if row.passes}
    assert {"ESRGAN", "Compact", "SwinIR", "HAT", "DAT"} <= passing


def test_an_unknown_architecture_is_refused(tmp_path):
    with pytest.raises(InputError, match="no architecture 'Nothing'"):
        zoo.main(["Nothing"], tmp_path / "zoo.json", **CONDITIONS)
