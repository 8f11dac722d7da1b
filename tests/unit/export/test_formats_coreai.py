"""Core AI models: what is in them, and that the CPU runtime computes what PyTorch does."""

import importlib.util

import numpy as np
import pytest
import torch
from formats_networks import built, writer

from pipersr_build.commands.format_checks import check_file
from pipersr_build.export.contracts import Contract
from pipersr_build.export.formats import coreai
from pipersr_build.export.reproduce import compare
from pipersr_build.models.paragonsr2 import ParagonSR2Config
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.validation import coreai_file
from pipersr_build.validation.coreai_file import open_coreai
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("coreai_torch") is None,
    reason="coreai-torch is not installed",
)
PICTURES = [("a", np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8))]
WANTED = [Contract("image", "16", 16, 16), Contract("video", "v", 12, 20)]


@pytest.fixture(scope="module")
def network():
    return built(PiperSRConfig(blocks=1, channels=4))


@pytest.fixture(scope="module")
def written(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("coreai")
    return list(writer(coreai).write(network, WANTED, folder, folder))


def test_the_rewritten_network_is_the_network():
    exact = built(PiperSRConfig(blocks=1, channels=4)).double()
    program = coreai.exported(exact, (8, 12))
    assert "silu" not in str(program.graph)
    assert "sigmoid" in str(program.graph)
    lr = torch.rand(1, 3, 8, 12, dtype=torch.float64)
    with torch.no_grad():
        assert (program.module()(lr) - exact(lr)).abs().max() < 1e-12


def test_the_files_take_and_give_float16_of_their_size(written):
    shapes = {}
    for made in written:
        opened = open_coreai(made.path)
        features = (*opened.file.interface.inputs, *opened.file.interface.outputs)
        shapes[made.path.name] = [(one.name, one.dtype, one.shape) for one in features]
        assert opened.census["conv2d"] == 4
        assert not {"silu", "constant"} & opened.census.keys()
        assert opened.system == "27.0"
    assert shapes == {
        "image_16.aimodel": [("lr", "fp16", (1, 3, 16, 16)), ("sr", "fp16", (1, 3, 32, 32))],
        "video_v.aimodel": [("lr", "fp16", (1, 3, 12, 20)), ("sr", "fp16", (1, 3, 24, 40))],
    }


def test_the_metadata_says_what_a_package_says_and_no_date(written):
    text = (written[1].path / "metadata.json").read_text()
    for said in ('"author": "someone"', '"license": "Apache-2.0"', '"pipersr_build.frame": "20x12"'):
        assert said in text
    assert "creationDate" not in text


def test_nothing_of_the_machine_is_left_in_the_file(written):
    for made in written:
        data = (made.path / "main.mlirb").read_bytes()
        for trace in (b".py", str(ROOT).encode(), str(made.path.parent).encode()):
            assert trace not in data


def test_the_same_network_gives_the_same_program_and_another_does_not(written, network, tmp_path):
    (again,) = writer(coreai).write(network, WANTED[1:], tmp_path / "a")
    assert compare(written[1].path, again.path).same
    other = built(PiperSRConfig(blocks=1, channels=4), seed=5)
    (changed,) = writer(coreai).write(other, WANTED[1:], tmp_path / "b")
    assert compare(written[1].path, changed.path).files == {"main.mlirb": "differs"}


def test_gates_say_what_was_run_here_and_what_only_macos_27_can(written, network, capfd):
    checked = check_file(written[1], network, PICTURES, "exports/x")
    assert [(gate.name, gate.verdict) for gate in checked.gates] == [
        ("structure, differences", "pass"),
        ("silu left", "pass"),
        ("parity, coreai's CPU runtime", "pass"),
        ("parity, Core AI", "not measured"),
    ]
    assert checked.gates[2].note == "the same program for a frame of 24x16"
    assert checked.gates[2].value > 60
    assert checked.record.runtime == "Core AI 27.0"
    assert capfd.readouterr() == ("", "")


def test_where_there_is_core_ai_the_file_itself_is_run(written, network, monkeypatch):
    monkeypatch.setattr(coreai_file, "has_system", lambda: True)
    checked = check_file(written[0], network, PICTURES, "exports/x")
    assert (checked.gates[-1].name, checked.gates[-1].verdict) == ("parity, Core AI", "pass")
    assert [one.input for one in checked.record.parity] == ["random, 16x16", "a, 16x16"]


def test_other_weights_are_found_in_structure_and_in_parity(written, network, tmp_path):
    other = built(PiperSRConfig(blocks=1, channels=4), seed=5)
    (made,) = writer(coreai).write(other, WANTED[1:], tmp_path)
    mixed = type(made)(made.path, made.kind, twin=written[0].twin)
    structure = check_file(mixed, network, PICTURES, "exports/x").gates[0]
    assert (structure.verdict, structure.value) == ("fail", 1)
    assert "weights" in structure.note
    parity = check_file(written[0], other, PICTURES, "exports/x").gates[2]
    assert (parity.verdict, parity.value < 50) == ("fail", True)


def test_a_state_goes_in_and_out(tmp_path):
    network = built(ParagonSR2Config(channels=4, blocks=1))
    wanted = [Contract("video", "v_state", 12, 20, state=True)]
    (made,) = writer(coreai).write(network, wanted, tmp_path, tmp_path)
    checked = check_file(made, network, PICTURES, "exports/x")
    assert {gate.verdict for gate in checked.gates} == {"pass", "not measured"}
    assert checked.record.kind == "video with state"
    assert checked.record.input == "fp16 tensor 1 x 3 x 12 x 20, fp16 tensor 1 x 5 x 12 x 20"
    assert any("the state after it" in one.input for one in checked.record.parity)
