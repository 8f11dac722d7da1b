import gc
import json
import zipfile
from pathlib import Path

import pytest

from pipersr_build import quiet
from pipersr_build.errors import InputError
from pipersr_build.placement.agreement import Agreement, compare

MEASURED = Path(__file__).parents[4] / "shared" / "data" / "placement"


def case(name: str, *ops: tuple[str, str, list[str]], units: str = "CPU_AND_NE") -> str:
    told = [{"output_name": o, "operator_name": n, "supported": s, "preferred": "CPU"} for o, n, s in ops]
    return json.dumps({"case": name, "kind": "iso", "compute_units": units, "ops": told}) + "\n"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages `iso/net` (relu, atanh) and `iso/other`, made by coremltools."""
    ct = quiet.coremltools()
    from coremltools.converters.mil import Builder as mb  # noqa: N813
    from coremltools.converters.mil.mil import types

    @mb.program(input_specs=[mb.TensorSpec((1, 8, 32), dtype=types.fp16)], opset_version=ct.target.iOS18)
    def program(x):  # type: ignore[no-untyped-def]
        return mb.atanh(x=mb.relu(x=x, name="r"), name="a")

    root = tmp_path_factory.mktemp("packages")
    with quiet.conversion():
        model = ct.convert(program, minimum_deployment_target=ct.target.iOS18, skip_model_load=True)
        for name in ("net", "other"):
            model.save(str(root / "iso" / f"{name}.mlpackage"))
        del model
        gc.collect()  # coremltools leaves its scratch folder to the collector, which would warn in some test
    return root


def agreement(packages: Path, tmp_path: Path, *lines: str) -> Agreement:
    truth = tmp_path / "truth.jsonl"
    truth.write_text("".join(lines))
    return compare(packages, truth)


BOTH = ["CPU", "ANE"]


def test_counts(packages: Path, tmp_path: Path) -> None:
    told = case("net", ("r", "ios18.relu", ["CPU"]), ("a", "ios18.atanh", ["CPU"]), ("c", "ios18.cast", BOTH))
    found = agreement(packages, tmp_path, told, case("net", units="ALL"))
    assert (found.agree, found.disagree, found.unknown, found.unmeasured) == (1, 1, 0, 0)
    assert found.inserted == {"cast": 1}
    assert (found.packages, found.without_truth) == (1, 1)
    assert found.share == 0.5
    assert found.differences[0].startswith("iso/net: relu 'r': rules yes, Core ML no (")
    assert str(found) == (
        "50.00 % of verdicts agree: 1 agree, 1 disagree, 0 unknown in 1 packages; 1 operations inserted by "
        "Core ML, 0 not measured, 1 packages without truth"
    )


def test_unknown_verdicts_and_unmeasured_operations_count_apart(packages: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    truth.write_text(case("net", ("r", "ios18.relu", BOTH)))
    found = compare(packages, truth, chip="h14")
    assert (found.agree, found.disagree, found.unknown, found.unmeasured) == (0, 0, 1, 1)
    assert found.share is None
    assert "no verdicts" in str(found)


def test_a_zip_is_read_like_the_folder_in_it(packages: Path, tmp_path: Path) -> None:
    archive = tmp_path / "packages.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for file in packages.rglob("*"):
            out.write(file, file.relative_to(packages))
    assert agreement(archive, tmp_path, case("net", ("r", "ios18.relu", BOTH))).agree == 1


def test_unreadable_files_are_reported(packages: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 1 is not a case"):
        agreement(packages, tmp_path, "{}\n")
    with pytest.raises(InputError, match="the truth file cannot be read"):
        compare(packages, tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="the packages cannot be read"):
        agreement(tmp_path / "none.zip", tmp_path)


@pytest.mark.skipif(not MEASURED.is_dir(), reason=f"needs the measured packages in {MEASURED}")
def test_the_rules_agree_with_core_ml(capsys: pytest.CaptureFixture[str]) -> None:
    """On the half of the measurements that the rules were written with: not a blind test."""
    found = compare(MEASURED / "dev_packages.zip", MEASURED / "dev_truth.jsonl")
    with capsys.disabled():
        print(f"\nplacement rules against Core ML: {found}")
    assert found.packages >= 200
    assert found.share is not None
    assert found.share >= 0.99, found.differences
    assert found.unknown <= 0.01 * (found.agree + found.disagree + found.unknown), found.differences
