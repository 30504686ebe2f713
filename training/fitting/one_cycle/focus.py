"""Evidence where the thing is: a loss that asks for few cells."""

from __future__ import annotations

import math

import torch
from fastai.callback.core import Callback
from torch import Tensor, nn

from training.fitting.one_cycle.callbacks import unwrap

TINY = 1e-6


class Focus(Callback):
    """Adds to the loss how widely the evidence for the true class is spread over the cells, times `weight`.

    The net may find a class anywhere in a photo. Then cells beside the thing speak for it too, since they know of it.
    Pictures of something else, whose class is from `classes` on, have no thing.
    """

    order = 9  # before half precision ends

    def __init__(self, weight: float, classes: int) -> None:
        self.weight, self.classes = weight, classes

    def before_batch(self) -> None:
        def keep(body: nn.Module, inputs: tuple[Tensor, ...], maps: Tensor) -> None:  # no method: nets are copied
            self.maps = maps

        self.hook = unwrap(self.learn.model)[0].register_forward_hook(keep)

    def after_pred(self) -> None:
        self.hook.remove()  # in each batch, so that no end of the training leaves it

    def after_loss(self) -> None:
        maps, (targets,) = self.__dict__.pop("maps"), self.learn.yb
        shown = targets < self.classes
        if self.training and shown.any():
            linear = unwrap(self.learn.model)[1][-1]
            spread = measure_spread(maps.float()[shown], linear, targets[shown], self.classes)
            self.learn.loss_grad = self.learn.loss_grad + self.weight * spread


def measure_spread(maps: Tensor, linear: nn.Linear, targets: Tensor, classes: int) -> Tensor:
    """Entropy of the positive evidence for each photo's class, over the cells, mean over the photos: from 0 to 1.

    `maps` are float32 `[photos, features, rows, columns]`, `targets` `[photos]`. 0: one cell has it all.
    """
    weight, bias = linear.weight[:classes].float(), linear.bias[:classes].float()
    weight, bias = (weight - weight.mean(0))[targets], (bias - bias.mean())[targets]
    evidence = torch.einsum("pfrc,pf->prc", maps, weight).flatten(1) + bias[:, None]
    positive = evidence.clamp(min=0)
    share = positive / (positive.sum(1, keepdim=True) + TINY)
    return -(share * (share + TINY).log()).sum(1).mean() / math.log(evidence.shape[1])
