"""How fast the MIL interpreter is on the CPU, beside onnxruntime with the same network and threads."""

import importlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from pipersr_build import machine
from pipersr_build.benchmark.record import Figure
from pipersr_build.data.photos import load_photos
from pipersr_build.export import formats
from pipersr_build.export.build import build
from pipersr_build.export.contracts import INPUT, OUTPUT, Contract
from pipersr_build.export.formats import onnx
from pipersr_build.fusion import to_deploy
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.package import Package, open_package
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.reference import reference_weights
from pipersr_build.models.weights import load_weights
from pipersr_build.validation import onnx_file

SIZE = 360, 640  # height, width of the frame
ROUNDS, WARM_UP = 9, 2
AGREEMENT = 0.01  # of values in [0, 1]: the package's weights are fp16, those of the ONNX model float32


class Way(NamedTuple):
    """A way to run the interpreter, and the largest ratio to onnxruntime's time that is allowed it."""

    name: str
    options: dict[str, str]
    limit: float


WAYS = (
    Way("float32", {"semantics": "fp32"}, 1.2),
    Way("rounded to fp16", {"semantics": "fp16"}, 1.6),
    Way("bf16 preview", {"compute": "bf16"}, 0.5),
)

Run = Callable[[], np.ndarray]


def measure() -> list[Figure]:
    """Median ratios, round by round, of the time for one frame; bf16 where the processor has it.

    Raises:
        MachineError: onnxruntime or the exporter to ONNX is not installed.
    """
    formats.require(formats.ONNX)
    runtime = importlib.import_module("onnxruntime")
    network = to_deploy(load_weights(reference_weights(PiperSRConfig())).network.eval())
    ways = [way for way in WAYS if "compute" not in way.options or machine.bf16_cpu()]
    frame = _frame()
    with tempfile.TemporaryDirectory() as folder:
        theirs = onnx_runner(network, frame, Path(folder))
        package = _package(network, Path(folder))
        ours = [interpreter_runner(package, way.options, frame) for way in ways]
        return _figures(runtime, ways, theirs, ours)


def onnx_runner(network: nn.Module, frame: np.ndarray, folder: Path) -> Run:
    """The network, exported to ONNX, on onnxruntime's CPU provider with as many threads as PyTorch."""
    file = folder / "network.onnx"
    file.write_bytes(onnx.serialized(onnx.convert(network, (frame.shape[2], frame.shape[3]))))
    run, _ = onnx_file.onnxruntime_runner(file)
    return lambda: run({INPUT: frame})[OUTPUT]


def interpreter_runner(package: Package, options: dict[str, str], frame: np.ndarray) -> Run:
    """The package on the interpreter; takes Float16 as the contract has it."""
    interpreter = Interpreter(package, **options)  # type: ignore[arg-type]
    (source,), (result,) = interpreter.interface.inputs, interpreter.interface.outputs
    given = {source.name: frame.astype(np.float16)}
    return lambda: interpreter.run(given)[result.name]


def _figures(runtime: ModuleType, ways: list[Way], theirs: Run, ours: list[Run]) -> list[Figure]:
    truth, *results = (run().astype(np.float32) for run in (theirs, *ours))
    far = float(np.abs(results[0] - truth).max())
    if far > AGREEMENT:
        raise AssertionError(f"the two do not compute the same network: they differ by {far:.3g}")
    base, *columns = _in_turn(theirs, *ours)
    return [
        Figure(
            name=f"interpreter, {way.name} / onnxruntime",
            value=statistics.median(a / b for a, b in zip(column, base, strict=True)),
            limit=way.limit,
            unit="x",
            detail=_detail(runtime, column, base, result, results[0]),
        )
        for way, column, result in zip(ways, columns, results, strict=True)
    ]


def _detail(
    runtime: ModuleType, ours: list[float], theirs: list[float], result: np.ndarray, exact: np.ndarray
) -> str:
    error = float(np.mean((result - exact) ** 2))
    agreement = f"; {-10 * np.log10(error):.1f} dB from the float32 result" if error else ""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return (
        f"median of {len(ratios)} rounds in turn, {min(ratios):.2f} to {max(ratios):.2f}; "
        f"{statistics.median(ours) * 1e3:.0f} ms against {statistics.median(theirs) * 1e3:.0f} ms, "
        f"best {min(ours) * 1e3:.0f} against {min(theirs) * 1e3:.0f}, for one frame of "
        f"{SIZE[1]}x{SIZE[0]}, {torch.get_num_threads()} threads each, "
        f"onnxruntime {runtime.__version__}{agreement}"
    )


def _in_turn(*runs: Run) -> list[list[float]]:
    """Seconds of each, round by round, without the rounds that warm up."""
    taken: list[list[float]] = [[] for _ in runs]
    for _ in range(WARM_UP + ROUNDS):
        for run, times in zip(runs, taken, strict=True):
            started = time.perf_counter()
            run()
            times.append(time.perf_counter() - started)
    return [times[WARM_UP:] for times in taken]


def _frame() -> np.ndarray:
    """A photograph, repeated to fill a frame: 1, 3, H, W float32 in [0, 1], exact in fp16."""
    rgb = load_photos()[0].rgb
    rows, columns = (-(-wanted // have) for wanted, have in zip(SIZE, rgb.shape, strict=False))
    filled = np.tile(rgb, (rows, columns, 1))[: SIZE[0], : SIZE[1]]
    planes = filled.transpose(2, 0, 1)[None] / 255
    return np.ascontiguousarray(planes.astype(np.float16).astype(np.float32))


def _package(network: nn.Module, folder: Path) -> Package:
    contract = Contract("video", "frame", *SIZE)
    ((_, path),) = build(network, [contract], folder, deployment="macOS13", title="benchmark", metadata={})
    return open_package(path)
