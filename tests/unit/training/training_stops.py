"""Ways to stop a run in the middle."""

from lightning.pytorch import Callback


class StoppedError(Exception):
    """Stands for a machine that stops."""


def stop():
    raise StoppedError


class At(Callback):
    """Does something after the batch of that number, counted from 1 in this process: by default, stops."""

    def __init__(self, batch, do=stop):
        self.batch, self.do, self.seen = batch, do, 0

    def on_train_batch_end(self, *_):
        self.seen += 1
        if self.seen == self.batch:
            self.do()
