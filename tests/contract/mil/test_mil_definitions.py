"""The table of operations against coremltools' registry: which there are, and their arguments."""

import inspect

import pytest

from pipersr_build import quiet
from pipersr_build.mil.ops import TABLE, constexpr

# What the interpreter leaves out: control flow, lists, state, random numbers, and detection.
LEFT_OUT = {
    "_const_symbolic", "const", "classify", "cond", "while_loop", "conv_quantized", "make_list",
    "list_gather", "list_length", "list_read", "list_scatter", "list_write", "non_maximum_suppression",
    "random_bernoulli", "random_categorical", "random_normal", "random_uniform", "read_state",
}  # fmt: skip


@pytest.fixture(scope="module")
def registry():
    quiet.coremltools()
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

    return SSAOpRegistry.core_ops


def test_every_operation_is_known_or_left_out_on_purpose(registry):
    assert set(registry) - set(TABLE) - set(constexpr.TABLE) == LEFT_OUT
    assert set(TABLE) | set(constexpr.TABLE) <= set(registry)


@pytest.mark.parametrize("name", sorted(TABLE) + sorted(constexpr.TABLE))
def test_the_arguments_are_mils_in_every_operation_set(name, registry):
    function = TABLE[name] if name in TABLE else constexpr.TABLE[name]
    parameters = inspect.signature(function).parameters
    required = {n for n, p in parameters.items() if p.default is inspect.Parameter.empty}
    for definition in registry[name].values():
        arguments = definition.input_spec.input_types
        assert set(arguments) <= set(parameters)
        assert required <= set(arguments)
        # what MIL calls required may have a default here only where a newer set dropped or renamed it
        optional = {n for n, kind in arguments.items() if kind.optional}
        assert not required & optional
