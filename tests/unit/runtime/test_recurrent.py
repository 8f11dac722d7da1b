import numpy as np
import pytest

from pipersr_build.errors import InputError
from pipersr_build.mil.package import open_package
from pipersr_build.runtime.recurrent import RecurrentUpscaler, mean_luma


def test_the_luma_of_plain_colours():
    frame = np.zeros((1, 3, 2, 2), np.float16)
    lumas = []
    for colour in range(3):
        frame[:] = 0
        frame[0, colour] = 1
        lumas.append(mean_luma(frame))
    assert lumas == [0.299, 0.587, 0.114]


@pytest.mark.parametrize("kind", ["image", "video"])
def test_packages_without_a_state_are_refused(tiny, kind):
    with pytest.raises(InputError, match="frame and a state"):
        RecurrentUpscaler(open_package(getattr(tiny, kind)))
