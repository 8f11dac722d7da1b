"""Conversion leaves the process as it was."""

import gc

import pytest

from pipersr_build import models
from pipersr_build.export import convert as converting
from pipersr_build.export.contracts import Contract
from pipersr_build.models.pipersr import PiperSRConfig


@pytest.fixture
def nothing_set_aside():
    gc.unfreeze()
    yield
    gc.freeze()


@pytest.mark.usefixtures("nothing_set_aside")
def test_what_conversion_sets_aside_is_collected_again_afterwards(monkeypatch):
    during = []
    collect = gc.collect
    monkeypatch.setattr(gc, "collect", lambda *words: during.append(gc.get_freeze_count()) or collect(*words))
    network = models.build(PiperSRConfig(blocks=1, channels=4)).eval()
    converting.convert(converting.trace(network, "video"), Contract("video", "v", 16, 16))
    assert min(during) > 100_000
    assert gc.get_freeze_count() == 0


def test_what_the_program_has_set_aside_stays_so():
    gc.freeze()
    network = models.build(PiperSRConfig(blocks=1, channels=4)).eval()
    converting.convert(converting.trace(network, "video"), Contract("video", "v", 16, 16))
    assert gc.get_freeze_count() > 100_000
