"""How long a text may be where it is shown: what Telegram takes, less what else is in the same message."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

MESSAGE = 4096
"""Letters (Bot API, sendMessage), also of an edited one."""
CAPTION = 1024
TOAST = 200
BUTTON = 100
"""The Bot API names no limit. A model's labels have as many, and a phone shows fewer."""
COMMAND, DESCRIPTION, SHORT_DESCRIPTION = 256, 512, 120
FIRST_FRAME = 300
ANSWER = 3000
"""With a first frame's line before it, and bars with three names below it."""
ALBUM_LINE = 350
"""Of which an answer has ten, between a head and a last line."""

LIMITS = {
    ("label", ""): BUTTON,
    ("button", ""): BUTTON,
    ("language", "name"): BUTTON,
    ("language", "automatic"): BUTTON,
    ("answer", ""): ANSWER,
    ("bot", "answer"): ANSWER,
    ("bot", "unsure-close"): ANSWER,
    ("bot", "unsure-outsider"): ANSWER,
    ("bot", "first-frame"): FIRST_FRAME,
    ("refusal", ""): ALBUM_LINE,
    ("bot", "album-line"): ALBUM_LINE,
    ("bot", "album-close"): ALBUM_LINE,
    ("bot", "album-outsider"): ALBUM_LINE,
    ("bot", "album"): 100,
    ("bot", "album-how"): 300,
    ("bot", "percent"): 36,  # with its number of two digits never above FIGURE
    ("bot", "separator"): 10,
    ("bot", "more-labels"): 1200,
    ("bot", "privacy"): ANSWER,
    ("donation", "privacy"): 1000,
    ("owner", "stats"): 500,
    ("owner", "stats-day"): 150,
    ("owner", "stats-class"): 300,
    ("verdict", ""): TOAST,
    ("bot", "not-allowed"): TOAST,
    ("bot", "slow-down"): TOAST,
    ("bot", "question-gone"): TOAST,
    ("donation", "not-yours"): TOAST,
    ("language", "not-yours"): TOAST,
    ("why", "gone"): TOAST,
    ("why", "never"): TOAST,
    ("why", "caption"): CAPTION,
    ("command", ""): COMMAND,
    ("profile", "description"): DESCRIPTION,
    ("profile", "short-description"): SHORT_DESCRIPTION,
}
"""By context and key, or by context alone; of all others MESSAGE."""

LONGEST = {"label": BUTTON, "first": BUTTON, "second": BUTTON, "labels": 1200, "names": 1090}
"""Letters that are filled in at most: a name, or ten names with what stands between them."""
FIGURE = 20
"""Letters of anything else that is filled in, such as a percentage."""


def find_limit(context: str, key: str) -> int:
    return LIMITS.get((context, key)) or LIMITS.get((context, "")) or MESSAGE


def measure(text: str, names: Iterable[str] | None) -> int:
    """Letters of a text with each of `names` filled in at its longest. None: nothing is filled in."""
    if names is None:
        return len(text)
    filled = text.format(**{name: "x" * LONGEST.get(name, FIGURE) for name in names})
    return max(len(text), len(filled))  # not every text is filled in: some are shown as they are


def is_blank(text: str) -> bool:
    """Whether a text shows nothing. Telegram takes no such message, button or description."""
    return all(unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp", "Zs") for letter in text)
