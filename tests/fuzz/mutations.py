"""Ways to spoil a package: its files, its manifest, and its messages in ways that still parse."""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Field

from pipersr_build import quiet
from tests.fuzz.strange_packages import MODEL

NUMBERS = (0, 1, -1, 2, 255, 2**31 - 1, -(2**31), 2**32 - 1, 2**62, 2**63 - 1, -(2**63), 2**64 - 1)
FLOATS = (0.0, -0.0, 1e308, -1e308, float("inf"), float("nan"), 5e-324)
TEXTS = (
    "", "\x00", "main", "x", "../../../etc/passwd", "/dev/zero", "a" * 5000, "\u202eevil", "\x1b[2J",
    "%s{0}{x}", "[bold]", "]]>", "<script>alert(1)</script>",
    "conv", "while_loop", "cond", "const", "constexpr_lut_to_dense",
)  # fmt: skip
HOSTILE_JSON = (
    "", "null", "[]", "{}", "[" * 100_000, '{"a":' * 5000, '"\\ud800"', "1e999", "NaN",
    '{"itemInfoEntries": {}}',
    '{"itemInfoEntries": [], "rootModelIdentifier": 0}', "\xff\xfe", '{"rootModelIdentifier": []}',
    '{"itemInfoEntries": {"a": {"path": "../../x"}}, "rootModelIdentifier": "a"}',
    '{"itemInfoEntries": {"a": {"path": "\\u0000"}}, "rootModelIdentifier": "a"}',
    '{"itemInfoEntries": {"a": {"path": 7}}, "rootModelIdentifier": "a"}',
    '{"itemInfoEntries": {"a": {"path": "."}}, "rootModelIdentifier": "a"}',
    '{"itemInfoEntries": {"a": null}, "rootModelIdentifier": "a"}',
)  # fmt: skip

Mutation = Callable[[random.Random, Path], None]


def _file(rng: random.Random, package: Path) -> Path:
    return rng.choice(sorted(path for path in package.rglob("*") if path.is_file()))


def flip_bits(rng: random.Random, package: Path) -> None:
    path = _file(rng, package)
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 1, 2, 8, 64)) if data else 0):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def truncate(rng: random.Random, package: Path) -> None:
    path = _file(rng, package)
    data = path.read_bytes()
    path.write_bytes(data[: rng.choice((0, 1, 63, 64, rng.randrange(len(data) + 1)))])


def random_bytes(rng: random.Random, package: Path) -> None:
    path = _file(rng, package)
    path.write_bytes(rng.randbytes(rng.choice((1, 64, 1000, 20_000))))


def overwrite_part(rng: random.Random, package: Path) -> None:
    path = _file(rng, package)
    data = bytearray(path.read_bytes())
    if data:
        start = rng.randrange(len(data))
        length = rng.randrange(1, 200)
        data[start : start + length] = rng.choice((rng.randbytes(length), b"\xff" * length, b""))
    path.write_bytes(data)


def delete(rng: random.Random, package: Path) -> None:
    path = rng.choice(sorted(package.rglob("*")))
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def rename(rng: random.Random, package: Path) -> None:
    path = rng.choice(sorted(package.rglob("*")))
    path.rename(path.with_name(rng.choice(("other", "a" * 200, "Manifest.json ", "\u202e.bin"))))


def file_to_folder(rng: random.Random, package: Path) -> None:
    path = _file(rng, package)
    path.unlink()
    path.mkdir()


def link(rng: random.Random, package: Path) -> None:
    path = _file(rng, package)
    path.unlink()
    path.symlink_to(rng.choice((path, Path("/dev/null"), Path("/"), Path("nowhere"), package)))


def swap_files(rng: random.Random, package: Path) -> None:
    first, second = _file(rng, package), _file(rng, package)
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)


def hostile_manifest(rng: random.Random, package: Path) -> None:
    (package / "Manifest.json").write_text(rng.choice(HOSTILE_JSON), encoding="latin-1")


