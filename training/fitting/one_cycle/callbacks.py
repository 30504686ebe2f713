"""What happens beside the training: epochs written down, weights kept and averaged, Ctrl-C."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from fastai.callback.core import Callback, CancelFitException, CancelValidException
from fastai.learner import Learner
from fastai.torch_core import num_distrib
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bot.errors import LabelgramError
from training.progress import shows_bars


class SkipEmptyValidation(Callback):
    """No validation where no photos are held out; fastai's progress bar does not take an empty one."""

    order = 40  # before Recorder and the progress bar

    def before_validate(self) -> None:
        if not len(self.learn.dls.valid):
            raise CancelValidException


AVERAGE_FROM = 0.3
"""Share of the training after which the weights are averaged."""


@dataclass(frozen=True)
class Epoch:
    """One line of the training's history."""

    size: int
    train_loss: float
    valid_loss: float
    accuracy: float


class KeepBest(Callback):
    """Writes down every epoch and keeps the weights of the one with the lowest validation loss, in memory.

    Without photos to validate on there is nothing to write down, and the last epoch counts as the best.
    It ends the training where the loss is no number any more.
    """

    order = 61  # after fastai's Recorder

    def __init__(self) -> None:
        self.diverged = False
        self.history: list[Epoch] = []
        self.best: dict[str, Tensor] | None = None

    def before_fit(self) -> None:
        self.run = not hasattr(self.learn, "gather_preds")

    def after_validate(self) -> None:
        lowest = min((epoch.valid_loss for epoch in self.history), default=float("inf"))
        training, held_out = self.learn.recorder.log[1], self.learn.recorder.log[2:3]
        if not all(map(math.isfinite, held_out if len(self.learn.dls.valid) else [training])):
            self.diverged = True
            raise CancelFitException
        if len(self.learn.dls.valid):
            self.history.append(Epoch(self.learn.dls.train.size, *map(float, self.learn.recorder.log[1:4])))
        if not self.history or self.history[-1].valid_loss < lowest:
            self.best = {name: value.detach().clone() for name, value in unwrap(self.learn.model).state_dict().items()}


class ExponentialMovingAverage(Callback):
    """Averages the weights of the steps from AVERAGE_FROM on; validation and the end of the training see the average.

    It begins late, since the start would stay in it. It follows quickly at first, so that a short training fills it.
    """

    order = 62  # validation ends for KeepBest before the weights are changed back

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.averaged: AveragedModel | None = None
        self.current: dict[str, Tensor] | None = None
        """The net's own weights, while validation sees the average."""

    def restore(self, model: nn.Module, state: dict[str, Any]) -> None:
        """Go on from the average of a checkpoint."""
        self._start(model)
        assert self.averaged is not None
        self.averaged.load_state_dict(state)

    def _start(self, model: nn.Module) -> None:
        self.averaged = AveragedModel(unwrap(model), multi_avg_fn=self._update, use_buffers=True)

    def _update(self, averaged: list[Tensor], current: list[Tensor], steps: Tensor | int) -> None:
        decay = min(self.decay, (1 + int(steps)) / (10 + int(steps)))  # as TensorFlow's ExponentialMovingAverage
        get_ema_multi_avg_fn(decay)(averaged, current, steps)

    def after_step(self) -> None:
        if self.learn.pct_train < AVERAGE_FROM:
            return
        if self.averaged is None:
            self._start(self.learn.model)
        assert self.averaged is not None
        self.averaged.update_parameters(unwrap(self.learn.model))

    def before_validate(self) -> None:
        if self.averaged is not None:
            net = unwrap(self.learn.model)
            self.current = {name: value.detach().clone() for name, value in net.state_dict().items()}
            net.load_state_dict(self.averaged.module.state_dict())

    def after_validate(self) -> None:
        if self.current is not None:
            unwrap(self.learn.model).load_state_dict(self.current)
            self.current = None


def unwrap(model: nn.Module) -> nn.Module:
    """The net without the wrapper that distributed training puts around it."""
    net: nn.Module = getattr(model, "module", model)
    return net


class DivergedError(LabelgramError):
    """The loss of a training is no number any more; the message says what to do."""


class StopAtOnce(BaseException):  # a wish, no error
    """A second Ctrl-C. Nothing that goes on after the first one catches it: it came within a batch, half done."""


class Interrupt(Callback):
    """Ends a training after the batch in which Ctrl-C came."""

    asked = False

    @property
    def agreed(self) -> bool:
        """Whether it came in any process. All end with the same batch: one that went on would wait for the others."""
        if num_distrib() <= 1:
            return self.asked
        votes = torch.tensor(float(self.asked), device=self.learn.dls.device)
        torch.distributed.all_reduce(votes)
        return bool(votes)

    def after_batch(self) -> None:
        if self.agreed:
            raise KeyboardInterrupt


@contextmanager
def interrupt_between_batches(learner: Learner) -> Iterator[Interrupt]:
    """Let Ctrl-C end the batch in work first; a second Ctrl-C ends the program at once, by StopAtOnce."""
    interrupt = Interrupt()

    def ask(number: int, frame: FrameType | None) -> None:
        if interrupt.asked:
            raise StopAtOnce
        interrupt.asked = True

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGINT, ask)
    learner.add_cb(interrupt)
    try:
        yield interrupt
    finally:
        learner.remove_cb(interrupt)
        signal.signal(signal.SIGINT, before)


@contextmanager
def show_epochs(learner: Learner) -> Iterator[None]:
    """fastai's table and bars on a terminal. Elsewhere a line for each epoch, and one before the first."""
    if shows_bars():
        yield
        return
    lines = PrintEpochs()
    learner.add_cb(lines)
    try:
        with learner.no_bar(), learner.no_logging():
            yield
    finally:
        learner.remove_cb(lines)


class PrintEpochs(Callback):
    """Prints a line for each epoch that is over, and saved."""

    order = 90  # after the checkpoint

    def before_fit(self) -> None:
        print(f"training all layers, {self.learn.n_epoch} epochs")

    def before_train(self) -> None:
        self.trained = True

    def after_epoch(self) -> None:
        if not self.__dict__.pop("trained", False):  # an epoch that was over before the training was resumed
            return
        loss, *held_out = self.learn.recorder.log[1:4]
        text = f"epoch {self.learn.epoch + 1} of {self.learn.n_epoch}: loss {loss:.3f}"
        if len(self.learn.dls.valid):
            text += f", of held-out photos {held_out[0]:.3f}, {held_out[1]:.1%} of them right"
        print(text)
