import errno
import shutil

import pytest

from pipersr_build.errors import InputError
from pipersr_build.export.write import write_package


class Model:
    def __init__(self, error):
        self.error = error

    def save(self, _path):
        raise self.error


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), shutil.Error([("a", "b", "No space left")])]
)
def test_a_full_disk_is_explained(error, tmp_path):
    with pytest.raises(InputError, match=r"disk is full|could not be written"):
        write_package(Model(error), tmp_path / "p.mlpackage", "d", {})


def test_a_bug_of_the_converter_is_not_taken_for_a_full_disk(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_package(Model(ZeroDivisionError()), tmp_path / "p.mlpackage", "d", {})
