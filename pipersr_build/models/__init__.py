"""The networks, in one explicit table: family name -> configuration, builder, facts."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from pipersr_build.errors import InputError
from pipersr_build.models import (
    abpn,
    ecbsr,
    edsr,
    espcn,
    fsrcnn,
    imdn,
    paragonsr2,
    pipersr,
    pipersr_control,
    quicksrnet,
    rfdn,
    sesr,
    span,
    third_party,
    xlsr,
)
from pipersr_build.models.facts import Facts


@dataclass(frozen=True)
class Family:
    """How to configure, build and describe the networks of one family.

    Attributes:
        config: the dataclass of its settings.
        build: makes the untrained network.
        facts: describes it.
        starts: the values of `training.start` that make sense for it (see `models.start`).
        forms: the values of `training.form` that make sense for it.
        subpixel: its convolutions before the PixelShuffle, if they alone depend on the scale: training can
            then begin with weights of another scale (see `models.rescale`).
        recurrent: makes of a network the one for the frames of a video, with a state; None: there is none.
    """

    config: type[Any]
    build: Callable[[Any], nn.Module]
    facts: Callable[[Any], Facts]
    starts: tuple[str, ...] = ("nearest",)
    forms: tuple[str, ...] = ("as_is",)
    subpixel: tuple[str, ...] = ()
    recurrent: Callable[[Any], nn.Module] | None = None


FAMILIES: dict[str, Family] = {
    "pipersr": Family(
        pipersr.PiperSRConfig,
        pipersr.PiperSR,
        pipersr.facts,
        starts=("nearest", "calibrated", "identity"),
        forms=("as_is", "frozen", "folded", "quantized"),
        subpixel=("tail",),
    ),
    "quicksrnet": Family(
        quicksrnet.QuickSRNetConfig,
        quicksrnet.QuickSRNet,
        quicksrnet.facts,
        forms=("as_is", "quantized"),
        subpixel=("tail", "anchor"),
    ),
    "espcn": Family(espcn.ESPCNConfig, espcn.ESPCN, espcn.facts, subpixel=("tail",)),
    "fsrcnn": Family(fsrcnn.FSRCNNConfig, fsrcnn.FSRCNN, fsrcnn.facts),
    "abpn": Family(abpn.ABPNConfig, abpn.ABPN, abpn.facts),
    "xlsr": Family(xlsr.XLSRConfig, xlsr.XLSR, xlsr.facts, subpixel=("tail",)),
    "edsr": Family(edsr.EDSRConfig, edsr.EDSR, edsr.facts),
    "sesr": Family(sesr.SESRConfig, sesr.SESR, sesr.facts),
    "ecbsr": Family(ecbsr.ECBSRConfig, ecbsr.ECBSR, ecbsr.facts),
    "span": Family(span.SPANConfig, span.SPAN, span.facts),
    "imdn": Family(imdn.IMDNConfig, imdn.IMDN, imdn.facts),
    "rfdn": Family(rfdn.RFDNConfig, rfdn.RFDN, rfdn.facts),
    "pipersr_control": Family(
        pipersr_control.PiperSRControlConfig, pipersr_control.PiperSRControl, pipersr_control.facts
    ),
    "paragonsr2": Family(
        paragonsr2.ParagonSR2Config,
        paragonsr2.ParagonSR2,
        paragonsr2.facts,
        recurrent=paragonsr2.ParagonSR2Video,
    ),
    "third_party": Family(third_party.ThirdPartyConfig, third_party.build, third_party.facts),
}


def build(config: Any) -> nn.Module:
    """Build the untrained network that `config` (a family's configuration object) describes."""
    return FAMILIES[config.family].build(config)


def facts(config: Any) -> Facts:
    """The facts of the network that `config` describes."""
    return FAMILIES[config.family].facts(config)


def recurrent(network: nn.Module) -> nn.Module:
    """The network, built and perhaps trained, in its form for the frames of a video.

    That form takes a frame, B, 3, H, W, and the state of the frame before, B, `state_channels`, H, W, and
    returns the enlarged frame and the next state. A state of zeros says that there is no frame before.

    Raises:
        InputError: the network's family has no such form; names the network.
    """
    return recurrent_form(getattr(network, "config", None))(network)


def recurrent_form(config: Any) -> Callable[[Any], nn.Module]:
    """What makes of a network with this configuration the one for the frames of a video.

    Raises:
        InputError: its family has none; names the network.
    """
    family = FAMILIES.get(getattr(config, "family", ""))
    if family is not None and family.recurrent is not None:
        return family.recurrent
    known = ", ".join(name for name, one in FAMILIES.items() if one.recurrent is not None)
    title = "this network" if family is None else family.facts(config).title
    raise InputError(
        f"{title} has no form that remembers the frame before",
        where="configuration key export.video.state",
        fix=f"leave it false, or use a network of the family {known}",
    )


def describe(config: Any) -> dict[str, Any]:
    """The configuration as plain data: what weights files and evidence record."""
    return asdict(config)


def parameters(network: nn.Module) -> int:
    """Number of trainable parameters (running statistics are not counted)."""
    return sum(p.numel() for p in network.parameters())
