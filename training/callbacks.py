"""What happens beside the training: epochs written down, the best one kept, bfloat16 on the CPU, Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from fastai.torch_core import to_float
from torch import Tensor


@dataclass(frozen=True)
class Epoch:
    """One line of the training's history."""

    size: int
    train_loss: float
    valid_loss: float
    accuracy: float


class KeepBest(Callback):
    """Writes down every epoch and keeps the weights of the one with the lowest validation loss, in memory."""

    order = 61  # after fastai's Recorder

    def __init__(self) -> None:
        self.history: list[Epoch] = []
        self.best: dict[str, Tensor] | None = None

    def before_fit(self) -> None:
        self.run = not hasattr(self.learn, "lr_finder") and not hasattr(self.learn, "gather_preds")

    def after_epoch(self) -> None:
        train_loss, valid_loss, accurate = self.learn.recorder.values[-1][:3]
        size = self.learn.x.shape[-1]
        lowest = min((epoch.valid_loss for epoch in self.history), default=float("inf"))
        self.history.append(Epoch(size, train_loss, valid_loss, accurate))
        if valid_loss < lowest:
            self.best = {name: value.detach().clone() for name, value in self.learn.model.state_dict().items()}


class Bfloat16(Callback):
    """Autocast to bfloat16 on the CPU (fastai's own MixedPrecision speaks to CUDA only)."""

    order = 10

    def before_batch(self) -> None:
        self.autocast = torch.autocast("cpu", dtype=torch.bfloat16)
        self.autocast.__enter__()

    def after_pred(self) -> None:
        self.autocast.__exit__(None, None, None)
        self.learn.pred = to_float(self.learn.pred)


@contextmanager
def interrupt_between_batches(learner: Learner) -> Iterator[None]:
    """Let Ctrl-C end the batch in work first; a second Ctrl-C ends the program at once."""

    class Interrupt(Callback):
        asked = False

        def after_batch(self) -> None:
            if self.asked:
                raise KeyboardInterrupt

    interrupt = Interrupt()

    def ask(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupt.asked = True

    before = signal.signal(signal.SIGINT, ask)
    learner.add_cb(interrupt)
    try:
        yield
    finally:
        learner.remove_cb(interrupt)
        signal.signal(signal.SIGINT, before)
