"""The pictures that a configuration means: to train on, to judge by, to look at."""

from pathlib import Path

from pipersr_build.commands.corpus import corpus_of as corpus_of
from pipersr_build.config import Config, evaluation_folders
from pipersr_build.data.corpus import Corpus
from pipersr_build.evaluation.names import distinct
from pipersr_build.evaluation.testset import Progress, TestSet, find_test_sets, load_folders, load_test_set
from pipersr_build.progress import Bar, bar


def holdout_set(config: Config, corpus: Corpus) -> TestSet:
    """The corpus' held-out pictures as a test set, the small ones made by MATLAB's bicubic."""
    pairs = corpus.holdout_pairs(config.model.scale)
    return TestSet(f"{corpus.name}, held out", config.model.scale, pairs, "made")


def test_sets_of(config: Config) -> list[TestSet]:
    """The pictures that quality is measured on: those of `evaluation`, else the corpus' held-out ones."""
    chosen, scale = config.evaluation, config.model.scale
    if not chosen.hr and chosen.folder is None:
        return [holdout_set(config, corpus_of(config))]
    with bar("reading pictures", total=0) as shown:
        progress = _counting(shown)
        if chosen.hr:
            small = Path(chosen.lr) if chosen.lr else None
            return [load_folders(Path(chosen.hr), small, scale, progress=progress)]
        given = (Path(folder) for folder in evaluation_folders(chosen))
        sets = list({s.resolve(): s for folder in given for s in find_test_sets(folder)}.values())
        names = distinct([folder.parent if folder.name == "HR" else folder for folder in sets])
        named = zip(sets, names, strict=True)
        return [load_test_set(folder, scale, name, progress) for folder, name in named]


def _counting(shown: Bar) -> Progress:
    """Advances a bar through several test sets, each of which starts to count anew."""
    before = 0

    def progress(done: int, total: int, name: str) -> None:
        nonlocal before
        shown.set_total(before + total)
        shown.advance(note=name)
        before += total if done == total else 0

    return progress
