"""What a net says of pictures that are decoded already."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from training.fitting.batches.dataloaders import Pictures
from training.fitting.batches.pixels import crop_middle, normalize, scale
from training.fitting.precision import autocast

BATCH = 64


def see_as_bot(photos: Tensor) -> Tensor:
    """uint8 `[photos, 256, 256, 3]` -> float32 `[photos, 3, 224, 224]` from 0 to 1."""
    return scale(crop_middle(photos))


def compute_outputs(
    net: nn.Module, pictures: Pictures, rows: Sequence[int], view: Callable[[Tensor], Tensor] = see_as_bot
) -> Tensor:
    """The net's outputs for views of these pictures, float32 `[rows, outputs]`, on the CPU."""
    device = next(net.parameters()).device
    outputs = []
    net.eval()
    with torch.inference_mode():
        for part in torch.as_tensor(rows).split(BATCH):
            views = view(pictures.pixels[part.to(pictures.pixels.device)].to(device))
            with autocast(device):
                outputs.append(net(normalize(views)).float().cpu())
    return torch.cat(outputs)
