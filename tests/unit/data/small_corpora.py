"""Corpora of a few small pictures, as folders, archives and tables of archives."""

import io
import json
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipersr_build.data.archives import Archive

TRAIN = ["01.png", "02.png", "03.png", "04.png"]
VALID = ["05.png", "06.png"]


def picture(seed: int, height: int = 40, width: int = 52) -> NDArray[np.uint8]:
    """A picture like no other."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def png(rgb: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def write_images(folder: Path, names: list[str], height: int = 40, width: int = 52) -> Path:
    """Images with pictures that differ by their names."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(picture(zlib.crc32(name.encode()), height, width)))
    return folder


def damage(path: Path) -> None:
    """Cut a file off."""
    path.write_bytes(path.read_bytes()[:-200])


def members(folder: str, names: list[str]) -> dict[str, bytes]:
    return {f"{folder}/{name}": png(picture(zlib.crc32(name.encode()))) for name in names}


def zipped(content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, data in content.items():
            opened.writestr(name, data)
    return buffer.getvalue()


def tarred(content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def archive(use: str, url: str = "http://localhost/", **changes: object) -> Archive:
    """The archive of `TRAIN` (use "train") or `VALID` (use "holdout")."""
    first, last = (1, 4) if use == "train" else (5, 6)
    fields = {
        "file": f"{use}.zip", "corpora": ["div2k"], "url": f"{url}{use}.zip", "folder": f"{use}_HR",
        "first": first, "last": last, "digits": 2, "use": use, "licence": "free", "source": "the tests",
    }  # fmt: skip
    return Archive.model_validate(fields | changes)


def table(*archives: Archive) -> str:
    """The archives as a table in TOML, whose strings and lists are also JSON's."""
    blocks = []
    for entry in archives:
        fields = entry.model_dump(exclude_none=True)
        blocks += ["[[archive]]", *(f"{key} = {json.dumps(value)}" for key, value in fields.items())]
    return "\n".join(blocks) + "\n"
