import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_corpora import TRAIN, VALID, archive, damage, write_images

from pipersr_build.data import prepare as module
from pipersr_build.data.contents import open_packs
from pipersr_build.data.corpus import Corpus, packed_corpus, read_corpus
from pipersr_build.data.making import Recipe, do
from pipersr_build.data.members import Terms
from pipersr_build.data.packed import Pack
from pipersr_build.data.prepare import Outcome, prepare
from pipersr_build.data.sources import Sources, archive_sources, folder_sources
from pipersr_build.errors import InputError, InterruptedRunError, MachineError

NAMES = ["a/1.png", "a/2.png", "b/3.png", "b/4.png", "b/5.png"]
RECIPE = Recipe((0.75, 0.5), least=25, scale=2)
TERMS = Terms(emphasis={"b": 2})


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_images(tmp_path / "images", NAMES)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return tmp_path / "pack"


def sources(images: Path) -> Sources:
    return folder_sources(images, ["a/2.png"])


def run(images: Path, pack: Path, recipe: Recipe = RECIPE, terms: Terms = TERMS, **more: bool) -> Outcome:
    return prepare(sources(images), pack, recipe, terms, workers=1, **more)


def opened(images: Path, pack: Path, recipe: Recipe = RECIPE, terms: Terms = TERMS) -> Corpus:
    corpus = packed_corpus(sources(images), pack, recipe, terms)
    assert corpus is not None
    return corpus


def state(pack: Path) -> dict[str, tuple[int, bytes]]:
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in pack.iterdir() if p.is_file()}


def check_same(one: Corpus, other: Corpus) -> None:
    assert one.fingerprint == other.fingerprint
    assert one.emphasis == other.emphasis
    for mine, others in zip(
        [*one.training_pairs(2), *one.holdout_pairs(2)],
        [*other.training_pairs(2), *other.holdout_pairs(2)],
        strict=True,
    ):
        assert mine.name == others.name
        np.testing.assert_array_equal(mine.hr, others.hr)
        np.testing.assert_array_equal(mine.lr, others.lr)


def test_a_prepared_corpus_is_the_one_read_from_its_images(images: Path, pack: Path) -> None:
    assert run(images, pack) == Outcome(5)
    corpus = opened(images, pack)
    check_same(corpus, read_corpus(sources(images), RECIPE, TERMS))
    assert [picture.name for picture in corpus.train][:3] == ["a/1.png", "a/1.png@0.75", "b/3.png"]
    assert [picture.name for picture in corpus.holdout] == ["a/2.png"]
    assert corpus.emphasis == [1, 1] + [2] * 6


def test_pictures_are_views_of_the_maps(images: Path, pack: Path) -> None:
    run(images, pack)
    corpus = opened(images, pack)
    pairs = corpus.training_pairs(2)
    assert all(
        np.shares_memory(pair.hr, picture.rgb) for pair, picture in zip(pairs, corpus.train, strict=True)
    )
    arrays = [*(picture.rgb for picture in corpus.train), *(pair.lr for pair in pairs)]
    assert not any(array.flags.writeable or array.flags.owndata for array in arrays)
    assert all(pair.lr.flags.writeable for pair in corpus.holdout_pairs(2))


def test_the_second_time_there_is_nothing_to_do(images: Path, pack: Path) -> None:
    run(images, pack)
    before = state(pack)
    assert run(images, pack) == Outcome(0)
    assert state(pack) == before


def test_two_processes_make_the_same_pack(images: Path, pack: Path) -> None:
    run(images, pack)
    assert prepare(sources(images), pack.with_name("two"), RECIPE, TERMS, workers=2) == Outcome(5)
    for name in ("hr.u8", "hr.jsonl", "lr_x2.u8", "lr_x2.jsonl"):
        assert (pack.with_name("two") / name).read_bytes() == (pack / name).read_bytes()


def test_only_what_changed_is_packed_again(images: Path, pack: Path) -> None:
    run(images, pack)
    write_images(images, ["b/6.png"])
    (images / "b/3.png").write_bytes((images / "b/6.png").read_bytes())
    (images / "b/4.png").unlink()
    assert packed_corpus(sources(images), pack, RECIPE, TERMS) is None
    assert run(images, pack) == Outcome(2)
    check_same(opened(images, pack), read_corpus(sources(images), RECIPE, TERMS))


