"""The command line: a table of commands, and what their errors mean for the exit code.

Nothing heavy is imported here: each command's module is imported when it runs.
"""

import contextlib
import importlib
import os
import sys
from dataclasses import dataclass

from pipersr_build import __version__
from pipersr_build.errors import BuildError, MachineError
from pipersr_build.files import explain_os_error

INTERRUPTED = 130
NO_READER = 141  # as shells have it of a program whose output nobody reads any more


@dataclass(frozen=True)
class Command:
    """A command: the module in `commands` that holds its `main`, its words, and its summary."""

    usage: str
    summary: str
    detail: str = ""


COMMANDS: dict[str, Command] = {
    "run": Command(
        "run [key=value …]",
        "train, fold, export, validate, verify and report: the main job",
        "experiment=quickstart (default) takes about three minutes on two cores, experiment=debug seconds.",
    ),
    "data": Command(
        "data prepare|check|duplicates [key=value …]",
        "prepare a corpus to train on: download, check, pack; only what is missing",
        "data prepare data=div2k (or df2k, reference, folder, photos) packs the pictures in data/packed;\n"
        "run again, it goes on where it stopped or says that all is there. data check reads them all back.\n"
        "data duplicates FOLDER … looks for test pictures in the corpus. More: docs/how_to/data.md.",
    ),
    "train": Command(
        "train [--multirun] [key=value …]",
        "train a network, or go on with an interrupted run of the same name",
        "Example: pipersr-build train name=mine model=pipersr_2x data=photos training.steps=2000\n"
        "Ctrl-C saves a checkpoint; the same command goes on. With --multirun (-m), a training for each\n"
        "combination of values: pipersr-build train -m name=mine model.blocks=4,6 training.loss=l1,mse\n"
        "Several GPUs, nodes, schedules: docs/how_to/training.md.",
    ),
    "export": Command(
        "export [weights=FILE] [key=value …]",
        "make Core ML packages of trained weights, check them, and keep those that pass",
        "Without weights=, the reference weights that come with the toolkit are used.\n"
        "Example: pipersr-build export weights=runs/mine/weights.safetensors export=video "
        "export.video.size=720x400\n"
        "FILE may hold weights that others trained (.pth, .safetensors: ESRGAN, SwinIR, HAT, Compact …):\n"
        "export weights=RealESRGAN_x4plus.pth. They are read by spandrel, without running what is in the\n"
        "file; pickles with code are refused. More: docs/how_to/third_party.md.\n"
        "\n"
        "  bundle=video            one package with a function for each size (target=macos15)\n"
        "  --check [FOLDER]        make the packages again and compare: exit code 1 if one differs\n"
        "\n"
        "export.formats=[coreml,onnx,coreai] makes ONNX files and Core AI models too:\n"
        "docs/how_to/formats.md.\n"
        "More: docs/how_to/packages.md.",
    ),
    "release": Command(
        "release [weights=FILE] [key=value …] | release --check [FOLDER]",
        "make the export that is given to others: packages, bundle, smaller versions, one record",
        "The image tile and the video packages, the bundle, and the tile in fewer bits, each for the oldest\n"
        "system that it can be made for: exports/pipersr_2x of the reference weights. Smaller versions that\n"
        "fail a gate are left out and named in release.json; any other failed gate leaves no release.\n"
        "export.compress=[int8,palette8,palette6,w8a8] says which. An interrupted release goes on where it\n"
        "was, and the earlier one stays until the new one is whole.\n"
        "\n"
        "  --check [FOLDER]        make all packages again and compare: exit code 1 if one differs\n"
        "\n"
        "More: docs/how_to/release.md.",
    ),
    "publish": Command(
        "publish [FOLDER] repo=USER/NAME [private=true] [revision=BRANCH] [--dry-run]",
        "upload an export, else exports/pipersr_2x, to a repository of the Hugging Face Hub",
        "One commit with every file that SHA256SUMS lists; MODEL_CARD.md is its README.md too. An export\n"
        "whose gates failed or whose files were changed is refused. --dry-run lists what would be sent. The\n"
        "token is that of HF_TOKEN or of `hf auth login`. Needs the extra publish.\n"
        "More: docs/how_to/release.md.",
    ),
    "inspect": Command(
        "inspect PACKAGE|FOLDER … [--json [FILE]] [function=NAME] [pictures=FOLDER|none]",
        "what a package says of itself, its graph, its weights, and how far it is from overflow",
        "The largest values are those of two photographs, or of the pictures in a folder; pictures=none\n"
        "runs nothing. Partial sums are bounded: for such values, and for any input. More:\n"
        "docs/how_to/packages.md.",
    ),
    "verify": Command(
        "verify PACKAGE|FOLDER … [options] [key=value …]",
        "ANE placement of every operation, for packages made by anyone",
        "Says which operations can and which will run on the ANE, why not, and what to change. Off a Mac\n"
        "the answer is a prediction for chip= (h13 … h18, M1 … M6); on a Mac Core ML is asked as well.\n"
        "Exit code 0 only if every operation is resident (with placement.gate=can: if the ANE can run it).\n"
        "\n"
        "  --json [FILE]      the answer as JSON, to FILE.json or alone to the standard output\n"
        "  --html FILE        a page with every operation in order\n"
        "  --junit FILE       a JUnit report; --github prints annotations for GitHub Actions\n"
        "  --pin FILE         pin the placement in FILE; once it is there, any change is exit code 1\n"
        "  --pin-update       pin anew\n"
        "  --mlperf REPORT    compare with a performance report that Xcode exported, of a Mac or an iPhone\n"
        "  --predicted        do not ask Core ML; --measured insists on it (exit code 3 off a Mac)\n"
        "\n"
        "A folder stands for the packages in it. More: docs/how_to/verify.md.",
    ),
    "estimate": Command(
        "estimate [--multirun] [key=value …]",
        "operations, FLOP, placement and latency of a configuration, before any training",
        "chip=m2 (or A17 Pro, h16 …) is placement.chip; fps=30 is a frame rate to reach; out=FOLDER takes\n"
        "estimate.json, .csv and .svg. Latencies are predicted bands. With --multirun (-m), a table over\n"
        "variants: pipersr-build estimate -m model.blocks=2,4,6 model.channels=32,64 export=video\n"
        "export.video.size=640x360 chip=m2 fps=30",
    ),
    "compare": Command(
        "compare NETWORK|WEIGHTS|PACKAGE|EXPORT … [key=value …]",
        "networks side by side in a table and a plot; or what changed between two exports",
        "NETWORK is a choice of model= (pipersr_2x), a pattern in quotes ('quicksrnet_*_2x') or all.\n"
        "Latencies are predicted bands for a locked frame (compare.size=360p) on placement.chip (for\n"
        "short: chip=m4); PSNR is read from records and never guessed. compare.out=FOLDER (out= for short)\n"
        "takes compare.json, .svg and .html. Two folders of exports alone: their configurations,\n"
        "operations, sizes, quality and gates. More: docs/explanation/family.md.",
    ),
    "validate": Command(
        "validate PACKAGE … [weights=FILE] [key=value …]",
        "parity of packages, read back from disk, with PyTorch",
        "A folder with an evidence.json stands for its packages. Without weights=, the\n"
        "weights.safetensors beside the package are used. On a Mac, Core ML is measured too, with\n"
        "compute_units=cpuAndNeuralEngine (or cpuOnly, cpuAndGPU, all). out=FILE takes the findings as JSON.",
    ),
    "evaluate": Command(
        "evaluate PACKAGE|WEIGHTS|CHECKPOINT|bicubic … [key=value …]",
        "PSNR and SSIM on pictures under a named protocol, beside bicubic",
        "Pictures: the corpus' held-out ones; evaluation.folder=FOLDER or [FOLDER,FOLDER] (HR files, or HR/\n"
        "with LRx2/, or several such folders inside); or evaluation.hr=FOLDER evaluation.lr=FOLDER.\n"
        "evaluation.protocol=y_float|y_uint8|rgb_uint8|all. Writes quality.json and quality.svg into\n"
        "evaluation.out=FOLDER (runs/evaluation/…).",
    ),
    "upscale": Command(
        "upscale PICTURE|VIDEO|FOLDER …|- [key=value …]",
        "enlarge pictures and videos with a package: the reference one, or your own",
        "photo.jpg becomes photo_2x.png beside it, clip.mp4 clip_2x.mp4. Results that are there are kept,\n"
        "so an interrupted call goes on. - is a picture from the standard input to the standard output.\n"
        "\n"
        "  package=PATH   a package or a folder of some; else exports/pipersr_2x, else the reference\n"
        "  out=PATH       a folder, or the file of a single result; its ending says the format\n"
        "  scale=4        by two passes of a 2x package (passes=2); format=webp; quality=90; overwrite=true\n"
        "  backend=interpreter|coreml, compute_units=…; of videos codec=, crf=, preset=, container=, limit=\n"
        "\n"
        "More: docs/how_to/upscale.md.",
    ),
    "report": Command(
        "report FOLDER …",
        "write report.html and MODEL_CARD.md again from an export's evidence",
    ),
    "bench": Command(
        "bench [packages] [key=value …] | bench SUITE …",
        "how fast packages are on this machine; and the toolkit's own timings",
        "Without a word: an image tile, a picture of 1 Mpx, video of 360p, 480p and 540p: times, stages,\n"
        "loads; on a Mac with each setting of compute units, else by the interpreter. package=PATH as for\n"
        "upscale, iterations=100, warm_up=10, picture=1024x1024, video=[360p,720x400]. pin=RECORD: exit\n"
        "code 1 if it is slower than in that record by more than tolerance=0.15.\n"
        "More: docs/how_to/benchmarks.md.\n"
        "\n"
        "Suites, ratios to bare calls in one run: startup export training step sampling (bench toolkit runs\n"
        "them all), interpreter, pipeline, gpu.\n"
        "bench ablation [VARIANT …]: what each training option is worth.\n"
        "bench zoo [NAME …] takes small networks of others' architectures through the export.\n"
        "bench formats [NETWORK …]: which networks come through as ONNX files and Core AI models.\n"
        "bench comparison [NETWORK …] data.folder=PATH evaluation.folder=PATH trains networks alike.\n"
        "bench quantization [NETWORK …] data.folder=PATH evaluation.folder=PATH: what 8 bits cost networks.\n"
        "bench compression evaluation.folder=PATH: what fewer bits cost the packages of a network.\n"
        "bench numerics [WEIGHTS …]: what the engine's arithmetic, simulated, costs packages.\n"
        "bench agreement PACKAGES TRUTH: predicted placement against what Core ML decided.\n"
        "bench latency: the predicted latencies against every published figure; it times nothing.",
    ),
    "serve": Command(
        "serve [key=value …]",
        "upscaling as a service on this machine: HTTP, a web socket, a page to drop pictures on",
        "Listens on 127.0.0.1:9998; port=, host= (other machines: only with a token), token_file=FILE,\n"
        "package=PATH as for upscale. Needs the extra serve. Paths, limits,\n"
        "security: docs/how_to/service.md.",
    ),
    "mcp": Command(
        "mcp [key=value …]",
        "upscaling as tools for a client of the Model Context Protocol, over standard input and output",
        "Tools: image_upscale, video_upscale, benchmark_upscale. A client starts it: docs/how_to/service.md.",
    ),
    "doctor": Command("doctor", "what this machine can and cannot do"),
    "config": Command(
        "config [key=value …]",
        "print the configuration that the given settings make, and its groups' choices",
    ),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 gate failed, 2 input, 3 machine, 130 interrupted."""
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"pipersr-build {__version__}")
        return 0
    if words[0] not in COMMANDS:
        _complain(f"no command {words[0]!r}\n  to do: choose from {', '.join(COMMANDS)}")
        return 2
    if {"-h", "--help"} & set(words[1:]):
        print(help_for(words[0]))
        return 0
    return _run(words[0], words[1:])


def _run(name: str, words: list[str]) -> int:
    """Import and call a command; turn what a user can mend into one message."""
    try:
        module = importlib.import_module(f"pipersr_build.commands.{name}")
        code = int(module.main(words))
        sys.stdout.flush()
        return code
    except BuildError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted; nothing half-written was left")
        return INTERRUPTED
    except MemoryError as error:
        fix = "close other programs, or take smaller pictures, sizes or batches"
        what = f"there is too little memory{f' ({error})' if str(error) else ''}"
        _complain(str(MachineError(what, where=f"pipersr-build {name}", fix=fix)))
        return MachineError.exit_code
    except BrokenPipeError:
        with contextlib.suppress(OSError):  # else Python would complain when it flushes at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except OSError as error:
        explained = explain_os_error(error)
        if explained is None:
            raise
        _complain(str(explained))
        return explained.exit_code


def _complain(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)


def overview() -> str:
    """The text of `pipersr-build --help`."""
    width = max(map(len, COMMANDS)) + 2
    rows = [f"  {name:<{width}}{command.summary}" for name, command in COMMANDS.items()]
    return "\n".join([
        "usage: pipersr-build COMMAND [words] [key=value …]",
        "",
        "Train super-resolution networks for the Apple Neural Engine, export them as Core ML packages,",
        "and prove each package right.",
        "",
        *rows,
        "",
        "Settings are Hydra overrides: model=pipersr_2x training.steps=2000 (see: pipersr-build config).",
        "pipersr-build COMMAND --help says more. Exit codes: 0 all gates passed, 1 a gate failed,",
        "2 bad input or configuration, 3 this machine cannot do it, 130 interrupted.",
    ])  # fmt: skip


def help_for(name: str) -> str:
    """The text of `pipersr-build COMMAND --help`."""
    command = COMMANDS[name]
    parts = [
        f"usage: pipersr-build {command.usage}",
        "",
        command.summary[0].upper() + command.summary[1:] + ".",
    ]
    if command.detail:
        parts += ["", command.detail]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
