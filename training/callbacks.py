"""What happens beside the training: epochs written down, weights kept and averaged, checkpoints, a teacher, Ctrl-C."""

from __future__ import annotations

import hashlib
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from fastai.callback.core import Callback
from fastai.distributed import DistributedDL
from fastai.learner import Learner
from fastai.torch_core import num_distrib, rank_distrib, set_seed, to_float
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training.photos import LabelledPhoto
from training.recipe import Recipe

CHECKPOINT_FILE = "checkpoint.pth"
"""In the report's folder while it trains, and as long as a stopped training can be gone on with."""


class ResumeError(Exception):
    """A training cannot be resumed; the message says what to do."""


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

    def after_validate(self) -> None:
        train_loss, valid_loss, accurate = map(float, self.learn.recorder.log[1:4])
        size = self.learn.x.shape[-1]
        lowest = min((epoch.valid_loss for epoch in self.history), default=float("inf"))
        self.history.append(Epoch(size, train_loss, valid_loss, accurate))
        if valid_loss < lowest:
            self.best = {name: value.detach().clone() for name, value in bare(self.learn.model).state_dict().items()}


class Average(Callback):
    """Keeps an exponential moving average of the weights; validation and the end of the training see it."""

    order = 62  # validation ends for KeepBest before the weights are changed back

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.averaged: AveragedModel | None = None

    def before_fit(self) -> None:
        self.run = not hasattr(self.learn, "lr_finder") and not hasattr(self.learn, "gather_preds")
        if self.run and self.averaged is None:
            self._start(self.learn.model)

    def restore(self, model: nn.Module, state: dict[str, Any]) -> None:
        """Go on from the average of a checkpoint."""
        self._start(model)
        assert self.averaged is not None
        self.averaged.load_state_dict(state)

    def _start(self, model: nn.Module) -> None:
        update = get_ema_multi_avg_fn(self.decay)
        self.averaged = AveragedModel(bare(model), multi_avg_fn=update, use_buffers=True)

    def after_step(self) -> None:
        assert self.averaged is not None
        self.averaged.update_parameters(bare(self.learn.model))

    def before_validate(self) -> None:
        assert self.averaged is not None
        net = bare(self.learn.model)
        self.own = {name: value.detach().clone() for name, value in net.state_dict().items()}
        net.load_state_dict(self.averaged.module.state_dict())

    def after_validate(self) -> None:
        bare(self.learn.model).load_state_dict(self.own)
        del self.own


class Distill(Callback):
    """The teacher's answers are the targets: "Distilling the Knowledge in a Neural Network" (Hinton et al. 2015).

    It sees the very batch that the net sees, crops, blends and all ("Knowledge distillation: A good teacher is patient
    and consistent", Beyer et al. 2022).
    """

    run_valid = False
    temperature = 2.0

    def __init__(self, teacher: nn.Module) -> None:
        self.teacher = teacher.eval()

    def after_loss(self) -> None:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=hasattr(self.learn, "bfloat16")):
            answers = self.teacher(*self.xb)
        softened = functional.log_softmax(to_float(answers) / self.temperature, dim=1)
        own = functional.log_softmax(self.pred / self.temperature, dim=1)
        loss = functional.kl_div(own, softened, reduction="batchmean", log_target=True) * self.temperature**2
        self.learn.loss_grad = loss
        self.learn.loss = loss.clone()


class Bfloat16(Callback):
    """Autocast to bfloat16 on the CPU (fastai's own MixedPrecision speaks to CUDA only)."""

    order = 10

    def before_batch(self) -> None:
        self.autocast = torch.autocast("cpu", dtype=torch.bfloat16)
        self.autocast.__enter__()

    def after_pred(self) -> None:
        self.autocast.__exit__(None, None, None)
        self.learn.pred = to_float(self.learn.pred)


@dataclass
class _State:
    """What a checkpoint holds; tensors, numbers and texts alone, so that reading it runs no code."""

    run: dict[str, Any]
    """What must be the same in the command that goes on: `_describe_run`."""
    lr: float
    phase: int
    """Number of the phase in `recipe.plan`."""
    done: int
    """Epochs of that phase that are over."""
    seconds: float
    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    average: dict[str, Any] | None
    history: list[dict[str, Any]]
    best: dict[str, Tensor]