@pytest.mark.parametrize(
    "recipe",
    [replace(RECIPE, scale=3), replace(RECIPE, reductions=(0.9, 0.5)), replace(RECIPE, least=15)],
)
def test_other_wishes_are_added_from_what_is_packed(images: Path, pack: Path, recipe: Recipe) -> None:
    run(images, pack)
    found = sources(images)
    for name in NAMES:  # the same size and time, so they count as unchanged, but they cannot be read
        size, when = (images / name).stat().st_size, (images / name).stat().st_mtime_ns
        (images / name).write_bytes(bytes(size))
        os.utime(images / name, ns=(when, when))
    assert packed_corpus(found, pack, recipe, TERMS) is None
    assert run(images, pack, recipe).broken == {}
    assert packed_corpus(found, pack, recipe, TERMS) is not None
    assert packed_corpus(found, pack, RECIPE, TERMS) is not None  # the old ones are still there


def test_without_a_scale_small_pictures_are_made_on_the_fly(images: Path, pack: Path) -> None:
    recipe = replace(RECIPE, scale=None)
    run(images, pack, recipe)
    assert [path.name for path in pack.glob("*.u8")] == ["hr.u8"]
    check_same(opened(images, pack, recipe), read_corpus(sources(images), RECIPE, TERMS))


def test_broken_images_are_all_named_and_the_others_packed(images: Path, pack: Path) -> None:
    for name in ("a/1.png", "b/4.png"):
        damage(images / name)
    for _again in range(2):
        with pytest.raises(InputError, match="2 images cannot be read") as caught:
            run(images, pack)
        assert re.findall(r"^ *(\S+): the image is damaged", caught.value.what, re.MULTILINE) == [
            "a/1.png",
            "b/4.png",
        ]
        assert "data.skip_broken=true" in str(caught.value.fix)
    write_images(images, ["a/1.png", "b/4.png"])
    assert run(images, pack) == Outcome(2)
    check_same(opened(images, pack), read_corpus(sources(images), RECIPE, TERMS))


def test_broken_images_are_skipped_on_request(images: Path, pack: Path) -> None:
    damage(images / "b/4.png")
    terms = replace(TERMS, skip_broken=True)
    for packed in (4, 0):
        outcome = run(images, pack, terms=terms)
        assert (outcome.packed, list(outcome.broken)) == (packed, ["b/4.png"])
    check_same(opened(images, pack, terms=terms), read_corpus(sources(images), RECIPE, terms))
    assert packed_corpus(sources(images), pack, RECIPE, TERMS) is None


def test_damaged_pixels_are_made_again(images: Path, pack: Path) -> None:
    run(images, pack)
    data = bytearray((pack / "hr.u8").read_bytes())
    data[10] ^= 1
    (pack / "hr.u8").write_bytes(data)
    assert run(images, pack) == Outcome(0)
    seen: list[str] = []
    outcome = prepare(sources(images), pack, RECIPE, TERMS, workers=1, verify=True, checked=seen.append)
    assert outcome == Outcome(1)
    assert len(seen) == 2 * 9
    check_same(opened(images, pack), read_corpus(sources(images), RECIPE, TERMS))


def test_small_images_are_named_before_the_work(images: Path, pack: Path) -> None:
    write_images(images, ["b/9.png"], 20, 60)
    with pytest.raises(InputError, match=r"24x24 pixels needed: b/9\.png \(60x20\)"):
        run(images, pack, terms=Terms(24))
    assert Pack(pack, "hr").entries == {}
    terms = Terms(24, skip_small=True)
    run(images, pack, terms=terms)
    corpus = opened(images, pack, terms=terms)
    assert "b/9.png" not in [picture.name for picture in corpus.train]
    check_same(corpus, read_corpus(sources(images), RECIPE, terms))


def test_a_disk_too_small_is_noticed_before_the_work(
    images: Path, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "disk_usage", lambda _folder: type("Usage", (), {"free": 40_000}))
    with pytest.raises(InputError, match=r"needs 0\.\d\d MB more, the disk has 0\.04 MB left"):
        run(images, pack)
    monkeypatch.setattr(module, "disk_usage", lambda _folder: type("Usage", (), {"free": 65_000}))
    assert run(images, pack) == Outcome(5)
    assert 40_000 < sum((pack / name).stat().st_size for name in ("hr.u8", "lr_x2.u8")) < 65_000


