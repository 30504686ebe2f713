"""When the bot says that it is not sure: the rule's two limits, from the held-out photos."""

from __future__ import annotations

import numpy as np

from bot.inference.contract import Unsure
from export.metrics import Answers

UNCERTAIN, STRANGE = 0.004, 0.008
"""Shares of the held-out photos that get no label: the least certain, and the least like photos of the classes. They
stay well below 2 % together, so that those of other photos of the same kind do as well."""
THRESHOLD_AT_MOST = 0.9
"""The bot is never unsure between classes when one of them has this probability or more."""
OUTSIDER_AT_LEAST = 0.05
"""No photo is turned away as an outsider below this probability, however clear the held-out photos are."""


def choose_unsure(held_out: Answers) -> Unsure:
    """The rule under which the least certain, and the least like photos of the classes, get no label."""
    threshold = min(float(np.quantile(held_out.probabilities.max(axis=1), UNCERTAIN)), THRESHOLD_AT_MOST)
    if np.isnan(held_out.outsider).any():
        return Unsure(round(threshold, 4))
    outsider = max(float(np.quantile(held_out.outsider, 1 - STRANGE)), OUTSIDER_AT_LEAST)
    return Unsure(round(threshold, 4), round(outsider, 4))
