import importlib.util

import pytest

from pipersr_build import cli, models
from pipersr_build.benchmark import formats
from pipersr_build.benchmark.formats import SAMPLES, Row
from pipersr_build.commands import bench_formats
from pipersr_build.errors import InputError, MachineError
from pipersr_build.evidence import Provenance
from pipersr_build.export import formats as kinds
from pipersr_build.export.refusals import ConversionError
from pipersr_build.report.documents import RECORDS, ROOT, formats_table

PICTURES = []
needs_onnx = pytest.mark.skipif(
    importlib.util.find_spec("onnxscript") is None, reason="onnxscript (the extra onnx) is not installed"
)
needs_coreai = pytest.mark.skipif(
    importlib.util.find_spec("coreai_torch") is None, reason="coreai-torch is not installed"
)


def row(network="pipersr", kind="onnx", form="locked", **more):
    return Row.model_validate(
        {"network": network, "format": kind, "form": form, "files": 1, "reaches": 1.0, **more}
    )


def test_every_family_of_our_own_is_tried():
    families = {config.family for config in SAMPLES.values()}
    assert families == set(models.FAMILIES) - {"third_party"}


@needs_coreai
@pytest.mark.parametrize(
    ("name", "forms"), [("imdn", ["locked"]), ("paragonsr2, stream", ["locked", "state"])]
)
def test_what_coreai_does_not_know_is_written_otherwise(name, forms):
    found = bench_formats.measure(name, "coreai", PICTURES)
    assert [one.form for one in found] == forms
    assert all(one.passes and one.parity_db > 60 for one in found)


@needs_onnx
def test_an_operation_that_stands_in_the_way_is_named_and_ends_no_other_row(monkeypatch):
    def written(*asked):
        yield from real(*asked)
        raise ConversionError("aten.sort", "why", "title")

    real = bench_formats._written
    monkeypatch.setattr(bench_formats, "_written", written)
    found = bench_formats.measure("espcn", "onnx", PICTURES)
    assert [(one.form, one.passes, one.error) for one in found] == [
        ("locked", True, ""),
        ("any size", False, "no conversion of `aten.sort`"),
    ]


def test_the_record_goes_on_and_keeps_the_order(monkeypatch, tmp_path, capsys):
    def measured(name, kind, _):
        return [row(name, kind, parity_db=60.0 + len(name))]

    monkeypatch.setattr(bench_formats, "measure", measured)
    monkeypatch.setattr(kinds, "require", lambda _: None)
    for name in ("span", "pipersr", "span"):
        assert cli.main(["bench", f"runs={tmp_path}", "formats", name]) == 0
    record = formats.load(tmp_path / "bench" / "formats.json")
    assert [(one.network, one.format) for one in record.rows] == [
        ("pipersr", "onnx"), ("pipersr", "coreai"), ("span", "onnx"), ("span", "coreai"),
    ]  # fmt: skip
    assert record.provenance.command == f"pipersr-build bench formats runs={tmp_path.name} span"
    assert "| span | 64.0 dB | – | – | 64.0 dB | – | – |" in capsys.readouterr().out


def test_what_is_not_installed_is_said_and_without_either_it_is_another_machines_work(monkeypatch, capsys):
    def missing(*names):
        def require(name):
            if name in names:
                raise MachineError(f"{name} needs what is not installed", fix="install it")

        return require

    monkeypatch.setattr(kinds, "require", missing("coreai"))
    assert bench_formats._installed() == ["onnx"]
    assert "not measured: coreai needs" in capsys.readouterr().err
    monkeypatch.setattr(kinds, "require", missing("coreai", "onnx"))
    with pytest.raises(MachineError, match="neither"):
        bench_formats._installed()


def test_an_unknown_network_is_refused(tmp_path):
    with pytest.raises(InputError, match="no network 'nothing'"):
        bench_formats.main(["nothing"], tmp_path / "formats.json")


def test_the_table_names_what_failed_once_with_its_formats(provenance):
    rows = [
        row(parity_db=44.44, failed=["parity, onnxruntime, CPU"], reaches=11.0),
        row(form="any size", parity_db=None),
        row(kind="coreai", files=0, error="no conversion of `aten.var`"),
        row(kind="coreai", form="state", files=0, error="no conversion of `aten.var`"),
    ]
    text = formats.table(formats.Formats(provenance=provenance, versions={}, rows=rows))
    assert text.splitlines()[2] == (
        "| pipersr | **44.4 dB** | identical | – | no file | no file "
        "| ONNX: parity, onnxruntime, CPU (its values reach 11.0); Core AI: no conversion of `aten.var` |"
    )
    alone = formats.table(formats.Formats(provenance=provenance, versions={}, rows=rows[1:2]))
    assert alone.splitlines()[2] == "| pipersr | – | identical | – | not measured | not measured | – |"


@pytest.fixture
def provenance() -> Provenance:
    return formats.load(RECORDS / "formats.json").provenance


def test_the_shipped_record_has_every_network_and_is_what_the_document_shows():
    record = formats.load(RECORDS / "formats.json")
    assert list(dict.fromkeys(one.network for one in record.rows)) == list(SAMPLES)
    assert {(one.format, one.form) for one in record.rows} == {
        (kind, form) for kind, forms in formats.FORMS.items() for form in forms
    }
    assert formats_table() in (ROOT / "docs/how_to/formats.md").read_text()
    assert all(one.passes for one in record.rows if one.network == formats.REFERENCE)
