from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipersr_build.config import load
from pipersr_build.export.build import build
from pipersr_build.export.contracts import Contract
from pipersr_build.mil.census import census
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.package import Package, open_package
from pipersr_build.placement.check import capabilities
from pipersr_build.placement.predict import predict

FP16 = 2e-3  # of values up to 1: two roundings of a half's 11 bits, and a sum of a few parts


class Shuffled(nn.Module):
    """A convolution of 3 to 12 channels, and the shuffle `rearrange` by 2."""

    def __init__(self, rearrange) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 3, padding=1)
        self.rearrange = rearrange

    def forward(self, x: Tensor) -> Tensor:
        return self.rearrange(self.conv(x))


def by_hand(x: Tensor) -> Tensor:
    return x.unflatten(1, (3, 2, 2)).permute(0, 1, 4, 2, 5, 3).flatten(4).flatten(2, 3)


def by_hand_depth_first(x: Tensor) -> Tensor:
    return x.unflatten(1, (2, 2, 3)).permute(0, 3, 4, 1, 5, 2).flatten(4).flatten(2, 3)


def there_and_back(x: Tensor) -> Tensor:
    rows = x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
    small = rows.permute(0, 1, 3, 5, 2, 4).flatten(1, 3)
    return torch.pixel_shuffle(torch.relu(small), 2)


def windows(x: Tensor) -> Tensor:
    cut = x.unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).permute(0, 2, 4, 3, 5, 1)
    some = torch.tanh(cut.flatten(3, 4).flatten(0, 2))
    back = some.unflatten(1, (8, 8)).unflatten(0, (1, 2, 2)).permute(0, 5, 1, 3, 2, 4)
    return torch.pixel_shuffle(back.flatten(4).flatten(2, 3), 2)


def export(network: nn.Module, folder: Path, *, rewrite: bool = True, size=(16, 24)) -> Package:
    contract = Contract("video", "t", *size)
    made = build(network, [contract], folder, deployment="macOS13", title="t", metadata={}, rewrite=rewrite)
    return open_package(next(made)[1])


def check(network: nn.Module, package: Package, size=(16, 24), within: float = FP16) -> None:
    """The package, read back and interpreted, agrees with PyTorch."""
    lr = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)).half()
    with torch.inference_mode():
        expected = network(lr.float()).numpy()
    found = Interpreter(package).run({"lr": lr.numpy()})["sr"].astype(np.float32)
    assert np.abs(found - expected).max() <= within * max(1.0, np.abs(expected).max())


def answers(package: Package) -> set[str]:
    return {found.answer for found in capabilities(package.main)}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("rearrange", "expected"),
    [
        (by_hand, {"conv": 1, "pixel_shuffle": 1}),
        (by_hand_depth_first, {"conv": 1, "depth_to_space": 1}),
        (there_and_back, {"conv": 1, "pixel_unshuffle": 1, "relu": 1, "pixel_shuffle": 1}),
    ],
)
def test_a_shuffle_by_hand_becomes_the_operation(rearrange, expected, tmp_path):
    network = Shuffled(rearrange)
    package = export(network, tmp_path)
    assert census(package.main) == expected
    check(network, package)
    assert answers(package) == {"yes"}


def test_without_rewriting_the_shuffle_stays_as_it_was_written(tmp_path):
    package = export(Shuffled(by_hand), tmp_path, rewrite=False)
    assert {"reshape", "transpose"} <= set(census(package.main))
    check(Shuffled(by_hand), package, within=10)


def test_windows_keep_within_five_axes(tmp_path):
    network = Shuffled(windows)
    package = export(network, tmp_path, size=(16, 16))
    assert max(len(t.shape) for t in package.main.types().values()) == 5
    check(network, package, (16, 16))


