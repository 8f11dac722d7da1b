"""Write the report and the card beside an export's evidence, and show its gates."""

from pathlib import Path

from rich.console import Console

from pipersr_build import evidence, files
from pipersr_build.commands import placing
from pipersr_build.evidence import Evidence
from pipersr_build.report.card import render_card
from pipersr_build.report.html import render_html
from pipersr_build.report.table import gates_table


def render(record: Evidence, folder: Path) -> None:
    """Write `evidence.json`, `report.html` and `MODEL_CARD.md` into `folder`."""
    evidence.save(record, folder / placing.EVIDENCE)
    files.write_text(folder / placing.REPORT, render_html(record, folder))
    files.write_text(folder / placing.CARD, render_card(record))


def show(record: Evidence, folder: Path) -> None:
    """Print quality, gates, and where everything is."""
    console = Console()
    for row in record.quality:
        lost = "" if row.lost_db is None else f", {row.lost_db:.3f} dB lost"
        scores = f"{row.mean_psnr:.3f} dB, SSIM {row.mean_ssim:.4f}{lost}"
        console.print(f"{row.dataset}, {row.protocol}: {row.subject} {scores}", highlight=False)
    console.print(gates_table(record))
    if record.failed:
        console.print(
            f"{len(record.failed)} gate(s) failed: no package was kept; the evidence is in {folder}"
        )
    else:
        console.print(
            f"packages, evidence and report: {folder / placing.REPORT}", highlight=False, soft_wrap=True
        )
