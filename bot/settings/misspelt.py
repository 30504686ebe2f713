"""The names of the settings, and which names in the environment are a slip for one of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

NAMES = (
    *("BOT_TOKEN", "MODEL_PATH", "TELEGRAM_API_SERVER", "TELEGRAM_PROXY", "WEBHOOK_URL", "WEBHOOK_SECRET"),
    *("HOST", "PORT", "REDIS_URL", "THREADS", "MAX_IN_FLIGHT", "SHUTDOWN_SECONDS", "STATE_DIR", "LOG_LEVEL"),
    *("LOG_FORMAT", "METRICS_PORT", "METRICS_HOST", "AIOGRAM_IMPORT", "OWNER_IDS", "ALLOWED_IDS", "DONATIONS_DIR"),
    *("CHANNEL_POSTS", "LABELGRAM_ENV_FILE"),
)
"""All that is read, but for Amazon's own names."""
WORDS = ("HOST", "PORT")
OF_OTHERS = re.compile(r"[0-9]|_PORT$")
ALIKE = 0.86
"""How alike a name is (difflib, 0 to 1) that is taken for one of ours with a slip: ALLOWED_ID, but not MY_BOT_TOKEN."""


def find_misspelt(values: Mapping[str, str]) -> dict[str, str]:
    """Of a setting that is set as well nothing is said: the other name may be another program's.

    So may one with a number (BOT2_TOKEN), one of a host's services (METRIC_PORT), and any word like HOST or PORT.
    """
    missing = [name for name in NAMES if name not in values and name not in WORDS]
    strange = [name for name in sorted(values) if name not in NAMES and not OF_OTHERS.search(name)]
    found: dict[str, str] = {}
    for name in strange:
        near = [ours for ours in missing if _has_letters_of(name.upper(), ours)]
        if near:  # the order of the letters is looked at now
            from difflib import get_close_matches  # it takes 6 ms, and nearly every start does without

            found.update((name, ours) for ours in get_close_matches(name.upper(), near, 1, ALIKE))
    return found


def _has_letters_of(name: str, ours: str) -> bool:
    """Whether the two are ALIKE where no order counts: they cannot be more alike than that."""
    needed = ALIKE * (len(name) + len(ours)) / 2
    if min(len(name), len(ours)) < needed or len(name) - len(set(name).difference(ours)) < needed:
        return False
    return sum(min(name.count(letter), ours.count(letter)) for letter in set(name)) >= needed
