import gc
import json
import zipfile
from pathlib import Path

import pytest

from pipersr_build import quiet
from pipersr_build.errors import InputError
from pipersr_build.placement.agreement import Agreement, compare, load, save, table

MEASURED = Path(__file__).parents[4] / "shared" / "data" / "placement"
BOTH = ["CPU", "ANE"]


def case(name: str, *ops: tuple[str, list[str], str], kind: str = "iso", units: str = "CPU_AND_NE") -> str:
    told = [{"output_name": o, "operator_name": "ios18.x", "supported": s, "preferred": p} for o, s, p in ops]
    return json.dumps({"case": name, "kind": kind, "compute_units": units, "ops": told}) + "\n"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages `iso/net`, `ctx/net` (relu, atanh) and `iso/other`, made by coremltools."""
    ct = quiet.coremltools()
    from coremltools.converters.mil import Builder as mb  # noqa: N813
    from coremltools.converters.mil.mil import types

    @mb.program(input_specs=[mb.TensorSpec((1, 8, 32), dtype=types.fp16)], opset_version=ct.target.iOS18)
    def program(x):  # type: ignore[no-untyped-def]
        return mb.atanh(x=mb.relu(x=x, name="r"), name="a")

    root = tmp_path_factory.mktemp("packages")
    with quiet.conversion():
        model = ct.convert(program, minimum_deployment_target=ct.target.iOS18, skip_model_load=True)
        for name in ("iso/net", "iso/other", "ctx/net"):
            model.save(str(root / f"{name}.mlpackage"))
        del model
        gc.collect()  # coremltools leaves its scratch folder to the collector, which would warn in some test
    return root


def agreement(packages: Path, tmp_path: Path, *lines: str, chip: str = "h16") -> Agreement:
    truth = tmp_path / "truth.jsonl"
    truth.write_text("".join(lines))
    return compare(packages, truth, chip=chip)


def counts(found: Agreement, name: str) -> tuple[int, int]:
    count = getattr(found, name)
    return count.agree, count.total


def test_what_is_supported_is_counted_per_operation(packages: Path, tmp_path: Path) -> None:
    told = case("net", ("r", ["CPU"], "CPU"), ("a", ["CPU"], "CPU"))
    found = agreement(packages, tmp_path, told, case("net", units="ALL"))
    assert counts(found, "supported") == (1, 2)
    assert counts(found, "preferred") == counts(found, "cases") == (0, 0)
    assert counts(found, "whole") == (0, 1)
    assert found.without_truth == 2
    assert found.differences[0].startswith("iso/net 'r': can: predicted yes, Core ML lists ('CPU',) (relu: ")


@pytest.mark.parametrize(("chosen", "right"), [("CPU", 2), ("ANE", 1)])
def test_what_is_preferred_is_counted_in_a_network(
    packages: Path, tmp_path: Path, chosen: str, right: int
) -> None:
    told = case("net", ("r", BOTH, chosen), ("a", ["CPU"], "CPU"), kind="ctx")
    found = agreement(packages, tmp_path, told)
    assert counts(found, "supported") == (2, 2)
    assert counts(found, "preferred") == (right, 2)
    assert counts(found, "cases") == counts(found, "whole") == (right - 1, 1)


def test_no_prediction_and_operations_that_core_ml_added_do_not_agree(packages: Path, tmp_path: Path) -> None:
    found = agreement(packages, tmp_path, case("net", ("added", BOTH, "ANE"), kind="ctx"))
    assert (found.supported.unknown, found.supported.agree) == (1, 0)
    assert (found.preferred.unknown, found.preferred.agree) == (1, 0)
    assert "not in the package" in found.differences[0]


def test_a_zip_is_read_like_the_folder_in_it(packages: Path, tmp_path: Path) -> None:
    archive = tmp_path / "packages.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for file in packages.rglob("*"):
            out.write(file, file.relative_to(packages))
    assert counts(agreement(archive, tmp_path, case("net", ("r", BOTH, "CPU"))), "supported") == (1, 1)


def test_a_record_can_be_kept_and_shown(packages: Path, tmp_path: Path) -> None:
    found = agreement(packages, tmp_path, case("net", ("r", BOTH, "CPU"), ("a", ["CPU"], "CPU")))
    save(found, tmp_path / "record.json")
    assert load(tmp_path / "record.json") == found
    assert "| operation: the engine can run it, or cannot | 2 | 2 | 100.00 % | 0 | 2 | 0 |" in table(found)


def test_unreadable_files_are_reported(packages: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 1 is not a case"):
        agreement(packages, tmp_path, "{}\n")
    with pytest.raises(InputError, match="the truth file cannot be read"):
        compare(packages, tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="the packages cannot be read"):
        agreement(tmp_path / "none.zip", tmp_path)


@pytest.mark.skipif(not MEASURED.is_dir(), reason=f"needs the measured packages in {MEASURED}")
def test_the_prediction_agrees_with_core_ml() -> None:
    """On the half of the measurements that the rules and rates were written with: not a blind test."""
    found = compare(MEASURED / "dev_packages.zip", MEASURED / "dev_truth.jsonl")
    assert found.supported.total >= 900
    assert found.cases.total >= 90
    for count in (found.supported, found.preferred, found.cases):
        assert count.share is not None
        assert count.share >= 0.99, found.differences
    assert found.cases.ties < found.cases.total  # not everything is a tie
