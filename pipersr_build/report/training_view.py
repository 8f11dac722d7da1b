"""The training's curves, and which of its points are drawn."""

from markupsafe import Markup

from pipersr_build.evidence import Evidence, Training
from pipersr_build.report import charts, facts
from pipersr_build.report import format as fmt

# a loss that falls by more than this factor is read better on a logarithmic axis
_LOG_RATIO = 5.0


def training_charts(evidence: Evidence) -> list[Markup]:
    """The loss and the PSNR on held-out pictures, as far as they are recorded."""
    if evidence.training is None:
        return []
    level = facts.bicubic_level(evidence)
    drawn = [_loss_chart(evidence.training), _held_out_chart(evidence.training, level)]
    return [Markup(svg) for svg in drawn if svg]  # safe: the charts escape their text


def _loss_chart(training: Training) -> str:
    points = [(float(point.step), point.loss) for point in training.curve]
    if not points:
        return ""
    losses = [loss for _, loss in points]
    log = min(losses) > 0 and max(losses) / min(losses) > _LOG_RATIO
    first, last = training.curve[0], training.curve[-1]
    return charts.line_chart(
        points,
        key="loss",
        title="Training loss",
        description=f"From {first.loss:.4g} at step {first.step:,} to {last.loss:.4g} at step {last.step:,}.",
        x_label="step",
        y_label="log scale" if log else "",
        log_y=log,
    )


def _held_out_chart(training: Training, level: float | None) -> str:
    points = facts.held_out_points(training, level)
    if not points:
        return ""
    line = None if level is None else charts.Level(level, f"bicubic {fmt.decibels(level)}")
    last = training.validation[-1]
    against = f", bicubic {fmt.decibels(level)}" if level is not None else ""
    return charts.line_chart(
        points,
        key="held-out",
        title="PSNR on held-out pictures",
        description=f"{fmt.decibels(last.psnr)} at step {last.step:,}{against}.",
        x_label="step",
        y_label="dB",
        level=line,
        marks=True,
    )


def hidden_points(evidence: Evidence) -> int:
    """How many held-out points are too low to be drawn."""
    if evidence.training is None:
        return 0
    drawn = facts.held_out_points(evidence.training, facts.bicubic_level(evidence))
    return len(evidence.training.validation) - len(drawn)
