"""ONNX files: their bytes, their sizes, and that they compute what PyTorch does."""

import numpy as np
import pytest
import torch
from formats_networks import ABOUT, Halved, built, facts, random, writer

from pipersr_build.commands.format_checks import FREE_SIZES, check_file
from pipersr_build.export.contracts import Contract
from pipersr_build.export.formats import Written, onnx
from pipersr_build.export.metadata import TOOLKIT
from pipersr_build.export.reproduce import compare
from pipersr_build.models.paragonsr2 import ParagonSR2Config
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.quicksrnet import QuickSRNetConfig
from pipersr_build.validation.onnx_file import open_onnx
from tests.conftest import ROOT

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

WANTED = [Contract("image", "16", 16, 16), Contract("video", "v", 12, 20)]
PICTURES = [("a", np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8))]


@pytest.fixture(scope="module")
def network():
    return built(PiperSRConfig(blocks=1, channels=4))


@pytest.fixture(scope="module")
def written(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    return {made.path.name: made for made in writer().write(network, WANTED, folder)}


def difference(made, network, shape):
    """The largest difference from PyTorch for one input of this shape."""
    lr = np.random.default_rng(2).random(shape, dtype=np.float32)
    found = onnxruntime.InferenceSession(made.path).run(["sr"], {"lr": lr})[0]
    with torch.inference_mode():
        expected = network(torch.from_numpy(lr)).numpy()
    assert expected.std() > 0.01
    return float(np.abs(found - expected).max())


def test_every_contract_has_a_file_and_there_is_one_for_any_size(written):
    shapes = {
        name: [one.shape for one in (*file.interface.inputs, *file.interface.outputs)]
        for name, file in ((name, open_onnx(made.path).file) for name, made in written.items())
    }
    assert shapes == {
        "image_16.onnx": [(1, 3, 16, 16), (1, 3, 32, 32)],
        "video_v.onnx": [(1, 3, 12, 20), (1, 3, 24, 40)],
        "network_dynamic.onnx": [(None, 3, None, None)] * 2,
    }
    assert [made.kind for made in written.values()] == ["image", "video", "any size"]


def test_the_free_extents_have_names(written):
    graph = open_onnx(written["network_dynamic.onnx"].path).model.graph
    named = [
        [dim.dim_param for dim in one.type.tensor_type.shape.dim] for one in (*graph.input, *graph.output)
    ]
    assert named == [["batch", "", "height", "width"], ["batch", "", "2*height", "2*width"]]


@pytest.mark.parametrize("shape", [(1, 3, 16, 24), (1, 3, 1, 1), (1, 3, 33, 17), (3, 3, 7, 90)])
def test_the_file_for_any_size_computes_what_pytorch_does(written, network, shape):
    assert difference(written["network_dynamic.onnx"], network, shape) < 1e-5


def test_a_locked_file_computes_its_size_and_refuses_another(written, network):
    assert difference(written["video_v.onnx"], network, (1, 3, 12, 20)) < 1e-5
    with pytest.raises(Exception, match="Expected: 12"):
        difference(written["video_v.onnx"], network, (1, 3, 16, 20))


def test_files_are_valid_and_of_the_opset_that_is_promised(written):
    for made in written.values():
        opened = open_onnx(made.path)
        assert (opened.faults(), opened.opset) == ("", onnx.OPSET)
        assert opened.census == {"Add": 2, "Conv": 4, "DepthToSpace": 1, "Mul": 1, "Sigmoid": 1}


def test_nothing_of_the_machine_or_the_exporter_is_left_in_the_file(written):
    for made in written.values():
        data = made.path.read_bytes()
        for trace in (
            b".py",
            b"aten",
            b"stack",
            b"pkg.torch",
            str(ROOT).encode(),
            str(made.path.parent).encode(),
        ):
            assert trace not in data


def test_the_file_says_what_the_package_says(written):
    stated = open_onnx(written["video_v.onnx"].path).file.stated
    assert stated["pipersr_build.frame"] == "20x12"
    assert stated["pipersr_build.range"] == "0 to 1, float32, not clipped"
    assert (stated["author"], stated["license"], stated["version"]) == (
        ABOUT.author,
        ABOUT.licence,
        ABOUT.version,
    )
    assert stated["pipersr_build.exporter"].startswith("torch 2.")
    assert "pipersr_build.frame" not in open_onnx(written["network_dynamic.onnx"].path).file.stated


def test_the_same_weights_give_the_same_bytes_and_others_do_not(network, written, tmp_path):
    again = {made.path.name: made for made in writer().write(network, WANTED[1:], tmp_path)}
    for name, made in again.items():
        assert made.path.read_bytes() == written[name].path.read_bytes()
    model = open_onnx(again["video_v.onnx"].path).model
    model.graph.initializer[0].raw_data = bytes(len(model.graph.initializer[0].raw_data))
    again["video_v.onnx"].path.write_bytes(onnx.serialized(model))
    found = compare(written["video_v.onnx"].path, again["video_v.onnx"].path)
    assert (found.same, found.files) == (False, {"video_v.onnx": "differs"})


def test_another_version_of_the_toolkit_is_told_apart_from_other_weights(written, tmp_path):
    made = written["video_v.onnx"]
    model = open_onnx(made.path).model
    next(one for one in model.metadata_props if one.key == TOOLKIT).value = "2"
    (tmp_path / made.path.name).write_bytes(onnx.serialized(model))
    found = compare(made.path, tmp_path / made.path.name)
    assert (found.same, found.makers) == (True, {TOOLKIT: ("1", "2")})


def test_sizes_are_multiples_of_what_the_network_takes(tmp_path):
    network = random(Halved())
    wanted = [Contract("video", "v", 6, 10)]
    made = {one.path.name: one for one in writer(multiple=2).write(network, wanted, tmp_path)}
    assert open_onnx(made["video_v.onnx"].path).file.interface.outputs[0].shape == (1, 3, 12, 20)
    free = made["network_dynamic.onnx"]
    assert difference(free, network, (2, 3, 14, 34)) < 1e-5
    assert open_onnx(free.path).file.stated["pipersr_build.size_multiple"] == "2"
    checked = check_file(free, network, PICTURES, "exports/x")
    assert {gate.verdict for gate in checked.gates} == {"pass"}
    assert [one.input for one in checked.record.parity[:2]] == ["random, 24x18", "a, 24x18"]


def test_a_scale_that_is_not_whole_is_exported(tmp_path):
    network = built(QuickSRNetConfig(scale=1.5, blocks=1, channels=4))
    wanted = [Contract("video", "v", 8, 12)]
    made = {one.path.name: one for one in writer(multiple=2, scale=1.5).write(network, wanted, tmp_path)}
    assert open_onnx(made["video_v.onnx"].path).file.interface.outputs[0].shape == (1, 3, 12, 18)
    assert "Shape" not in open_onnx(made["video_v.onnx"].path).census
    assert difference(made["network_dynamic.onnx"], network, (1, 3, 10, 22)) < 1e-5


def test_a_state_goes_in_and_out_and_zeros_are_no_frame_before(tmp_path):
    network = built(ParagonSR2Config(channels=4, blocks=1))
    wanted = [Contract("video", "v_state", 12, 20, state=True)]
    made = {one.path.name: one for one in writer().write(network, wanted, tmp_path)}
    assert list(made) == ["video_v_state.onnx", "network_dynamic_state.onnx"]
    session = onnxruntime.InferenceSession(made["video_v_state.onnx"].path)
    assert [one.name for one in session.get_inputs()] == ["lr", "previous"]
    lr = np.random.default_rng(3).random((1, 3, 12, 20), dtype=np.float32)
    first, state = session.run(["sr", "next"], {"lr": lr, "previous": np.zeros((1, 5, 12, 20), np.float32)})
    second = session.run(["sr"], {"lr": lr[:, :, ::-1].copy(), "previous": state})[0]
    with torch.inference_mode():
        alone = [network(torch.from_numpy(x)).numpy() for x in (lr, lr[:, :, ::-1].copy())]
    assert np.abs(first - alone[0]).max() < 1e-5
    assert np.abs(second - alone[1]).max() > 1e-3  # it remembers
    for one in made.values():
        checked = check_file(one, network, PICTURES, "exports/x")
        assert {gate.verdict for gate in checked.gates} == {"pass"}
        assert checked.record.kind.endswith(" with state")


def test_a_network_that_depends_on_its_size_has_no_file_for_any(tmp_path, capsys):
    network = built(PiperSRConfig(blocks=1, channels=4))
    network.fixed_size = True
    made = list(writer().write(network, WANTED[:1], tmp_path))
    assert [one.path.name for one in made] == ["image_16.onnx"]
    assert "no ONNX file for any size" in capsys.readouterr().err
    assert difference(made[0], network, (1, 3, 16, 16)) < 1e-5


def test_the_gates_are_measured_at_several_sizes_and_say_what_was_run(written, network):
    checked = check_file(written["network_dynamic.onnx"], network, PICTURES, "exports/x")
    assert [(gate.name, gate.verdict) for gate in checked.gates] == [
        ("onnx.checker, faults", "pass"),
        ("parity, onnxruntime, CPU", "pass"),
    ]
    assert checked.gates[1].command == "pipersr-build validate exports/x"
    record = checked.record
    assert len(record.parity) == 2 * len(FREE_SIZES)
    assert record.parity[3].input == "a, 2 of 40x64"
    assert min(one.psnr_db for one in record.parity) > 100
    assert record.output == "fp32 tensor batch x 3 x 2 height x 2 width"
    assert (record.format, record.runtime) == ("onnx", "opset 18")


def test_other_weights_fail_the_gate(written):
    other = built(PiperSRConfig(blocks=1, channels=4), seed=5)
    gates = check_file(written["image_16.onnx"], other, PICTURES, "exports/x").gates
    assert [gate.verdict for gate in gates] == ["pass", "fail"]
    assert gates[1].value < 50


def test_a_file_that_onnx_refuses_is_not_run(written, network, tmp_path):
    model = open_onnx(written["image_16.onnx"].path).model
    model.graph.node[0].op_type = "NoSuchOperation"
    path = tmp_path / "spoilt.onnx"
    path.write_bytes(model.SerializeToString())
    (gate,) = check_file(Written(path, "image"), network, PICTURES, "exports/x").gates
    assert gate.verdict == "fail"
    assert "NoSuchOperation" in gate.note


def test_the_facts_name_a_network_that_cannot_be_converted(tmp_path):
    class Odd(torch.nn.Module):
        def forward(self, x):
            return torch.special.bessel_j0(x)

    with pytest.raises(Exception, match=rf"{facts().title} cannot be converted: operation \S*bessel_j0"):
        list(writer().write(Odd(), WANTED[:1], tmp_path))
    assert list(tmp_path.iterdir()) == []
