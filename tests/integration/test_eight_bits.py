from pipersr_build.models.quantized import is_quantized
from pipersr_build.models.weights import load_weights


def test_trained_exported_and_validated(pipersr_build, tmp_path):
    words = ["model=quicksrnet_small_2x", "experiment=debug", "model.channels=24", "model.blocks=1",
             "model.random=0.2", "training.threads=1"]  # fmt: skip
    first = pipersr_build(tmp_path, "train", *words, "name=a")
    assert first.returncode == 0, first.stderr
    tuned = ["training.form=quantized", "training.initial=runs/a/weights.safetensors", "name=q"]
    second = pipersr_build(tmp_path, "train", *words, *tuned)
    assert second.returncode == 0, second.stderr
    assert is_quantized(load_weights(tmp_path / "runs/q/weights.safetensors").network)
    third = pipersr_build(tmp_path, "export", "weights=runs/q/weights.safetensors", "experiment=debug",
                          "export=image", "export.compress=[w8a8]", "target=macos14")  # fmt: skip
    assert third.returncode == 0, third.stdout + third.stderr
    assert (tmp_path / "exports/q/image_96_w8a8.mlpackage").is_dir()
    assert "image_96_w8a8.mlpackage" in third.stdout.split("gate")[0]  # its quality, beside the fp16 one's
    assert "image_96_w8a8.mlpackage" in (tmp_path / "exports/q/MODEL_CARD.md").read_text()
    fourth = pipersr_build(tmp_path, "validate", "exports/q")
    assert fourth.returncode == 0, fourth.stdout + fourth.stderr