class Checkpoint(Callback):
    """Writes after every epoch what the next one needs, and seeds each by its number: a resumed training is the same.

    To the bit on the CPU. Half precision on a GPU starts anew with its loss scale, and so may leave out other steps;
    the smoothed training loss, a figure alone, starts anew as well.
    """

    order = 70

    def __init__(
        self, file: Path, recipe: Recipe, photos: Sequence[LabelledPhoto], kept: KeepBest, average: Average | None
    ) -> None:
        self.file, self.recipe, self.kept, self.keeper = file, recipe, kept, average
        self.told = _describe_run(recipe, photos)
        self.phase = self.done = 0
        self.highest_lr: float | None = recipe.lr
        self.earlier = 0.0
        """Seconds that the training took before it was stopped."""
        self.start = time.monotonic()
        self._found: _State | None = None

    @property
    def seconds(self) -> float:
        """How long the whole training has taken."""
        return self.earlier + time.monotonic() - self.start

    def read(self, device: torch.device) -> None:
        """Go on where the file says. Raises ResumeError if it is not there, damaged, or of another training."""
        if not self.file.is_file():
            raise ResumeError(f"there is no training to resume: {self.file} is not there. Start without --resume.")
        try:
            found = _State(**torch.load(self.file, map_location=device, weights_only=True))
        except Exception as error:  # torch.load raises many types
            raise ResumeError(
                f"{self.file} is damaged, the training cannot be resumed. Start without --resume."
            ) from error
        changed = [option for option, value in self.told.items() if found.run.get(option) != value]
        if changed:
            raise ResumeError(f"the training to resume had another {', '.join(changed)}. Give the same options.")
        self._found, self.highest_lr, self.earlier = found, found.lr, found.seconds
        self.phase, self.done = found.phase, found.done
        self.kept.history, self.kept.best = [Epoch(**epoch) for epoch in found.history], found.best

    def restore(self, learner: Learner) -> None:
        """Give the learner the weights and the optimiser that `read` found, once."""
        if self._found is None:
            return
        learner.model.load_state_dict(self._found.model)
        if learner.opt is None:
            learner.create_opt()
        learner.opt.load_state_dict(self._found.optimizer)
        if self.keeper is not None and self._found.average is not None:
            self.keeper.restore(learner.model, self._found.average)
        self._found = None

    def before_train(self) -> None:
        name = f"{self.recipe.seed} {self.phase} {self.learn.epoch}"
        loader = self.learn.dls.train
        # Every process shuffles alike and takes its share; what is done to the photos differs.
        (loader.dl if isinstance(loader, DistributedDL) else loader).rng = random.Random(name)
        set_seed(random.Random(f"{name} {rank_distrib()}").getrandbits(32))

    def after_train(self) -> None:
        self.trained = True

    def after_epoch(self) -> None:
        if hasattr(self.learn, "lr_finder") or not self.__dict__.pop("trained", False):
            return
        self.done = self.learn.epoch + 1
        if rank_distrib():
            return
        average = self.keeper.averaged if self.keeper else None
        optimizer = self.learn.opt.state_dict()
        hypers = [{name: float(value) for name, value in group.items()} for group in optimizer["hypers"]]
        assert self.highest_lr is not None
        assert self.kept.best is not None
        state = _State(
            run=self.told,
            lr=self.highest_lr,
            phase=self.phase,
            done=self.done,
            seconds=self.seconds,
            model=bare(self.learn.model).state_dict(),
            optimizer={"state": list(optimizer["state"]), "hypers": hypers},
            average=average.state_dict() if average else None,
            history=[asdict(epoch) for epoch in self.kept.history],
            best=self.kept.best,
        )
        part = self.file.with_suffix(".part")
        torch.save(vars(state), part)
        part.replace(self.file)


def _describe_run(recipe: Recipe, photos: Sequence[LabelledPhoto]) -> dict[str, Any]:
    """By the names of the options what makes a training: the recipe, the photos, and among how many processes."""
    lines = "\n".join(f"{photo.path.as_posix()} {photo.label} {photo.held_out}" for photo in photos)
    return {
        **{f"--{name.replace('_', '-')}": value for name, value in asdict(recipe).items()},
        "--data (its photos, labels or split)": hashlib.sha256(lines.encode()).hexdigest(),
        "number of processes": max(1, num_distrib()),
    }


def bare(model: nn.Module) -> nn.Module:
    """The net without the wrapper that distributed training puts around it."""
    net: nn.Module = getattr(model, "module", model)
    return net


@contextmanager
def interrupt_between_batches(learner: Learner) -> Iterator[None]:
    """Let Ctrl-C end the batch in work first; a second Ctrl-C ends the program at once."""

    class Interrupt(Callback):
        asked = False

        def after_batch(self) -> None:
            asked = self.asked
            if num_distrib() > 1:  # all processes end with the same batch: one that went on would wait for the others
                votes = torch.tensor(float(asked), device=self.learn.dls.device)
                torch.distributed.all_reduce(votes)
                asked = bool(votes)
            if asked:
                raise KeyboardInterrupt

    interrupt = Interrupt()

    def ask(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupt.asked = True

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGINT, ask)
    learner.add_cb(interrupt)
    try:
        yield
    finally:
        learner.remove_cb(interrupt)
        signal.signal(signal.SIGINT, before)
