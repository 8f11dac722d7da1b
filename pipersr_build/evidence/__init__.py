"""The records of `evidence.json`: everything that was measured, predicted, or not measured.

Reports, cards and tables are rendered from these records and from nothing else. Unknown keys are
refused, so that a record always means what these files say it means.
"""

from pipersr_build.evidence.base import Record as Record
from pipersr_build.evidence.exported import Census as Census
from pipersr_build.evidence.exported import CensusComparison as CensusComparison
from pipersr_build.evidence.exported import FileRecord as FileRecord
from pipersr_build.evidence.exported import Fusion as Fusion
from pipersr_build.evidence.exported import OtherFormat as OtherFormat
from pipersr_build.evidence.exported import PackageRecord as PackageRecord
from pipersr_build.evidence.exported import Parity as Parity
from pipersr_build.evidence.gates import Direction as Direction
from pipersr_build.evidence.gates import Gate as Gate
from pipersr_build.evidence.gates import Source as Source
from pipersr_build.evidence.gates import Verdict as Verdict
from pipersr_build.evidence.gates import judge as judge
from pipersr_build.evidence.placement import RESIDENT as RESIDENT
from pipersr_build.evidence.placement import Device as Device
from pipersr_build.evidence.placement import Estimates as Estimates
from pipersr_build.evidence.placement import Latency as Latency
from pipersr_build.evidence.placement import OperationPlacement as OperationPlacement
from pipersr_build.evidence.placement import Placement as Placement
from pipersr_build.evidence.placement import PlacementVerdict as PlacementVerdict
from pipersr_build.evidence.placement import Totals as Totals
from pipersr_build.evidence.provenance import Machine as Machine
from pipersr_build.evidence.provenance import Provenance as Provenance
from pipersr_build.evidence.quality import ImageQuality as ImageQuality
from pipersr_build.evidence.quality import Quality as Quality
from pipersr_build.evidence.quality import Sample as Sample
from pipersr_build.evidence.training import Leg as Leg
from pipersr_build.evidence.training import LossPoint as LossPoint
from pipersr_build.evidence.training import Training as Training
from pipersr_build.evidence.training import ValidationPoint as ValidationPoint
from pipersr_build.evidence.whole import SCHEMA_VERSION as SCHEMA_VERSION
from pipersr_build.evidence.whole import Evidence as Evidence
from pipersr_build.evidence.whole import load as load
from pipersr_build.evidence.whole import save as save
