import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipersr_build.data import resident
from pipersr_build.data.degradations import Pipeline
from pipersr_build.data.pictures import Picture
from pipersr_build.data.resident import ResidentSampler, resident_bytes
from pipersr_build.data.sampler import PatchSampler
from pipersr_build.errors import InputError, MachineError

PICTURES = [
    Picture(f"p{index}", np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8))
    for index, shape in enumerate([(24, 37, 3), (25, 24, 3), (40, 28, 3)])
]
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
@given(
    st.sampled_from([1, 1.5, 2, 3, 4]),
    st.sampled_from([2, 4, 6]),
    st.integers(0, 10**6),
    st.sampled_from([(0, 1), (1, 3), (5, 6)]),
)
def test_batches_are_the_hosts_bit_for_bit(
    device: str, scale: float, patch: int, step: int, place: tuple[int, int]
) -> None:
    host = PatchSampler(PICTURES, patch, scale, 24, step, emphasis=[1, 2, 0.5])
    for ours, theirs in zip(
        ResidentSampler(host, device).batch(step, *place), host.batch(step, *place), strict=True
    ):
        assert ours.device.type == device
        assert torch.equal(ours.cpu(), theirs)
        assert ours.dtype == torch.float32
        assert ours.stride() == theirs.stride()


@pytest.mark.parametrize("device", DEVICES)
def test_all_256_levels_are_divided_as_on_the_host(device: str) -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    host = PatchSampler([Picture("levels", levels)], 16, 1, 1, 0)
    assert torch.equal(ResidentSampler(host, device).batch(0)[1].cpu(), host.batch(0)[1])


def test_resized_shares_the_memory() -> None:
    host = PatchSampler(PICTURES, 4, 2, 8, 0)
    ours = ResidentSampler(host, "cpu")
    other = ours.resized(7, 3)
    assert other._hr.pixels.data_ptr() == ours._hr.pixels.data_ptr()
    for a, b in zip(other.batch(9), host.resized(7, 3).batch(9), strict=True):
        assert torch.equal(a, b)
    assert ours.batch(9)[0].shape == (8, 3, 4, 4)
    with pytest.raises(InputError, match="a patch needs 26x26"):
        ours.resized(13, 1)


def test_pictures_lie_on_the_device_once_and_progress_counts_them() -> None:
    host = PatchSampler(PICTURES, 4, 2, 8, 0)
    seen: list[tuple[int, int, str]] = []
    ours = ResidentSampler(host, "cpu", progress=lambda *what: seen.append(what))
    assert seen == [(index + 1, 6, f"p{index % 3}") for index in range(6)]
    assert ours._lr.pixels.numel() + ours._hr.pixels.numel() == resident_bytes(host)
    assert ours._hr.pixels.dtype == torch.uint8


def test_degradations_are_refused() -> None:
    with pytest.raises(InputError, match="degradations work on the host"):
        ResidentSampler(PatchSampler(PICTURES, 4, 2, 8, 0, degrade=Pipeline(())), "cpu")


def test_too_little_memory_is_found_before_the_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    host, device = PatchSampler(PICTURES, 4, 2, 8, 0), torch.device("cuda")
    free = resident_bytes(host) / 0.8
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free + 1, free * 9))
    resident._check_memory(host, device)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free - 1, free * 9))
    with pytest.raises(MachineError, match="GiB") as caught:
        resident._check_memory(host, device)
    assert "data.resident=false" in str(caught.value.fix)
