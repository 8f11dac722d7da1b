from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipersr_build.evaluation.names import distinct

PART = st.sampled_from(["a", "b", "x.mlpackage"])
PATHS = st.lists(
    st.lists(PART, min_size=1, max_size=4).map(lambda parts: Path(*parts)), unique=True, max_size=6
)


def test_one_name_needs_no_folder() -> None:
    assert distinct([]) == []
    assert distinct([Path("/home/me/runs/mine/weights.safetensors")]) == ["weights.safetensors"]


def test_folders_are_added_until_names_differ() -> None:
    paths = [Path("runs/a/weights.safetensors"), Path("runs/b/weights.safetensors"), Path("image.mlpackage")]
    assert [name.split("/")[-2:] for name in distinct(paths)][:2] == [
        ["a", "weights.safetensors"],
        ["b", "weights.safetensors"],
    ]


@given(PATHS)
def test_names_differ_and_end_their_paths(paths: list[Path]) -> None:
    names = distinct(paths)
    assert len(set(names)) == len(paths)
    for path, name in zip(paths, names, strict=True):
        assert str(path.absolute()).endswith(f"/{name}")