def spoil_manifest(rng: random.Random, package: Path) -> None:
    """Another value for any key of the manifest."""
    path = package / "Manifest.json"
    manifest = json.loads(path.read_bytes())
    place = rng.choice([manifest, manifest["itemInfoEntries"], *manifest["itemInfoEntries"].values()])
    key = rng.choice(sorted(place))
    place[key] = (
        rng.choice((None, 0, [], {}, "", "../..", place, {"path": "x"})) if place is not manifest else 0
    )
    try:
        path.write_text(json.dumps(manifest))
    except ValueError:  # it holds itself now
        path.write_text("[" * 1000)


def fields(rng: random.Random, package: Path) -> None:
    """A few fields anywhere in the model's message, given other values of their type."""
    _edit(package, lambda spec: [_spoil(rng, spec) for _ in range(rng.choice((1, 1, 2, 5, 20)))])


def operations(rng: random.Random, package: Path) -> None:
    """The program's structure: operations lost, repeated, moved, taking and giving other values."""

    def change(spec: Any) -> None:
        blocks = [m for m in _messages(spec) if m.DESCRIPTOR.name == "Block" and len(m.operations)]
        for block in rng.sample(blocks, min(len(blocks), 2)):
            rng.choice(STRUCTURAL)(rng, block)

    _edit(package, change)


def nest(rng: random.Random, package: Path) -> None:
    """Blocks inside blocks, up to what the parser of the messages takes."""

    def change(spec: Any) -> None:
        blocks = [m for m in _messages(spec) if m.DESCRIPTOR.name == "Block" and len(m.operations)]
        for block in blocks[:1]:
            for _ in range(rng.choice((5, 30, 200))):
                kept = type(block)()
                kept.CopyFrom(block)
                del block.operations[1:]
                del block.operations[0].blocks[:]
                block.operations[0].blocks.add().CopyFrom(kept)

    _edit(package, change)


def shapes(rng: random.Random, package: Path) -> None:
    """Types of other ranks, extents and elements."""

    def change(spec: Any) -> None:
        types = [m for m in _messages(spec) if m.DESCRIPTOR.name == "TensorType"]
        for type_ in rng.sample(types, min(len(types), rng.choice((1, 3, 1000)))):
            rng.choice(SHAPES)(rng, type_)

    _edit(package, change)


def offsets(rng: random.Random, package: Path) -> None:
    """Places in the weight file that do not exist or belong to another, and files elsewhere."""

    def change(spec: Any) -> None:
        values = [m for m in _messages(spec) if m.DESCRIPTOR.name == "BlobFileValue"]
        for value in rng.sample(values, min(len(values), 2)):
            if rng.random() < 0.8:
                value.offset = rng.choice((0, 1, 63, 64, 65, 128, 2**31, 2**62, 2**64 - 1, 2**64 - 64))
            else:
                value.fileName = rng.choice(
                    ("", "@model_path/../../..", "/etc/passwd", "\x00", "@model_path/" * 99)
                )

    _edit(package, change)


def _edit(package: Path, change: Callable[[Any], object]) -> None:
    """Change the model's message and write it back."""
    quiet.coremltools()
    from coremltools.proto import Model_pb2

    path, spec = package / MODEL, Model_pb2.Model()
    spec.ParseFromString(path.read_bytes())
    change(spec)
    path.write_bytes(spec.SerializePartialToString())


def _messages(message: Any) -> Iterator[Any]:
    """The message and all in it, maps' values included."""
    yield message
    for field, value in message.ListFields():
        if field.type != Field.TYPE_MESSAGE:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].type == Field.TYPE_MESSAGE:
                for key in sorted(value):
                    yield from _messages(value[key])
        elif field.is_repeated:
            for item in value:
                yield from _messages(item)
        else:
            yield from _messages(value)


def _spoil(rng: random.Random, spec: Any) -> None:
    message = rng.choice(list(_messages(spec)))
    field = rng.choice(message.DESCRIPTOR.fields) if message.DESCRIPTOR.fields else None
    if field is None:
        return
    if rng.random() < 0.1:
        message.ClearField(field.name)
    elif field.type == Field.TYPE_MESSAGE:
        if not field.is_repeated:
            getattr(message, field.name).SetInParent()
    elif field.is_repeated:
        values = getattr(message, field.name)
        values.extend([_value(rng, field)] * rng.choice((1, 2, 17)))
    else:
        setattr(message, field.name, _value(rng, field))


