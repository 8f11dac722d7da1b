"""The form in which a network is trained, and the way back to the form in which it is kept."""

import copy
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipersr_build import fusion, models
from pipersr_build.config import TrainingConfig
from pipersr_build.errors import InputError
from pipersr_build.models import quantized
from pipersr_build.models.rescale import can_rescale, rescaled
from pipersr_build.models.start import STARTS
from pipersr_build.models.weights import describe_weights, load_weights


class FrozenBatchNorm2d(nn.BatchNorm2d):
    """A batch norm that uses its running statistics in training too, and does not change them.

    The function is then that of the folded network at every step, in the parameters of the network
    with batch norms: the ones that the optimiser's rates were chosen for.
    """

    def forward(self, x: Tensor) -> Tensor:
        """B, C, H, W to the same shape."""
        return nn.functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
        )


def freeze_batch_norms(network: nn.Module) -> nn.Module:
    """A copy of the network whose batch norms keep their statistics; the names of its tensors stay."""
    frozen = copy.deepcopy(network)
    for name, module in list(frozen.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            fixed = FrozenBatchNorm2d(module.num_features, module.eps)
            fixed.load_state_dict(module.state_dict())
            parent, _, last = name.rpartition(".")
            setattr(frozen.get_submodule(parent), last, fixed)
    return frozen


def training_config(model: Any, settings: TrainingConfig) -> Any:
    """The configuration of the network that is trained: without batch norms in the folded form.

    In simulated 8 bits it is without branches too.
    """
    if settings.form == "quantized":
        deployed = {"norm": "none", "branches": "plain"}
        known = {field.name for field in fields(model)}
        return replace(model, **{key: value for key, value in deployed.items() if key in known})
    return replace(model, norm="none") if settings.form == "folded" else model


def kept_config(model: Any, settings: TrainingConfig) -> Any:
    """The configuration of the network that is kept: as it is deployed where it was trained in 8 bits."""
    return training_config(model, settings) if settings.form == "quantized" else model


def training_network(model: Any, settings: TrainingConfig, lr: Tensor) -> nn.Module:
    """A new network in the form for training, or the one of `training.initial`.

    Args:
        model: the configuration of the network as it will be kept.
        settings: the training settings.
        lr: a batch of LR patches, B, 3, H, W in [0, 1]; some starts look at one.

    Raises:
        InputError: the initial weights cannot be read or belong to another network.
    """
    config = training_config(model, settings)
    if settings.initial is not None:
        network = _initial(Path(settings.initial), model, config)
    else:
        network = models.build(config)
        network = STARTS[settings.start](network, lr)
    if settings.form == "frozen":
        network = freeze_batch_norms(network)
    if settings.form == "quantized":
        network = quantized.quantize(network, (lr[i : i + 1] for i in range(len(lr))))
    return network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _initial(path: Path, model: Any, config: Any) -> nn.Module:
    """Weights of the kept form, brought to the form for training; or weights of the latter as they are.

    Those of another scale are brought to the network's scale where its family allows it.
    """
    weights = load_weights(path)
    network, found = weights.network, weights.config
    for wanted in (config, model):
        if can_rescale(found, wanted):
            network, found = _rescaled(network, wanted), wanted
    if models.describe(found) == models.describe(config):
        return network
    if models.describe(found) != models.describe(model):
        load_weights(path, expected=model)  # says what differs
    return _branched(fusion.to_deploy(network), config)


def _rescaled(network: nn.Module, wanted: Any) -> nn.Module:
    """The network as one of another scale; branches do not stand in the way."""
    plain = fusion.collapse_branches(network)
    return _branched(rescaled(plain, int(wanted.scale)), wanted)


def _branched(network: nn.Module, config: Any) -> nn.Module:
    """The network with the branches that `config` has."""
    kind = getattr(config, "branches", "plain")
    return network if kind == "plain" else fusion.expand_branches(network, kind)


def warm_start(model: Any, settings: TrainingConfig) -> str:
    """How the weights that the training begins with were changed for it; empty if they were not.

    Raises:
        InputError: the initial weights cannot be read.
    """
    if settings.initial is None:
        return ""
    before = describe_weights(Path(settings.initial)).get("scale")
    if before == model.scale:
        return ""
    return f"from {before:g}x weights: the last convolution's sub-pixels interpolated for {model.scale:g}x"


def kept_network(
    network: nn.Module, model: Any, settings: TrainingConfig, batches: Iterable[Tensor]
) -> nn.Module:
    """The trained network in the form of `model`: batch norms put back in, measured on LR `batches`."""
    if settings.form == "folded" and model.norm == "batch":
        return fusion.insert_batch_norms(network, batches)
    return network


def teacher_network(settings: TrainingConfig, scale: float) -> nn.Module | None:
    """The configured teacher, in float32 and evaluation mode.

    Raises:
        InputError: its weights cannot be read, or it is of another scale.
    """
    if settings.teacher is None:
        return None
    weights = load_weights(settings.teacher)
    found = models.facts(weights.config).scale
    if found != scale:
        raise InputError(
            f"the teacher enlarges {found}x, the network {scale}x",
            where=settings.teacher,
            fix="train a teacher of the network's scale",
        )
    return fusion.to_deploy(weights.network).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
