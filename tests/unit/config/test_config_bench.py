import pytest

from pipersr_build import config
from pipersr_build.config.bench import BenchConfig, check_bench
from pipersr_build.errors import InputError


def test_the_defaults_are_the_five_configurations_on_every_setting_of_compute_units():
    bench = config.load().bench
    assert (bench.picture, bench.video) == ("1024x1024", "360p,480p,540p")
    assert bench.compute_units == ["cpuAndNeuralEngine", "cpuAndGPU", "cpuOnly", "all"]
    assert bench.pin is None


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("bench.iterations=0", "bench.iterations"),
        ("bench.warm_up=-1", "bench.warm_up"),
        ("bench.picture=large", "bench.picture"),
        ("bench.video=[360p,4x4]", "bench.video"),
        ("bench.video=[]", "bench.video"),
        ("bench.compute_units=[]", "bench.compute_units"),
        ("bench.compute_units=all", "bench.compute_units"),
        ("bench.compute_units=[cpuOnly,ane]", "bench.compute_units"),
        ("bench.tolerance=-0.1", "bench.tolerance"),
        ("bench.tolerance=inf", "bench.tolerance"),
    ],
)
def test_wrong_values_are_refused_by_their_key(override, key):
    with pytest.raises(InputError, match=key) as caught:
        config.load([override])
    assert caught.value.fix
    assert caught.value.where == f"configuration key {key}"


def test_settings_that_make_sense_pass():
    check_bench(BenchConfig(iterations=1, warm_up=0, video=["360p", "720x400"], compute_units=["all"]))
