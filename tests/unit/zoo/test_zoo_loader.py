import importlib
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipersr_build import models
from pipersr_build.errors import InputError
from pipersr_build.fusion import prove_equal, to_deploy
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.weights import METADATA_KEY, load_weights, save_weights
from pipersr_build.zoo.loader import run_name
from pipersr_build.zoo.samples import SAMPLES, Sample, weights_of
from pipersr_build.zoo.spandrel import spandrel


def written(tensors, path):
    save_file(tensors, path) if path.suffix == ".safetensors" else torch.save({"params_ema": tensors}, path)
    return path


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("Compact", ".pth"), ("Compact", ".safetensors"), ("SAFMN", ".pth"), ("SwinIR", ".safetensors")],
)
def test_the_network_computes_what_spandrel_computes(name, suffix, tmp_path):
    tensors = weights_of(SAMPLES[name])
    found = load_weights(written(dict(tensors), tmp_path / f"Some weights ({name}){suffix}"))
    expected = spandrel().MAIN_REGISTRY.load(dict(tensors))
    picture = torch.rand(1, 3, 17, 22)  # no multiple of anything
    with torch.inference_mode():
        assert torch.equal(found.network(picture).clamp(0, 1), expected(picture.clone()))
    facts = models.facts(found.config)
    assert (facts.scale, facts.channels) == (expected.scale, 3)
    assert facts.size_multiple == expected.size_requirements.multiple_of
    assert found.config.architecture == SAMPLES[name].architecture
    assert found.config.file_sha256 in facts.source
    assert found.name == f"Some_weights_{name}_"
    assert not found.network.training
    assert found.network.state_dict().keys() == tensors.keys()


def test_what_an_export_keeps_can_be_read_again(compact, tmp_path):
    first = load_weights(written(compact, tmp_path / "mine.pth"))
    save_weights(tmp_path / "weights.safetensors", first.network, first.config, first.name)
    again = load_weights(tmp_path / "weights.safetensors", first.config)
    assert (again.config, again.name) == (first.config, "mine")
    assert load_file(tmp_path / "weights.safetensors").keys() == compact.keys()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"receptive_radius": "far"}}, "model.receptive_radius is 'far'"),
        ({"model": {"architecture": "SwinIR"}}, "'SwinIR', the tensors are Compact's"),
        ({"format": 9}, "format 9 is not known"),
    ],
)
def test_metadata_that_do_not_belong_to_the_tensors_are_refused(compact, change, message, tmp_path):
    first = load_weights(written(compact, tmp_path / "mine.pth"))
    about = {"format": 1, "model": models.describe(first.config), "name": "mine"}
    changed = {**about, **change, "model": {**about["model"], **change.get("model", {})}}
    path = tmp_path / "weights.safetensors"
    save_file(compact, path, {METADATA_KEY: json.dumps(changed)})
    with pytest.raises(InputError, match=message):
        load_weights(path)


