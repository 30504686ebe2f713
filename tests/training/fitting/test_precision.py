"""Half precision where the hardware has it."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
import torch

from training.fitting.precision import autocast, has_bfloat16


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors have other names for it")
def test_bfloat16_is_what_the_processor_multiplies_in_and_never_emulated() -> None:
    (flags, *_) = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")]
    cpu = torch.device("cpu")
    assert has_bfloat16(cpu) == ("avx512_bf16" in flags.split())
    with autocast(cpu):
        product = torch.ones(4, 4) @ torch.ones(4, 4)
    assert product.dtype == (torch.bfloat16 if has_bfloat16(cpu) else torch.float32)
