"""The interpreter on small programs written out: what it refuses, rounds, keeps and frees."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from mil_programs import const, one, op, package, tensor

from pipersr_build.errors import InputError
from pipersr_build.mil.graph import Block, Function, Operation, Output
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.package import Feature
from pipersr_build.mil.prepare import unknown_operations

HALF = tensor("fp16", 4)
X16 = np.array([1, 2, 3, 60000], np.float16)


def feature(name="x", dtype="fp16", *shape):
    return Feature(name, "tensor", dtype, shape or (4,))


def program(operations, output, returned=None, given=HALF):
    """From input `x` of type `given` to the value `output`."""
    taken = feature("x", given.dtype, *given.shape)
    return package(operations, [(taken, given)], [feature(*output)], returned)


def run(made, x=X16, semantics="fp16"):
    (result,) = Interpreter(made, semantics=semantics).run({"x": x}).values()
    return result


def test_float16_results_are_rounded_and_overflow():
    made = one("mul", HALF, HALF, y=const(2.0))
    assert run(made).tolist() == [2, 4, 6, np.inf]
    assert run(made).dtype == np.float16


def test_float32_semantics_neither_round_nor_overflow():
    result = run(one("mul", HALF, HALF, y=const(2.0)), semantics="fp32")
    assert result.dtype == np.float32
    assert result.tolist() == [2, 4, 6, 120000]


def test_sums_accumulate_in_float32_before_they_are_rounded():
    x = np.full(4096, 1.0009765625, np.float16)
    made = one("reduce_sum", tensor("fp16", 4096), tensor("fp16", 1), keep_dims=True)
    assert run(made, x).item() == 4100
    assert np.add.accumulate(x)[-1] != 4100


def test_integers_stay_exact():
    given = tensor("int32", 2)
    x = np.array([2**30 + 1, -7], np.int32)
    assert run(one("add", given, given, y=const(1)), x).tolist() == [2**30 + 2, -6]
    assert run(one("mul", given, given, y=const(4)), x).tolist() == [4, -28]


def test_a_cast_does_not_round_the_value_that_it_casts():
    single = tensor("fp32", 4)
    operations = [
        op("cast", "narrow", HALF, x="x", dtype="fp16"),
        op("cast", "wide", single, x="narrow", dtype="fp32"),
        op("sub", "lost", single, x="x", y="wide"),
    ]
    x = np.array([0.1, 0.2, 0.3, 1e-9], np.float32)
    lost = run(program(operations, ("lost", "fp32"), given=single), x)
    np.testing.assert_array_equal(lost, x - x.astype(np.float16).astype(np.float32))


def test_a_constant_is_not_changed_by_what_uses_it():
    weights = const(np.array([0.1, 0.2, 0.3, 0.4], np.float32))
    single = tensor("fp32", 4)
    operations = [
        Operation("cast", {"x": (weights,), "dtype": (const("fp16"),)}, (Output("narrow", HALF),)),
        op("mul", "product", single, x="x", y=weights),
    ]
    made = Interpreter(program(operations, ("product", "fp32"), given=single))
    for _ in range(2):
        ones = np.ones(4, np.float32)
        np.testing.assert_array_equal(made.run({"x": ones})["product"], np.float32([0.1, 0.2, 0.3, 0.4]))


def test_the_callers_arrays_are_neither_changed_nor_returned():
    x = X16.copy()
    result = run(one("identity", HALF, HALF), x)
    result[:] = 0
    assert x.tolist() == X16.tolist()


def test_a_view_of_a_value_needs_no_rounding():
    made = one("reshape", HALF, tensor("fp16", 2, 2), shape=[2, 2])
    seen = []
    Interpreter(made).run({"x": X16}, lambda _, value: seen.append(value))
    assert seen[0].tolist() == [[1, 2], [3, 60000]]


def test_results_can_be_constants():
    made = program([op("relu", "y", HALF, x="x")], ("k", "fp16"), returned=(const([1.0, 2.0, 3.0, 4.0]),))
    assert run(made).tolist() == [1, 2, 3, 4]


def test_decompressed_weights_are_constants():
    scaled = op(
        "constexpr_cast", "w", tensor("fp32", 4), source_val=[1.0, 2.0, 3.0, 4.0], output_dtype="fp32"
    )
    single = tensor("fp32", 4)
    made = program([scaled, op("mul", "y", single, x="x", y="w")], ("y", "fp32"), given=single)
    assert run(made, np.ones(4, np.float32)).tolist() == [1, 2, 3, 4]
    assert run(program([scaled], ("w", "fp32"), given=single), np.ones(4, np.float32)).tolist() == [
        1,
        2,
        3,
        4,
    ]


def test_values_are_freed_after_their_last_use():
    chain = [op("add", f"v{i}", HALF, x=f"v{i - 1}" if i else "x", y=1.0) for i in range(6)]
    alive: list = []
    most = 0

    def observe(_, value):
        nonlocal most
        alive.append(weakref.ref(value))
        gc.collect()
        most = max(most, sum(reference() is not None for reference in alive))

    Interpreter(program(chain, ("v5", "fp16"))).run({"x": X16}, observe)
    assert most == 2  # the value being computed and the one that it is computed from


def test_several_threads_share_an_interpreter():
    made = Interpreter(one("mul", HALF, HALF, y=const(0.5)))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda n: made.run({"x": np.full(4, n, np.float16)})["y"][0], range(40)))
    assert results == [n / 2 for n in range(40)]


def test_an_observer_sees_every_value():
    seen = {}
    chain = [op("relu", "a", HALF, x="x"), op("square", "b", HALF, x="a")]
    Interpreter(program(chain, ("b", "fp16"))).run(
        {"x": X16}, lambda out, value: seen.update({out.name: value})
    )
    assert list(seen) == ["a", "b"]
    assert all(isinstance(value, torch.Tensor) for value in seen.values())


# what it refuses


def test_every_unknown_operation_is_listed_before_anything_is_read():
    nested = Block((), (op("random_normal", "n", HALF),), ("n",))
    loop = Operation("while_loop", {}, (Output("l", HALF),), blocks=(nested,))
    made = program([op("relu", "a", HALF, x="gone"), op("frob", "b", HALF, x="a"), loop], ("b", "fp16"))
    with pytest.raises(InputError) as caught:
        Interpreter(made)
    for part in ("frob", "'b'", "while_loop", "'l'", "random_normal"):
        assert part in str(caught.value)
    assert unknown_operations(made.main) == {"frob": ["b"], "while_loop": ["l"], "random_normal": ["n"]}
    assert caught.value.exit_code == 2


def test_an_unknown_function_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="no function 'tiny'") as caught:
        Interpreter(one("relu", HALF, HALF), function="tiny")
    assert "main" in caught.value.fix


def test_unknown_semantics_are_refused():
    with pytest.raises(InputError, match="'int8' is not one of fp16, fp32"):
        Interpreter(one("relu", HALF, HALF), semantics="int8")


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({}, ["inputs (none) given", "takes x"]),
        ({"x": X16, "z": X16}, ["inputs x, z given"]),
        ({"x": X16.astype(np.float32)}, ["'x'", "float16 of shape (4)", "got float32 of shape (4,)"]),
        ({"x": X16[:3]}, ["'x'", "float16 of shape (4)", "of shape (3,)"]),
        ({"x": X16.reshape(2, 2)}, ["of shape (2, 2)"]),
        ({"x": [1, 2, 3, 4]}, ["'x'", "got list"]),
    ],
)
def test_wrong_inputs_are_refused(given, parts):
    with pytest.raises(InputError) as caught:
        Interpreter(one("relu", HALF, HALF)).run(given)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("operation", "match"),
    [
        (op("relu", "y", HALF, x="gone"), "takes 'gone', which nothing before it computes"),
        (op("relu", "y", HALF, x="x", colour=3), "argument 'colour' is not known"),
        (op("elu", "y", HALF, x="x"), "argument 'alpha' is missing"),
        (op("constexpr_cast", "y", HALF, input="x"), "input 'input' is not a constant"),
        (op("constexpr_cast", "y", HALF, source_val=[1.0], output_dtype="fp32"), "declares fp16"),
        (op("relu", "y", HALF, x=("x", "x")), "one value is needed where 2 are given"),
        (op("softmax", "y", HALF, x="x", axis=[0, 1]), "softmax 'y' cannot be executed"),
        (op("mul", "y", HALF, x="x", y=const("blue")), "mul 'y' cannot be executed"),
        (op("reshape", "y", HALF, x="x", shape=[3]), "reshape 'y' cannot be executed"),
        (op("split", "y", HALF, x="x", axis=0, num_splits=2), "split 'y' cannot be executed"),
    ],
)
def test_an_operation_that_makes_no_sense_is_named(operation, match):
    with pytest.raises(InputError, match=match) as caught:
        run(program([operation], ("y", "fp16")))
    assert caught.value.where == "made.mlpackage"


def test_features_that_the_program_lacks_are_refused():
    relu = op("relu", "y", HALF, x="x")
    with pytest.raises(InputError, match="does not have the tensor 'z'"):
        Interpreter(program([relu], ("z", "fp16"), returned=("y",)))
    with pytest.raises(InputError, match="cannot use the other 'x'"):
        Interpreter(package([relu], [(Feature("x", "other", "dictionaryType", ()), HALF)], [feature("y")]))


def test_a_function_needs_no_names_for_its_outputs():
    made = one("relu", HALF, HALF)
    body = Block((), made.main.operations, ("y",))
    made.functions["main"] = Function("main", "CoreML8", made.main.inputs, body)
    assert run(made).tolist() == X16.tolist()
