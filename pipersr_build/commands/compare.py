"""`compare`: networks in one table and one plot, or what changed between two exports."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pipersr_build import files, machine
from pipersr_build.commands import arguments
from pipersr_build.commands.compare_exports import changes
from pipersr_build.commands.compare_rows import chips_of, frame_of, row_of
from pipersr_build.commands.compare_scores import scores_of
from pipersr_build.commands.compare_subjects import is_export, subjects
from pipersr_build.config import Config, command_line, load
from pipersr_build.errors import InputError
from pipersr_build.evaluation.protocol import validation_protocol
from pipersr_build.progress import bar, say
from pipersr_build.report.compare_html import changes_html, networks_html
from pipersr_build.report.compare_plot import compare_plot
from pipersr_build.report.compare_record import Changes, Comparison, Row
from pipersr_build.report.compare_table import changes_table, networks_table

SHORT = {"chip": "placement.chip", "out": "compare.out"}
WIDTH = 126  # columns that the table of networks takes, where no terminal has fewer
RECORD, PLOT, PAGE = "compare.json", "compare.svg", "compare.html"


def main(words: list[str]) -> int:
    """Compare what is named; always 0."""
    paths, overrides = arguments.split(words)
    if arguments.names_group(overrides, "model"):
        fix = "name networks; settings of one network are compared with: pipersr-build estimate --multirun"
        raise InputError("compare takes no model settings", where="command line", fix=fix)
    config = load([arguments.in_full(word, SHORT) for word in overrides])
    folder = files.make_folder(Path(config.compare.out)) if config.compare.out else None
    command = command_line("compare", words)
    if len(paths) == 2 and all(map(is_export, paths)):
        _exports(changes(paths[0], paths[1], command), folder)
    else:
        _networks(paths, config, folder, command)
    return 0


def _exports(found: Changes, folder: Path | None) -> None:
    Console().print(changes_table(found))
    if folder is not None:
        files.write_text(folder / RECORD, found.model_dump_json(indent=2) + "\n")
        files.write_text(folder / PAGE, changes_html(found))
        say(f"written: {folder / RECORD}, {PAGE}")


def _networks(paths: Sequence[Path], config: Config, folder: Path | None, command: str) -> None:
    frame, chips = frame_of(config), chips_of(config)
    found = Comparison(
        provenance=machine.provenance(command),
        frame=f"{frame.width}x{frame.height}",
        target=config.target.deployment,
        chip=chips[0].name,
        protocol=validation_protocol(config.evaluation.protocol),
        rows=_rows(paths, config),
    )
    console = Console()
    wide = console if console.is_terminal or console.width > WIDTH else Console(width=WIDTH)
    wide.print(networks_table(found))
    if folder is not None:
        _write(found, folder)


def _rows(paths: Sequence[Path], config: Config) -> list[Row]:
    """A row for each subject; those of an earlier run are read back, so that an interrupted one goes on."""
    named, among, rows = subjects(paths), chips_of(config), []
    with bar("compare", len(named)) as shown:
        for subject in named:
            row = row_of(subject, config, among)
            rows.append(row.model_copy(update={"measured": scores_of(subject, config)}))
            shown.advance(note=subject.name)
    return rows


def _write(found: Comparison, folder: Path) -> None:
    """JSON, plot and page; of networks of several scales the plot shows those of the most frequent one."""
    scales = Counter(row.scale for row in found.rows if row.scale is not None)
    most = max(scales, key=lambda scale: (scales[scale], -scale), default=None)
    drawn = [row for row in found.rows if row.scale == most]
    left = f", {most:g}x alone" if most is not None and len(scales) > 1 else ""
    title = f"Quality against predicted latency{left}; PSNR as records say, of different trainings"
    plot = compare_plot(drawn, protocol=found.protocol, chip=found.chip, frame=found.frame, title=title)
    files.write_text(folder / RECORD, found.model_dump_json(indent=2) + "\n")
    files.write_text(folder / PLOT, plot)
    files.write_text(folder / PAGE, networks_html(found, plot))
    say(f"written: {folder / RECORD}, {PLOT} and {PAGE}")
