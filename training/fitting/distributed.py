"""Several processes that train one net, each on its share of every epoch (`accelerate launch`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastai.distributed import DistributedTrainer


class Share(DistributedTrainer):
    """Gradients are averaged over all processes. The training batches share themselves out: see `TrainBatches`."""

    def __init__(self) -> None:
        super().__init__(sync_bn=False)  # it would stay in the net, and knows GPUs only

    def _wrap_dl(self, loader: Any) -> Any:
        return loader


@contextmanager
def alone() -> Iterator[None]:
    """Let fastai take this process for the only one, which it asks the environment: nothing is gathered from others."""
    hidden = {name: os.environ.pop(name) for name in ("WORLD_SIZE", "RANK") if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)
