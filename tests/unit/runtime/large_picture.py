"""Run in a process of its own: a large picture through a network that repeats pixels; prints the peak memory.

Arguments: the source, the target.
"""

import resource
import sys
from pathlib import Path
from types import SimpleNamespace

from pipersr_build.mil.package import Feature, Interface
from pipersr_build.runtime.pictures import write_picture
from pipersr_build.runtime.upscale_picture import upscale_picture
from pipersr_build.runtime.upscaler import Upscaler

TILE, HALO = 256, 14


class Repeat:
    """A back end that makes four pixels of each."""

    name = "repeats"

    def __init__(self):
        source = Feature("lr", "image", "uint8", (TILE, TILE, 3), "RGB")
        self.interface = Interface(
            (source,), (Feature("sr", "image", "uint8", (2 * TILE, 2 * TILE, 3), "RGB"),)
        )

    def run(self, inputs):
        return {"sr": inputs["lr"].repeat(2, axis=0).repeat(2, axis=1)}


def package(interface):
    metadata = SimpleNamespace(userDefined={"pipersr_build.halo": str(HALO)})
    spec = SimpleNamespace(description=SimpleNamespace(metadata=metadata))
    function = SimpleNamespace(types=dict)
    return SimpleNamespace(
        path=Path("p.mlpackage"), spec=spec, interfaces={"main": interface}, functions={"main": function},
        default="main",
    )  # fmt: skip


def peak():
    """The most memory of this program, in bytes; rusage would count the process that started it too."""
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on a Mac


backend = Repeat()
upscaler = Upscaler(package(backend.interface), backend)
before = peak()
result = upscale_picture(Path(sys.argv[1]), upscaler)
write_picture(Path(sys.argv[2]), result)
print(peak(), result.samples.nbytes, before)
