"""The pictures that a configuration means: to train on, to judge by, to look at."""

from pathlib import Path

from pipersr_build.config import Config
from pipersr_build.data.corpus import Corpus, folder_corpus, photos_corpus
from pipersr_build.data.pictures import Pair, make_pair
from pipersr_build.evaluation.testset import TestSet, load_test_set
from pipersr_build.progress import bar


def corpus_of(config: Config) -> Corpus:
    """The configured corpus; every picture is at least as large as an HR patch."""
    minimum = config.training.patch * config.model.scale
    if config.data.corpus == "photos":
        return photos_corpus(minimum=minimum)
    with bar("reading pictures", total=0) as shown:

        def progress(done: int, total: int, name: str) -> None:
            del done
            shown.set_total(total)
            shown.advance(note=name)

        return folder_corpus(
            Path(str(config.data.folder)), config.data.holdout, minimum=minimum, progress=progress
        )


def holdout_set(config: Config, corpus: Corpus) -> TestSet:
    """The corpus' held-out pictures as a test set, the small ones made by MATLAB's bicubic."""
    pairs: list[Pair] = [make_pair(picture, config.model.scale) for picture in corpus.holdout]
    return TestSet(f"{corpus.name}, held out", config.model.scale, pairs, "made")


def test_set_of(config: Config) -> TestSet:
    """The pictures that quality is measured on: `evaluation.folder`, else the corpus' held-out ones."""
    if config.evaluation.folder is not None:
        return load_test_set(Path(config.evaluation.folder), config.model.scale)
    return holdout_set(config, corpus_of(config))
