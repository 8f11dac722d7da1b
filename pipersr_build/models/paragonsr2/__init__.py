"""ParagonSR2: a fixed enlargement of the picture, to which a network at low resolution adds the detail."""

from pipersr_build.models.paragonsr2.network import ParagonSR2 as ParagonSR2
from pipersr_build.models.paragonsr2.network import ParagonSR2Config as ParagonSR2Config
from pipersr_build.models.paragonsr2.network import facts as facts
from pipersr_build.models.paragonsr2.video import ParagonSR2Video as ParagonSR2Video