@pytest.mark.parametrize("prefix", ["params_ema.", "model.", "ema.net."])
def test_a_first_part_that_all_names_share_is_taken_off(compact, prefix, tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({prefix + key: value for key, value in compact.items()}, path)
    found = load_weights(path).network.state_dict()
    assert found.keys() == compact.keys()
    assert all(torch.equal(found[key], value) for key, value in compact.items())


def named(first, tensors):
    return {f"{first}.{key}": value.clone() for key, value in tensors.items()}


OTHERS = {"discriminator.conv.weight": torch.zeros(8, 3, 3, 3)}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda t: named("generator", t) | {"step_counter": torch.zeros(1)},
        lambda t: named("module", t) | {"n_averaged": torch.tensor(5)},
        lambda t: named("generator", halved(t)) | named("generator_ema", t) | OTHERS,
        lambda t: named("params", halved(t)) | named("params_ema.module", t),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_of_several_copies_in_a_file_the_averaged_one_is_taken(compact, wrap, suffix, tmp_path):
    path = tmp_path / f"w{suffix}"
    save_file(wrap(compact), path) if suffix == ".safetensors" else torch.save(
        {"state_dict": wrap(compact)}, path
    )
    found = load_weights(path).network.state_dict()
    assert found.keys() == compact.keys()
    assert all(torch.equal(found[key], value) for key, value in compact.items())


def halved(tensors):
    return {key: value / 2 for key, value in tensors.items()}


@pytest.mark.parametrize("more", [{"tail.weight": torch.zeros(3)}, {"scale_of_all": torch.zeros(3)}])
def test_a_known_network_inside_an_unknown_one_is_not_taken_for_it(compact, more, tmp_path):
    torch.save(named("model", compact) | more, tmp_path / "w.pth")
    with pytest.raises(InputError, match="does not say which network"):
        load_weights(tmp_path / "w.pth")


AURA = {
    "dim": 8, "style_network": {"dim_in": 8, "dim_out": 32, "depth": 2}, "up_dim_mults": (1, 1, 2, 2, 4),
    "down_dim_mults": (2, 2, 4), "full_attn": (False,) * 4 + (True,), "self_attn_dim_head": 8,
    "attn_depths": (1,) * 5, "mid_attn_depth": 1, "num_conv_kernels": 2, "unconditional": True,
    "image_size": None, "input_image_size": None,
}  # fmt: skip


def test_a_network_that_draws_random_numbers_is_refused(tmp_path):
    network = importlib.import_module("spandrel.architectures.AuraSR").AuraSR(**AURA)
    with pytest.raises(InputError, match="AuraSR with these weights draws random numbers"):
        load_weights(written(network.state_dict(), tmp_path / "w.pth"))


def test_a_network_that_makes_infinite_values_is_refused(compact, tmp_path):
    large = {key: value * 1e12 for key, value in compact.items()}
    with pytest.raises(InputError, match="makes NaN or infinite values of a grey picture"):
        load_weights(written(large, tmp_path / "w.pth"))


def test_a_first_part_that_belongs_to_the_architecture_stays(tmp_path):
    named = {f"model.{key}": torch.zeros(2, 2) for key in ("a.weight", "b.weight")}
    with pytest.raises(InputError, match=r"none of the \d+ architectures.*model\.a\.weight"):
        load_weights(written(named, tmp_path / "w.pth"))


def test_blocks_that_put_their_convolution_together_in_every_run_are_collapsed(tmp_path):
    network = load_weights(written(weights_of(SAMPLES["SPAN"]), tmp_path / "w.pth")).network
    deployed = to_deploy(network.double())
    assert prove_equal(network, deployed).holds
    convolutions = [name for name, module in deployed.named_modules() if isinstance(module, torch.nn.Conv2d)]
    assert len(convolutions) == 22
    assert len(network.state_dict()) > 3 * len(deployed.state_dict())


def test_half_precision_weights_are_computed_with_in_float32(compact, tmp_path):
    halves = {key: value.half() for key, value in compact.items()}
    found = load_weights(written(halves, tmp_path / "w.safetensors"))
    assert {p.dtype for p in found.network.parameters()} == {torch.float32}
    assert found.config.stored == "float16"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("body.2.bias"), r"no complete weights of .*Compact.*body\.2\.bias"),
        (lambda t: t.update({"extra.bias": torch.zeros(1)}), r"Unexpected key.*extra\.bias"),
        (lambda t: t.update({"body.2.bias": torch.zeros(5)}), r"size mismatch for body\.2\.bias"),
        (lambda t: t.pop("body.0.weight"), "none of the|no complete weights"),
    ],
)
def test_weights_that_do_not_fit_are_refused(compact, change, message, tmp_path):
    tensors = dict(compact)
    change(tensors)
    with pytest.raises(InputError, match=message):
        load_weights(written(tensors, tmp_path / "w.pth"))


def test_weights_of_nothing_known_are_refused(tmp_path):
    path = written({"a.weight": torch.zeros(3), "b.weight": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"none of the \d+ architectures[\s\S]*a\.weight"):
        load_weights(path)


def test_another_model_than_the_weights_is_refused(compact, tmp_path):
    path = written(compact, tmp_path / "w.pth")
    with pytest.raises(
        InputError, match=r"another architecture: family is 'third_party'.*scale is 2, asked for 4"
    ):
        load_weights(path, PiperSRConfig(scale=4))


REFUSED = {
    "DnCNN": (Sample("DnCNN", "DnCNN", {"in_nc": 3, "out_nc": 3, "nc": 8, "nb": 9, "act_mode": "R"}),
              "DnCNN does not enlarge"),
    "NAFNet": (Sample("NAFNet", "NAFNet", {"width": 4, "enc_blk_nums": [1], "dec_blk_nums": [1]}),
               "NAFNet does not enlarge"),
    "1x": (Sample("Compact", "Compact", {"num_feat": 8, "num_conv": 1, "upscale": 1}), "does not enlarge"),
    "grey": (Sample("Compact", "Compact",
                    {"num_in_ch": 1, "num_out_ch": 1, "num_feat": 8, "num_conv": 1, "upscale": 2}),
             r"takes 1 channel \(grey\) and returns 1 channel"),
    "alpha": (Sample("Compact", "Compact",
                     {"num_in_ch": 4, "num_out_ch": 4, "num_feat": 8, "num_conv": 1, "upscale": 2}),
              r"takes 4 channels \(RGB and alpha\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_networks_that_do_not_enlarge_rgb_pictures_are_refused_by_name(case, tmp_path):
    sample, message = REFUSED[case]
    spandrel()
    module = importlib.import_module(f"spandrel.architectures.{sample.architecture}")
    tensors = getattr(module, sample.network)(**sample.settings).state_dict()
    with pytest.raises(InputError, match=message) as error:
        load_weights(written(dict(tensors), tmp_path / "w.pth"))
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("RealESRGAN_x4plus.pth", "RealESRGAN_x4plus"),
        ("4x Foo (v2).pth", "4x_Foo_v2_"),
        ("日本.pth", "third_party"),
        (".hidden.pth", "hidden"),
    ],
)
def test_a_run_is_named_like_its_file(file, name, tmp_path):
    assert run_name(tmp_path / file) == name
