"""The configuration: schemas, what they allow, composition from `conf/` with overrides."""

from pipersr_build.config.checks import CORPORA, evaluation_folders
from pipersr_build.config.compose import load
from pipersr_build.config.recorded import command_line, plain
from pipersr_build.config.schemas import (
    Config,
    DataConfig,
    EvaluationConfig,
    ExportConfig,
    ImageExport,
    PlacementConfig,
    TrainingConfig,
    VideoExport,
)
from pipersr_build.config.training_checks import CHOICES

__all__ = [
    "CHOICES",
    "CORPORA",
    "Config",
    "DataConfig",
    "EvaluationConfig",
    "ExportConfig",
    "ImageExport",
    "PlacementConfig",
    "TrainingConfig",
    "VideoExport",
    "command_line",
    "evaluation_folders",
    "load",
    "plain",
]
