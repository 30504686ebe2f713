"""Where in a photo the evidence for its label lies: Grad-CAM, for any net."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def compute_heat(model: nn.Module, batch: Tensor, labels: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Grad-CAM (Selvaraju et al. 2017) of each photo's best label, on the last feature map of the body `model[0]`.

    `batch` is float32 `[photos, 3, height, width]`, normalised; outputs of the head `model[1]` behind the first
    `labels` are passed over. Returns heat float32 `[photos, rows, columns]`, 0 to 1, and the best labels `[photos]`.
    """
    model.eval().float()
    with torch.no_grad():
        features = model[0](batch.float())  # [photos, channels, rows, columns]
    with torch.enable_grad():
        features.requires_grad_(True)
        best = model[1](features)[:, :labels].max(dim=1)
        (slopes,) = torch.autograd.grad(best.values.sum(), features)  # photos do not mix: eval mode
    weights = slopes.mean(dim=(2, 3), keepdim=True)
    heat = (weights * features.detach()).sum(dim=1).relu()
    heat = heat / heat.amax(dim=(1, 2), keepdim=True).clamp(min=1e-9)
    return heat.cpu().numpy(), best.indices.cpu().numpy()
