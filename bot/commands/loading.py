"""What is loaded before the bot answers: aiogram and the model, side by side."""

from __future__ import annotations

import gc
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bot.settings.settings import Settings
from bot.startup.memory import limit_heaps

if TYPE_CHECKING:
    from bot.inference.classifier import Classifier

log = logging.getLogger(__name__)


def load(settings: Settings) -> Classifier:
    """Import aiogram, and load the model meanwhile, some of which is no work of Python's. Raises ModelError."""
    for name, ours in settings.misspelt.items():
        log.warning("%s is no setting, and does nothing. Is %s meant?", name, ours)
    gc.disable()  # a tenth of the time; nearly all that is made here is kept, and need not be looked through
    limit_heaps()

    from bot.startup.lazy_aiogram import import_aiogram

    def load_model() -> Classifier:
        from bot.inference.classifier import Classifier

        return Classifier(settings.model, settings.threads)

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load_model)
        import_aiogram(settings.aiogram_import)
        classifier = loading.result()
    gc.freeze()
    gc.enable()
    return classifier
