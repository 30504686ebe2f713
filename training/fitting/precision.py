"""Half precision where the hardware has it: emulated bfloat16 is a hundred times slower than float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from fastai.callback.core import Callback
from fastai.callback.fp16 import AMPMode, MixedPrecision
from fastai.learner import Learner
from fastai.torch_core import to_float


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies in bfloat16: by AVX512-BF16 or AMX, or on a GPU by its tensor cores."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()  # noqa: SLF001  # torch has no public one


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 for what runs under it, float32 without such hardware."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device))


@contextmanager
def half_precision(learner: Learner) -> Iterator[None]:
    """Train in it. A GPU without bfloat16 takes float16, and scales the loss."""
    device = learner.dls.device
    callback: Callback
    if device.type == "cuda":
        callback = MixedPrecision(AMPMode.BF16 if has_bfloat16(device) else AMPMode.FP16)
    elif has_bfloat16(device):
        callback = Bfloat16()
    else:
        yield
        return
    learner.add_cb(callback)
    try:
        yield
    finally:
        if torch.is_autocast_enabled(device.type):  # a batch was broken off within its forward pass
            callback.autocast.__exit__(None, None, None)
        learner.remove_cb(callback)


class Bfloat16(Callback):
    """Autocast to bfloat16 on the CPU (fastai's own MixedPrecision speaks to CUDA only)."""

    order = MixedPrecision.order

    def before_batch(self) -> None:
        self.autocast = autocast(self.learn.dls.device)
        self.autocast.__enter__()

    def after_pred(self) -> None:
        self.autocast.__exit__(None, None, None)
        self.learn.pred = to_float(self.learn.pred)
