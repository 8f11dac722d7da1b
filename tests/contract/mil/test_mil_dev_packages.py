"""219 packages of single operations, measured on a Mac for placement: every one opens and runs."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from mil_packages import run

from pipersr_build.mil.package import check_weights, open_package
from pipersr_build.mil.prepare import unknown_operations

ARCHIVE = Path(__file__).resolve().parents[4] / "shared/data/placement/dev_packages.zip"

# Outputs that are not finite with standard normal inputs, by their formula: the logarithm of negative
# sums, the inverse hyperbolic tangent beyond 1, and its sum in the chain that follows a `mod` by zero.
NOT_FINITE = {"iso/atanh", "iso/reduce_log_sum_c", "ctx/reduce_log_sum_c", "ctx/mod"}


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    if not ARCHIVE.is_file():
        pytest.skip(f"needs {ARCHIVE.name} at ../shared/data/placement")
    folder = tmp_path_factory.mktemp("dev_packages")
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    return sorted(folder.glob("*/*.mlpackage"))


def test_every_operation_is_known(packages):
    unknown = {
        path.stem: found for path in packages if (found := unknown_operations(open_package(path).main))
    }
    assert len(packages) == 219
    assert not unknown


def random_input(feature, case, rng):
    if feature.dtype != "int32":
        return rng.standard_normal(feature.shape).astype(
            {"fp16": np.float16, "fp32": np.float32}[feature.dtype]
        )
    values = rng.integers(0, 2, feature.shape).astype(np.int32)
    if case == "gather_nd":
        values[:, 0] = 0  # that axis has one element
    return values


def test_every_package_runs_with_the_declared_shapes(packages):
    """`run` compares every operation's shape with the declared one."""
    rng = np.random.default_rng(0)
    not_finite = set()
    for path in packages:
        package = open_package(path)
        check_weights(package)
        results = run(package, *(random_input(f, path.stem, rng) for f in package.interface.inputs))
        if not all(np.isfinite(result).all() for result in results):
            not_finite.add(f"{path.parent.name}/{path.stem}")
    assert not_finite == NOT_FINITE
