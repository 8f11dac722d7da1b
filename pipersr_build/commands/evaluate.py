"""`evaluate`: PSNR and SSIM of packages, weights and bicubic on pictures."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipersr_build import models
from pipersr_build.commands import arguments
from pipersr_build.commands.pictures import test_set_of
from pipersr_build.config import Config, load
from pipersr_build.errors import InputError
from pipersr_build.evaluation.testset import TestSet, bicubic, evaluate
from pipersr_build.evidence import Quality
from pipersr_build.mil.package import check_weights, open_package
from pipersr_build.models.upscaler import Upscaler, upscaler
from pipersr_build.models.weights import load_weights
from pipersr_build.progress import bar
from pipersr_build.runtime.upscaler import package_scale, package_upscaler


def main(words: list[str]) -> int:
    """Measure everything that is named, and bicubic beside it, on the configured pictures."""
    paths, overrides = arguments.split(words)
    config = load(overrides)
    subjects = [*paths, *([Path(config.weights)] if config.weights else [])]
    if not subjects:
        raise InputError(
            "nothing to evaluate is given",
            where="command line",
            fix="say: pipersr-build evaluate exports/quickstart/image_128.mlpackage",
        )
    methods = [(path.name, *open_method(path)) for path in subjects]
    scales = {scale for *_, scale in methods}
    if len(scales) > 1:
        raise InputError(
            f"the scales differ: {sorted(scales)}", where="command line", fix="evaluate them one by one"
        )
    config.model.scale = scales.pop()
    pictures = test_set_of(config)
    rows = [measure(bicubic(pictures.scale), pictures, config, "bicubic")]
    rows += [measure(method, pictures, config, name) for name, method, _ in methods]
    Console().print(_table(rows))
    return 0


def open_method(path: Path) -> tuple[Upscaler, int]:
    """A package or a weights file as a function between 8-bit pictures, and its scale."""
    if path.suffix == ".mlpackage" or path.is_dir():
        package = open_package(path)
        check_weights(package)
        return package_upscaler(package), package_scale(package)
    weights = load_weights(path)
    return upscaler(weights.network), models.facts(weights.config).scale


def measure(method: Upscaler, pictures: TestSet, config: Config, subject: str) -> Quality:
    """Quality of one method, with a progress bar."""
    with bar(f"evaluating {subject}"[:30], len(pictures.pictures)) as shown:

        def progress(done: int, total: int, name: str) -> None:
            del done, total
            shown.advance(note=name)

        return evaluate(method, pictures.pictures, config.evaluation.protocol, pictures.scale, subject,
                        pictures.name, progress)  # fmt: skip


def _table(rows: list[Quality]) -> Table:
    first = rows[0]
    table = Table(title=f"{first.dataset}, {first.scale}x, protocol {first.protocol}", title_justify="left")
    table.add_column("picture")
    for row in rows:
        table.add_column(f"{row.subject}\nPSNR, SSIM", justify="right")
    for index, picture in enumerate(first.images):
        cells = [f"{row.images[index].psnr:.3f}  {row.images[index].ssim:.4f}" for row in rows]
        table.add_row(picture.image, *cells)
    table.add_section()
    table.add_row("mean", *(f"{row.mean_psnr:.3f}  {row.mean_ssim:.4f}" for row in rows))
    return table
