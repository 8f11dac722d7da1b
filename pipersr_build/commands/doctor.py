"""`doctor`: what this machine can and cannot do."""

import platform
import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipersr_build import machine
from pipersr_build.commands import arguments
from pipersr_build.errors import MachineError
from pipersr_build.export import formats


def main(words: list[str]) -> int:
    """Print one row per capability; 0 if everything that every machine needs is there, else 3."""
    arguments.overrides_only(words)
    table = Table(title="this machine", title_justify="left")
    for column in ("what", "state", "means"):
        table.add_column(column, overflow="fold")
    rows = [_python(), _pair(), _bf16(), _cuda(), _mps(), _third_party(), *_formats(), *_core_ml()]
    for what, state, means, _ in rows:
        table.add_row(*map(escape, (what, state, means)))
    Console().print(table)
    return 0 if all(good for *_, good in rows) else 3


Row = tuple[str, str, str, bool]  # what, state, what it means, whether the toolkit can work with it


def _python() -> Row:
    good = sys.version_info >= (3, 11)
    return "Python", platform.python_version(), "3.11 or newer is needed" if not good else "good", good


def _pair() -> Row:
    found = {name: machine.version(name) for name in machine.TESTED}
    pair = ", ".join(f"{name} {version.partition('+')[0]}" for name, version in found.items())
    tested = ", ".join(f"{name} {version}" for name, version in machine.TESTED.items())
    same = pair == tested
    means = (
        "the pair that our tests vouch for" if same else f"untested together; our tests vouch for {tested}"
    )
    return "torch and coremltools", pair, means, "missing" not in found.values()


def _bf16() -> Row:
    if machine.bf16_cpu():
        return "CPU bf16", "yes", "training on the CPU uses it", True
    return "CPU bf16", "no", "training on the CPU uses fp32", True


def _cuda() -> Row:
    import torch

    if torch.cuda.is_available():
        return "CUDA", torch.cuda.get_device_name(), "training uses it", True
    return "CUDA", "no", "training runs on the CPU", True


def _mps() -> Row:
    import torch

    available = torch.backends.mps.is_available()
    return "MPS (Apple GPU)", "yes" if available else "no", "not used by training", True


def _third_party() -> Row:
    what, found = "third-party weights", machine.version("spandrel")
    if found == "missing":
        return what, "no", "not read without spandrel: see docs/how_to/third_party.md", True
    from pipersr_build.zoo.spandrel import torchvision_state

    torchvision = torchvision_state()
    stands_in = "two functions of it stand in, for networks that do not enlarge (LaMa, RestoreFormer)"
    means = "read" if torchvision == "works" else f"read; torchvision is {torchvision}: {stands_in}"
    return what, f"spandrel {found}", means, True


def _formats() -> list[Row]:
    """The formats beside Core ML that `export` can write here."""
    versions = {formats.ONNX: "onnxruntime", formats.COREAI: "coreai-torch"}
    means = {
        formats.ONNX: "export.formats=[coreml,onnx] writes files and runs them",
        formats.COREAI: "export.formats=[coreml,coreai] writes models; only macOS 27 runs them at full size",
    }
    rows: list[Row] = []
    for name, package in versions.items():
        try:
            formats.require(name)
        except MachineError as error:
            rows.append((formats.TITLES[name], "no", f"not written: {error.fix}", True))
        else:
            rows.append((formats.TITLES[name], f"{package} {machine.version(package)}", means[name], True))
    return rows


def _core_ml() -> list[Row]:
    if sys.platform != "darwin":
        return [
            ("Core ML", "no", "packages run in the MIL interpreter; Core ML parity is not measured", True),
            ("compute plan", "no", "placement is predicted; a Mac with macOS 14.4 measures it", True),
        ]
    release = tuple(map(int, platform.mac_ver()[0].split(".")[:2]))
    plan = release >= (14, 4)
    return [
        ("Core ML", f"macOS {platform.mac_ver()[0]}", "parity is measured with Core ML too", True),
        (
            "compute plan",
            "yes" if plan else "no",
            "placement is measured" if plan else "needs macOS 14.4",
            True,
        ),
    ]