def test_an_interruption_keeps_what_is_packed(
    images: Path, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def interrupted(job: module.Job) -> module.Done:
        calls.append(job.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return do(job)

    monkeypatch.setattr(module, "do", interrupted)
    with pytest.raises(InterruptedRunError, match="interrupted after 2 of 5 images"):
        run(images, pack)
    assert run(images, pack) == Outcome(3)
    check_same(opened(images, pack), read_corpus(sources(images), RECIPE, TERMS))


def test_a_process_that_the_system_ends_is_explained(
    images: Path, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_follow_parent", _die)
    with pytest.raises(MachineError, match="the system ended a process after 0 of 5 images"):
        prepare(sources(images), pack, RECIPE, TERMS, workers=2)
    monkeypatch.undo()
    assert run(images, pack) == Outcome(5)


def _die() -> None:
    os._exit(9)


PREPARE = """
import signal
import sys
from pathlib import Path
from test_data_prepare import RECIPE, TERMS, sources
from pipersr_build.data.prepare import prepare

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    images, pack, workers = sys.argv[1:]
    prepare(sources(Path(images)), Path(pack), RECIPE, TERMS, workers=int(workers))
"""


@pytest.mark.parametrize(("how", "workers"), [(signal.SIGKILL, 1), (signal.SIGKILL, 2), (signal.SIGINT, 2)])
def test_a_killed_preparation_goes_on(tmp_path: Path, pack: Path, how: signal.Signals, workers: int) -> None:
    names = [*NAMES, *(f"c/{n}.png" for n in range(60))]  # enough that the end is far when it is killed
    images = write_images(tmp_path / "images", names, 200, 240)
    script = tmp_path / "run.py"
    script.write_text(PREPARE)
    process = subprocess.Popen(
        [sys.executable, str(script), str(images), str(pack), str(workers)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while len(_entries(pack)) < 3:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)
    process.send_signal(how) if how == signal.SIGKILL else os.killpg(process.pid, how)
    error = process.communicate()[1].decode()  # ends when the last process that can write there ends
    assert (how == signal.SIGKILL) == (process.returncode == -signal.SIGKILL), error
    before = _entries(pack)
    assert 3 <= len(before) < len(names)
    assert run(images, pack).packed >= len(names) - len(before)
    assert {name: entry for name, entry in _entries(pack).items() if name in before} == before
    check_same(opened(images, pack), read_corpus(sources(images), RECIPE, TERMS))


def _entries(pack: Path) -> dict[str, object]:
    return {k: v for k, v in Pack(pack, "hr").entries.items() if "@" not in k}


def test_official_images_may_be_deleted_once_they_are_packed(tmp_path: Path, pack: Path) -> None:
    write_images(tmp_path / "train_HR", TRAIN)
    write_images(tmp_path / "holdout_HR", VALID)
    found = archive_sources("div2k", [archive("train"), archive("holdout")], tmp_path)
    prepare(found, pack, RECIPE, Terms(), workers=1)
    corpus = packed_corpus(found, pack, RECIPE)
    assert corpus is not None
    assert [picture.name for picture in corpus.holdout] == [f"holdout_HR/{name}" for name in VALID]
    os.utime(tmp_path / "train_HR" / "01.png", (0, 0))  # unpacked again
    again = packed_corpus(found, pack, RECIPE)
    shutil.rmtree(tmp_path / "train_HR")
    without = packed_corpus(found, pack, RECIPE)
    assert again is not None
    assert without is not None
    assert corpus.fingerprint == again.fingerprint == without.fingerprint
    assert prepare(found, pack, RECIPE, Terms(), workers=1) == Outcome(0)


def test_an_lr_picture_of_another_size_is_named(images: Path, pack: Path) -> None:
    run(images, pack)
    index = open_packs(pack, RECIPE).small
    assert index is not None
    index.index.write_text(
        index.index.read_text().replace('"height": 20, "width": 26', '"height": 26, "width": 20')
    )
    with pytest.raises(InputError, match=r"a/1\.png has 52x40 pixels, its LR picture 20x26"):
        opened(images, pack)
