"""One value of the environment -> a count, a choice, an address, numbers; or what to write there instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from bot.errors import LabelgramError

HTTP = ("http://", "https://")
MAX_PORT = 65535
MAX_THREADS = 32
"""Of a model. Each has a stack of 8 MB: 64 of them pass the memory that a model may take while it is tried. With
hundreds onnxruntime takes minutes for a photo, and with thousands it ends the process without a word."""
ENDPOINT = re.compile(r"https?://[\w.-]+(:\d{1,5})?(/[\w./-]*)?", re.ASCII)
"""An address without a password, so that it can be shown."""
WRONG_IN_URL = re.compile(r"[\s\x00-\x1f\x7f\ud800-\udfff{}<>\"\\^`|]|%(?![0-9A-Fa-f]{2})|/\.\.?(?=[/?#]|$)")
"""What a URL writes as %7B and the like (RFC 3986, 2), bytes that are no UTF-8, and steps that clients leave out."""
COUNT = re.compile(r"[0-9]{1,9}")


class SettingsError(LabelgramError):
    """A setting is missing or unusable; the message says which and what to do."""


def read_count(values: Mapping[str, str], name: str, default: int, most: int | None = None) -> int:
    """Raises SettingsError, as all of these, where it is no whole number from 1 to `most`."""
    text = values.get(name, str(default))
    if not COUNT.fullmatch(text) or int(text) < 1 or (most and int(text) > most):
        raise SettingsError(
            f"{name} is {text!r}, it takes a whole number{f' from 1 to {most}' if most else ', 1 or more'}."
        )
    return int(text)


def read_numbers(values: Mapping[str, str], name: str, pattern: re.Pattern[str], wanted: str) -> frozenset[int]:
    """Telegram's numbers, between commas; `wanted` says whose."""
    text = values.get(name)
    if text is None:
        return frozenset()
    parts = [part.strip() for part in text.split(",") if part.strip()]
    wrong = [part for part in parts if not pattern.fullmatch(part)]
    if wrong or not parts:  # not shown: a token may be there by mistake
        raise SettingsError(f"{name} takes Telegram's numbers of {wanted}.")
    return frozenset(map(int, parts))


def read_choice(values: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    """One of `choices`, in small or capital letters."""
    chosen = values.get(name, default)
    matches = [choice for choice in choices if choice.lower() == chosen.lower()]
    if not matches:
        raise SettingsError(f"{name} is {chosen}, it takes one of {', '.join(choices)}.")
    return matches[0]


def _address(values: Mapping[str, str], name: str, *schemes: str) -> str | None:
    address = values.get(name)
    if address is not None and not address.startswith(schemes):  # not shown: it may hold a password
        raise SettingsError(f"{name} is not an address that starts with {' or '.join(schemes)}.")
    return address


def read_web_address(values: Mapping[str, str], name: str) -> str | None:
    """Raises SettingsError where no request could be sent there: without a host, or with signs that no URL has."""
    address = _address(values, name, *HTTP)
    if address is None:
        return None
    try:
        parts = urlsplit(address)
        is_whole = bool(parts.hostname) and parts.port != 0 and not WRONG_IN_URL.search(address)
    except ValueError:
        is_whole = False
    if not is_whole:
        raise SettingsError(f"{name} is no address such as https://example.org/path.")
    return address


def read_secret_address(values: Mapping[str, str], name: str, *schemes: str) -> str | None:
    """An address that may hold a password. Raises SettingsError where a sign in that would end the host's part."""
    address = _address(values, name, *schemes)
    if address is None:
        return None
    try:
        parts = urlsplit(address)
        _ = parts.port
        is_whole = not parts.fragment and "@" not in parts.path + parts.query
    except ValueError:
        is_whole = False
    if not is_whole:
        raise SettingsError(f"{name} cannot be read: in its password write %23 for #, %2F for /, %3F for ?, %40 for @.")
    return address


def read_endpoint(values: Mapping[str, str], name: str) -> str | None:
    """A web address that may be shown, with neither password nor query."""
    address = read_web_address(values, name)
    if address is not None and not ENDPOINT.fullmatch(address):
        raise SettingsError(f"{name} is no address such as https://s3.example.org.")
    return address