def _value(rng: random.Random, field: Any) -> Any:
    if field.type == Field.TYPE_STRING:
        return rng.choice(TEXTS).replace("\ud800", "")
    if field.type == Field.TYPE_BYTES:
        return rng.randbytes(rng.choice((0, 1, 7, 64)))
    if field.type == Field.TYPE_BOOL:
        return rng.random() < 0.5
    if field.type in (Field.TYPE_FLOAT, Field.TYPE_DOUBLE):
        return rng.choice(FLOATS)
    if field.type == Field.TYPE_ENUM:
        return rng.choice((0, 1, 7, 99, 2**31 - 1))
    low, high = RANGES[field.cpp_type]
    return rng.choice([n for n in NUMBERS if low <= n <= high])


RANGES = {
    Field.CPPTYPE_INT32: (-(2**31), 2**31 - 1), Field.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    Field.CPPTYPE_UINT32: (0, 2**32 - 1), Field.CPPTYPE_UINT64: (0, 2**64 - 1),
}  # fmt: skip


def _lose(rng: random.Random, block: Any) -> None:
    del block.operations[rng.randrange(len(block.operations))]


def _repeat(rng: random.Random, block: Any) -> None:
    block.operations.add().CopyFrom(rng.choice(block.operations))


def _move(rng: random.Random, block: Any) -> None:
    kept = list(block.operations)
    rng.shuffle(kept)
    copies = [type(op).FromString(op.SerializeToString()) for op in kept]
    del block.operations[:]
    block.operations.extend(copies)


def _rebind(rng: random.Random, block: Any) -> None:
    """An input that names any value at all, its own operation's result or a later one too."""
    names = [out.name for op in block.operations for out in op.outputs] or ["x"]
    bindings = [b for op in block.operations for key in op.inputs for b in op.inputs[key].arguments]
    if bindings:
        rng.choice(bindings).name = rng.choice(names)


def _rename_result(rng: random.Random, block: Any) -> None:
    results = [out for op in block.operations for out in op.outputs]
    if results:
        rng.choice(results).name = rng.choice([*TEXTS, *(out.name for out in results)])


def _retype(rng: random.Random, block: Any) -> None:
    kinds = [op.type for op in block.operations]
    rng.choice(block.operations).type = rng.choice(
        [*TEXTS, *kinds, "reshape", "matmul", "concat", "slice_by_index"]
    )


def _no_inputs(rng: random.Random, block: Any) -> None:
    op = rng.choice(block.operations)
    op.inputs.clear() if rng.random() < 0.5 else op.outputs.pop() if op.outputs else None


def _several(rng: random.Random, block: Any) -> None:
    """Many arguments, or none, where one is meant."""
    op = rng.choice(block.operations)
    for key in list(op.inputs)[:1]:
        arguments = op.inputs[key].arguments
        if rng.random() < 0.5:
            del arguments[:]
        elif arguments:
            for _ in range(20):
                arguments.add().CopyFrom(arguments[0])


STRUCTURAL = (_lose, _repeat, _move, _rebind, _rename_result, _retype, _no_inputs, _several)


def _extent(rng: random.Random, type_: Any) -> None:
    for dimension in type_.dimensions:
        dimension.constant.size = rng.choice([n for n in NUMBERS if n >= 0])


def _rank(rng: random.Random, type_: Any) -> None:
    count = rng.choice((0, 1, 6, 40))
    del type_.dimensions[:]
    for _ in range(count):
        type_.dimensions.add().constant.size = rng.choice((0, 1, 3, 2**62))
    type_.rank = rng.choice((-1, count, 99))


def _unknown(rng: random.Random, type_: Any) -> None:
    for dimension in type_.dimensions:
        dimension.unknown.variadic = rng.random() < 0.5


def _element(rng: random.Random, type_: Any) -> None:
    type_.dataType = rng.choice((0, 1, 2, 10, 11, 13, 23, 25, 35, 40, 99))


SHAPES = (_extent, _rank, _unknown, _element)

MUTATIONS: tuple[Mutation, ...] = (
    flip_bits, truncate, random_bytes, overwrite_part, delete, rename, file_to_folder, link, swap_files,
    hostile_manifest, spoil_manifest, fields, fields, fields, operations, operations, operations, nest,
    shapes, shapes, offsets,
)  # fmt: skip
