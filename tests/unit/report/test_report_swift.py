import re

import pytest

from pipersr_build.errors import InputError
from pipersr_build.report import swift


@pytest.fixture(scope="module")
def program(tiny):
    return swift.program(tiny.video)


def test_the_program_names_the_package_its_features_and_its_sizes(tiny, program):
    from pipersr_build.mil.package import open_package

    interface = open_package(tiny.video).interface
    (given,), (made,) = interface.inputs, interface.outputs
    assert f'URL(fileURLWithPath: "{tiny.video.name}")' in program
    assert f'let (inputName, outputName) = ("{given.name}", "{made.name}")' in program
    assert "let (width, height) = (34, 20)" in program
    assert "let (outWidth, outHeight) = (68, 40)" in program
    assert "34x20 in, 68x40 out" in program


def test_no_place_is_left_open(program):
    assert re.findall(r"__\w+__", program) == []


def test_the_program_says_that_it_was_not_measured(program):
    assert "not compiled and not measured" in program


def test_brackets_pair_up(program):
    """The nearest to a compiler here; strings of this program hold pairs only."""
    pairs, opened = {")": "(", "]": "[", "}": "{"}, []
    for number, line in enumerate(program.splitlines(), 1):
        for sign in re.sub(r"//.*", "", line):
            if sign in "([{":
                opened.append((sign, number))
            elif sign in pairs:
                assert opened, f"line {number}"
                assert opened.pop()[0] == pairs[sign], f"line {number}"
    assert opened == []


def test_an_image_package_has_no_such_program_in_its_export(tiny, tmp_path):
    import shutil
    from types import SimpleNamespace

    for path in (tiny.image, tiny.video):
        shutil.copytree(path, tmp_path / path.name)
    kinds = {tiny.image.name: "image", tiny.video.name: "video", "video_s.mlpackage": "video with state"}
    packages = [SimpleNamespace(file=file, kind=kind, function="") for file, kind in kinds.items()]
    record = SimpleNamespace(packages=packages)
    swift.write_programs(record, tmp_path)
    written = sorted(path.name for path in tmp_path.glob("*.swift"))
    assert written == [tiny.video.with_suffix(".swift").name]
    assert (tmp_path / written[0]).read_text() == swift.program(tiny.video)


def test_a_package_of_something_else_is_refused(tmp_path):
    with pytest.raises(InputError):
        swift.program(tmp_path / "absent.mlpackage")
