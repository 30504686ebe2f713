"""One raw update -> `Incoming`, whatever it holds: nothing that a person sends may stop the updates of others.

Telegram's updates outgrow every library's types: an old forward, tomorrow's kind of message. What a type does not take
is cut out, the smallest part that will do, and the rest is answered. An update of which nothing is left is passed over.
"""

from __future__ import annotations

import json
import logging
import re
from typing import Any

from aiogram import Bot
from aiogram.types import Update
from pydantic import ValidationError

from bot.delivery.updates.fields import KINDS, find_type, has_event
from bot.delivery.updates.incoming import Incoming
from bot.delivery.updates.repair import repair
from bot.monitoring.metrics import Metrics

MAX_NUMBER = 2**53
"""Telegram's own update numbers have 31 bits. Confirming a wild number would confirm every update before it."""
RICH = "rich_message"
"""Formatted text, of which the bot reads nothing. aiogram tries each of 25 types for each part within a part: six
levels of bold take minutes, and Telegram lets anybody write sixteen."""
MAX_PARTS, MAX_DEPTH = 10_000, 16
"""Objects, lists, texts and numbers of an update, and how deep they lie in one another. A message with all that
Telegram allows in it has some thousands, six deep."""
NAME = re.compile(r"[a-z_]{1,40}")
UNKNOWN = "unknown"

log = logging.getLogger(__name__)


def parse(raw: object, bot: Bot, metrics: Metrics) -> Incoming | None:
    """Returns None if `raw` has no number by which it could be confirmed. Raises nothing."""
    number = find_number(raw)
    if number is None or not isinstance(raw, dict):
        _report(metrics, UNKNOWN, "an update without a number")
        return None
    kind = next((name for name in raw if name != "update_id" and raw[name] is not None), "")
    counted = kind if kind in KINDS else UNKNOWN
    try:
        raw = _replace_surrogates(raw)
        _set_types(raw, kind)
        if _empty_rich_text(raw):
            _report(metrics, counted, f"an update of more than {MAX_PARTS:,} parts, or {MAX_DEPTH} deep,")
            return repair(number, counted, raw, bot, only_core=True)
        update = Update.model_validate(raw, context={"bot": bot})
    except ValidationError as error:
        _report(metrics, counted, f"an update that cannot be parsed ({_name_fields(error)})")
        return repair(number, counted, raw, bot)
    except Exception as error:  # a stranger's input ends here, such as one nested a thousand times
        _report(metrics, counted, f"an update that cannot be parsed ({type(error).__name__})")
        return Incoming(number, counted, None)
    if not has_event(update):
        _report(metrics, UNKNOWN, f"an update of an unknown kind ({kind if NAME.fullmatch(kind) else '?'})")
        return Incoming(number, UNKNOWN, None)
    return Incoming(number, counted, update)


def find_number(raw: object) -> int | None:
    """The `update_id` of a raw update, if that is one."""
    number = raw.get("update_id") if isinstance(raw, dict) else None
    if isinstance(number, str) and number.isdecimal() and len(number) < 20:
        number = int(number)
    return number if type(number) is int and 0 <= number < MAX_NUMBER else None


def _replace_surrogates(raw: dict[str, Any]) -> dict[str, Any]:
    """JSON can hold half a surrogate pair, which no encoding takes: a question mark comes in its place."""
    text = json.dumps(raw, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        valid: dict[str, Any] = json.loads(text.encode(errors="replace"))
        return valid
    return raw


def _empty_rich_text(raw: dict[str, Any]) -> bool:
    """That there was some can still be seen. Returns whether the rest is more than any message has."""
    parts, waiting = 0, [(raw, 1)]
    is_too_deep = False
    while waiting:
        node: Any
        node, depth = waiting.pop()
        parts += 1
        is_too_deep = is_too_deep or depth > MAX_DEPTH
        if isinstance(node, dict):
            if node.get(RICH):
                node[RICH] = {"blocks": []}
            waiting += ((value, depth + 1) for value in node.values())
        elif isinstance(node, list):
            waiting += ((value, depth + 1) for value in node)
    return is_too_deep or parts > MAX_PARTS


def _report(metrics: Metrics, kind: str, what: str) -> None:
    """Names and kinds only: what stood in the update is nobody's business."""
    metrics.unreadable.labels(kind).inc()
    log.warning("%s came from Telegram", what)


def _name_fields(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    parts = [str(part) if isinstance(part, int) or NAME.fullmatch(part) else "?" for part in first["loc"]]
    return ".".join(parts[:8])


def _set_types(raw: dict[str, Any], kind: str) -> None:
    """Of the event's chat, and of those of the messages that it answers or whose button it presses."""
    waiting = [raw.get(kind)]
    while waiting:
        event = waiting.pop()
        if not isinstance(event, dict):
            continue
        chat = event.get("chat")
        if isinstance(chat, dict) and "id" in chat and isinstance(chat.get("type"), str):
            chat["type"] = find_type(chat, kind)
        waiting += (event.get(name) for name in ("message", "reply_to_message"))
