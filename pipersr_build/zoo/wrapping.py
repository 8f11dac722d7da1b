"""What trainers put around a network's tensors: dictionaries, and first parts of the tensors' names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from pipersr_build.errors import InputError

Tensors = dict[str, Tensor]

GIVE = "give the file with the network's state dict"
# Trainers keep the weights beside other things, under one of these names; the averaged ones come first.
_WRAPPERS = ("params_ema", "params-ema", "state_dict_ema", "model_ema", "net_g_ema", "ema", "params",
             "model_state_dict", "state_dict", "model", "net_g", "net", "generator", "weights")  # fmt: skip
# … and in front of each tensor's name what the network was wrapped in.
_PREFIXES = ("module.", "_orig_mod.", "netG.", "net_g.", "generator.")
# First parts of names of which a file may hold several, one for each copy of the network; what else is in it
# has the others, or is a counter.
_COPIES = ("params_ema", "generator_ema", "net_g_ema", "model_ema", "ema_model", "ema", "params", "generator",
           "net_g", "model", "module")  # fmt: skip
_BESIDE = ("discriminator", "net_d", "perceptual_loss", "gan_loss")


def unwrap(content: Any, path: Path) -> Tensors:
    """The tensors in `content`, out of the dictionaries and name prefixes that trainers put around them.

    Raises:
        InputError: there are none.
    """
    content = _innermost(content)
    if not isinstance(content, dict):
        raise InputError(f"the file holds a {type(content).__name__}, not weights", where=path, fix=GIVE)
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise InputError("the file holds no tensors", where=path, fix=GIVE)
    return _without_prefixes(tensors)


def _innermost(content: Any) -> Any:
    """The dictionary inside all those that trainers know; a dictionary may hold itself."""
    seen: set[int] = set()
    while isinstance(content, dict) and id(content) not in seen:
        seen.add(id(content))
        known = (content[key] for key in _WRAPPERS if isinstance(content.get(key), dict))
        inner = next(filter(_holds_tensors, known), None)
        if inner is None and len(content) == 1:
            inner = next(iter(content.values()))
        if not isinstance(inner, dict):
            break
        content = inner
    return content


def _holds_tensors(content: dict[Any, Any]) -> bool:
    """Whether there is a tensor in a dictionary or in those inside it."""
    seen: set[int] = set()
    waiting: list[Any] = [content]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Tensor):
            return True
        if isinstance(one, dict) and id(one) not in seen:
            seen.add(id(one))
            waiting += one.values()
    return False


def _without_prefixes(tensors: Tensors) -> Tensors:
    found = next((p for p in _PREFIXES if all(name.startswith(p) for name in tensors)), None)
    if found is None:
        return tensors
    return _without_prefixes({name.removeprefix(found): tensor for name, tensor in tensors.items()})


def inside(tensors: Tensors) -> Iterator[Tensors]:
    """What the tensors may be without the first part of their names; of several copies the averaged first.

    A first part that all names share is taken off whatever it is. Where they differ, all must be a trainer's,
    or be a counter's whole name: nothing is left out of a network that has other tensors besides.
    """
    groups: dict[str, Tensors] = {}
    for name, tensor in tensors.items():
        first, dot, rest = name.partition(".")
        if dot:
            groups.setdefault(first, {})[rest] = tensor
        elif tensor.numel() != 1:
            return
    if len(groups) == 1 and all("." in name for name in tensors):
        yield from groups.values()
    elif groups.keys() <= {*_COPIES, *_BESIDE}:
        yield from (groups[first] for first in _COPIES if first in groups)
