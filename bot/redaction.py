"""Secrets out of what is printed and logged: tokens, and passwords in addresses."""

from __future__ import annotations

import re

TOKEN = re.compile(r"\d{5,}:[A-Za-z0-9_-]{30,}")
"""Of a bot (BotFather): its number, and 35 characters. Somebody may paste it into the wrong setting."""
PASSWORD = re.compile(r"(?<=://)[^\s'\"]*@")
"""The user and password of an address, up to the last @."""


def hide_secrets(text: str) -> str:
    """`text` with *** in the places of tokens and passwords."""
    return PASSWORD.sub("***@", TOKEN.sub("***", text))
