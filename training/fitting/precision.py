"""Half precision where the hardware has it: emulated bfloat16 is a hundred times slower than float32."""

from __future__ import annotations

import torch
from fastai.callback.core import Callback
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


def use_half_precision(learner: Learner) -> list[Callback]:
    """The callbacks for it; a GPU without bfloat16 takes float16, and scales the loss."""
    device = learner.dls.device
    if device.type == "cuda":
        (learner.to_bf16 if has_bfloat16(device) else learner.to_fp16)()
        return []
    return [Bfloat16()] if has_bfloat16(device) else []


class Bfloat16(Callback):
    """Autocast to bfloat16 on the CPU (fastai's own MixedPrecision speaks to CUDA only)."""

    order = 10

    def before_batch(self) -> None:
        self.autocast = autocast(self.learn.dls.device)
        self.autocast.__enter__()

    def after_pred(self) -> None:
        self.autocast.__exit__(None, None, None)
        self.learn.pred = to_float(self.learn.pred)
