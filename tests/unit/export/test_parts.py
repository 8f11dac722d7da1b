import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given
from hypothesis import strategies as st

from pipersr_build.export.passes.parts import LARGEST, PART, PART_COLUMN, divide


def rows(x: torch.Tensor, before: int, after: int) -> torch.Tensor:
    return F.pad(x, (0, 0, before, after))  # negative numbers crop


@given(
    kernel=st.integers(1, 70),
    extent=st.integers(1, 40),
    before=st.integers(0, 40),
    after=st.integers(0, 40),
    dilation=st.integers(1, 3),
    stride=st.integers(1, 4),
    across=st.sampled_from((1, 3)),
)
def test_the_parts_sum_to_the_whole(kernel, extent, before, after, dilation, stride, across):
    if extent + before + after < dilation * (kernel - 1) + 1:
        return
    generator = torch.Generator().manual_seed(kernel)
    x = torch.randint(-4, 5, (1, 1, extent, across), generator=generator).double()
    weight = torch.randint(-4, 5, (1, 1, kernel, across), generator=generator).double()
    whole = F.conv2d(rows(x, before, after), weight, stride=(stride, 1), dilation=(dilation, 1))
    parts = divide(kernel, across, extent, False, (before, after), dilation)
    total = torch.zeros_like(whole)
    for part in parts:
        seen = rows(rows(x, -part.crop[0], -part.crop[1]), *part.padding)
        total += F.conv2d(
            seen, weight[:, :, part.first : part.last], stride=(stride, 1), dilation=(dilation, 1)
        )
    assert torch.equal(total, whole)


@given(st.integers(1, 200), st.booleans(), st.integers(1, 3))
def test_parts_are_no_larger_than_every_chip_takes(kernel, horizontal, across):
    parts = divide(kernel, across, 500, horizontal, (0, 0), 1)
    column = not horizontal and across == 1
    largest = max(part.last - part.first for part in parts)
    assert len(parts) == 1 or largest <= (PART_COLUMN if column else PART)
    assert len(parts) > 1 or column or kernel <= LARGEST
    assert [part.first for part in parts[1:]] == [part.last for part in parts[:-1]]