@pytest.mark.parametrize(
    ("options", "convolutions", "crops"),
    [
        ({"kernel_size": 16, "stride": 8}, 4, 4),
        ({"kernel_size": 17, "padding": 8}, 4, 4),
        ({"kernel_size": 17, "padding": "same"}, 4, 4),
        ({"kernel_size": (1, 21), "padding": (0, 10)}, 2, 2),
        ({"kernel_size": (33, 1), "padding": (16, 0)}, 2, 2),
        ({"kernel_size": 31, "padding": 15, "padding_mode": "zeros"}, 9, 9),
    ],
)  # fmt: skip
def test_a_large_kernel_becomes_a_sum(options, convolutions, crops, tmp_path):
    network = nn.Conv2d(3, 6, **options)
    package = export(network, tmp_path, size=(32, 48))
    assert census(package.main)["conv"] == convolutions
    assert census(package.main)["add"] == convolutions - 1
    assert census(package.main).get("slice_by_index", 0) <= crops
    check(network, package, (32, 48))
    assert answers(package) == {"yes"}


def test_a_large_dilated_kernel_of_groups_becomes_a_sum(tmp_path):
    network = nn.Conv2d(3, 6, 16, padding=15, dilation=2, groups=3)
    package = export(network, tmp_path)
    assert census(package.main) == {"conv": 4, "slice_by_index": 4, "add": 3}
    check(network, package)


def test_parts_of_a_kernel_that_see_only_padding_are_left_out(tmp_path):
    network = nn.Conv2d(3, 3, 45, padding=22)
    package = export(network, tmp_path, size=(8, 8))
    assert census(package.main)["conv"] < 16
    check(network, package, (8, 8))


@pytest.mark.parametrize(
    "options", [{"kernel_size": 15, "padding": 7}, {"kernel_size": (31, 1), "padding": (15, 0)}]
)
def test_a_kernel_that_the_engine_takes_stays_whole(options, tmp_path):
    network = nn.Conv2d(3, 3, **options)
    assert census(export(network, tmp_path, size=(32, 32)).main) == {"conv": 1}


def test_advice_and_export_divide_a_kernel_alike(tmp_path):
    network = nn.Conv2d(3, 3, (20, 33), padding=(9, 16))
    before, after = (export(network, tmp_path / str(on), rewrite=on, size=(32, 48)) for on in (False, True))
    said = "; ".join(predict(before)[0].operations[0].advice)
    counted = census(after.main)["conv"]
    largest = [max(op.constant("weight").type.shape[i] for op in after.main.operations if op.type == "conv")
               for i in (2, 3)]  # fmt: skip
    assert f"{counted} convolutions of at most {largest[0]}×{largest[1]}" in said


def test_the_switch_is_a_setting():
    assert load().export.rewrite
    assert not load(["export.rewrite=false"]).export.rewrite


def test_a_large_kernel_stays_without_rewriting(tmp_path):
    assert census(export(nn.Conv2d(3, 3, 17, padding=8), tmp_path, rewrite=False).main) == {"conv": 1}


class Ends(nn.Module):
    """A convolution, a pixel shuffle, and `after` at the end."""

    def __init__(self, after) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 3, padding=1)
        self.after = after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(torch.pixel_shuffle(self.conv(x), 2))


def test_a_last_relu_goes_before_the_shuffle(tmp_path):
    package = export(Ends(torch.relu), tmp_path)
    assert [op.type for op in package.main.operations] == ["conv", "relu", "pixel_shuffle"]
    check(Ends(torch.relu), package, within=10)


@pytest.mark.parametrize(
    ("after", "last"),
    [
        (lambda y: torch.relu(y).clamp(0, 1), ["clip"]),
        (lambda y: torch.relu(torch.sigmoid(y)), ["sigmoid"]),
        (lambda y: torch.relu(y).clamp(-1, 1), ["relu", "clip"]),
        (lambda y: torch.relu(torch.tanh(y)), ["tanh", "relu"]),
    ],
)
def test_only_a_relu_that_changes_nothing_goes(after, last, tmp_path):
    network = Ends(after)
    package = export(network, tmp_path)
    assert [op.type for op in package.main.operations] == ["conv", "pixel_shuffle", *last]
    check(network, package)
    assert package.interface.outputs[0].name == "sr"
