"""What this machine is and can do, and what made a record."""

import importlib.metadata
import importlib.util
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pipersr_build
from pipersr_build.evidence import Machine, Provenance

TESTED = {"torch": "2.13.0", "coremltools": "9.0"}  # the pair that this project's tests vouch for


# exports are what is made, and make nothing
_STATUS = ("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)exports")


def version(package: str) -> str:
    """The installed version of a package, or `missing`."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def bf16_cpu() -> bool:
    """Whether the processor multiplies bf16 matrices natively (AVX512-BF16 or AMX), so that it pays."""
    import torch

    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, bool)() for check in checks)


def accelerator() -> str | None:
    """The name of the CUDA or MPS device, if there is one."""
    import torch

    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return "Apple GPU (MPS)" if torch.backends.mps.is_available() else None


def describe() -> Machine:
    """Describe this machine for a record."""
    return Machine(
        system=f"{platform.system()} {platform.release().split('-')[0]}",
        architecture=platform.machine(),
        processor=processor(),
        cores=os.cpu_count() or 1,
        memory_gib=_memory_gib(),
        accelerator=accelerator(),
    )


def provenance(command: str) -> Provenance:
    """What makes a record now: versions, source revision, machine and time.

    Args:
        command: what the user typed, without folders of this machine.
    """
    commit = _git("rev-parse", "HEAD")
    return Provenance(
        toolkit=pipersr_build.__version__,
        python=platform.python_version(),
        torch=version("torch"),
        coremltools=version("coremltools"),
        numpy=version("numpy"),
        git_commit=commit,
        git_dirty=bool(_git(*_STATUS)) if commit else None,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        machine=describe(),
    )


def processor() -> str:
    """The name of the processor; on a Mac its chip."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        result = subprocess.run(["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"],
                                capture_output=True, text=True, check=False)  # fmt: skip
        return result.stdout.strip()
    return platform.processor() or "unknown"


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None


def _git(*arguments: str) -> str | None:
    """Ask git about the toolkit's own checkout; None outside one (an installed wheel)."""
    root = Path(pipersr_build.__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        result = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()
