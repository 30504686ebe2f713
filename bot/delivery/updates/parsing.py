"""One raw update -> `Incoming`, whatever it holds: nothing that a person sends may stop the updates of others.

Telegram's updates outgrow every library's types: an old forward, tomorrow's kind of message. What a type does not take
is cut out, the smallest part that will do, and the rest is answered. An update of which nothing is left is passed over.
"""

from __future__ import annotations

import copy
import json
import logging
import re
from typing import Any

from aiogram import Bot
from aiogram.enums import ChatType
from aiogram.types import Update
from pydantic import ValidationError

from bot.delivery.updates.incoming import Incoming
from bot.monitoring.metrics import Metrics

CHANNEL_POSTS = frozenset({"channel_post", "edited_channel_post"})
MESSAGES = frozenset({"message", "edited_message"}) | CHANNEL_POSTS
KINDS = MESSAGES | {"callback_query", "inline_query", "my_chat_member", "chat_member", "poll", "message_reaction"}
"""Names that metrics have for an update's kind. Others are counted together."""
PICTURES = ("photo", "live_photo", "document", "sticker", "animation", "video", "video_note")
"""Fields of a message that hold something to look at."""
SPOKEN = frozenset(
    {
        *("text", "document", "audio", "voice", "contact", "location", "venue", "poll", "dice", "game"),
        *("checklist", "rich_message", "invoice", "giveaway", "giveaway_winners"),
    }
)
"""Fields of a message that hold what a person says or forwards and that is no picture."""
HIDDEN_PICTURES = frozenset({"story", "paid_media"})
"""Fields for pictures that bots are not shown. What none of the three names is Telegram's own news, such as a pin."""
MAX_NUMBER = 2**53
"""Telegram's own update numbers have 31 bits. Confirming a wild number would confirm every update before it."""
RICH = "rich_message"
"""Formatted text, of which the bot reads nothing. aiogram tries each of 25 types for each part within a part: six
levels of bold take minutes, and Telegram lets anybody write sixteen."""
MAX_PARTS, MAX_DEPTH = 10_000, 16
"""Objects, lists, texts and numbers of an update, and how deep they lie in one another. A message with all that
Telegram allows in it has some thousands, six deep."""
MAX_CUTS, FINE_CUTS, FEW_ERRORS = 40, 20, 100
"""Parts that are cut out of one update, and those before they are whole fields. Where there are more errors than these
the fields are cut at once: pydantic takes a second to write down some thousands."""
CORE = ("message_id", "date", "chat", "from", "sender_chat", "message_thread_id", "is_topic_message", "media_group_id")
"""What a message is answered by, beside its picture."""
CORE_BYTES = 50_000
"""Of one field of those, as JSON: a picture in all its sizes has a few thousand."""
HIDDEN = {"type": "hidden_user", "date": 0, "sender_user_name": ""}
"""Takes the place of a `forward_origin` that cannot be parsed: the message stays a forwarded one."""
SENDER = {"is_bot": False, "first_name": ""}
"""Stand-ins for what a sender needs beside a number."""
TYPES = frozenset(known.value for known in ChatType)
"""Of chats. aiogram takes any text for one."""
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
            return _repair(number, counted, raw, bot, only_core=True)
        update = Update.model_validate(raw, context={"bot": bot})
    except ValidationError as error:
        _report(metrics, counted, f"an update that cannot be parsed ({_name_fields(error)})")
        return _repair(number, counted, raw, bot)
    except Exception as error:  # a stranger's input ends here, such as one nested a thousand times
        _report(metrics, counted, f"an update that cannot be parsed ({type(error).__name__})")
        return Incoming(number, counted, None)
    if not _has_event(update):
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


def _has_event(update: Update) -> bool:
    try:
        return update.event is not None
    except LookupError:
        return False


def _repair(number: int, kind: str, raw: dict[str, Any], bot: Bot, *, only_core: bool = False) -> Incoming:
    """Cut out what fails until the rest can be parsed. If that is too much, only a message's CORE and picture stay."""
    try:
        rest = {} if only_core else copy.deepcopy(raw) | {"update_id": number}
        update = None if only_core else _parse_without_faults(rest, bot)
        if update is None and kind in MESSAGES and isinstance(raw[kind], dict):
            rest = {"update_id": number, kind: _pick_core(raw[kind])}
            update = _parse_without_faults(rest, bot)
        if update and kind not in MESSAGES:
            return Incoming(number, kind, update)
        if update:
            lost = _has_picture(raw[kind]) and not _has_picture(rest[kind])
            is_said = bool(raw[kind].keys() & SPOKEN.union(HIDDEN_PICTURES, PICTURES))  # and no news of Telegram's own
            return Incoming(number, kind, update, is_cut=is_said, lost_picture=lost)
    except Exception as error:  # a stranger's input ends here
        log.warning("an update could not be repaired: %s", type(error).__name__)
    return Incoming(number, kind, None)


def _parse_without_faults(rest: dict[str, Any], bot: Bot) -> Update | None:
    """What can be parsed of `rest`, from which the faults are taken out. None: nothing is left, or there are many."""
    for done in range(MAX_CUTS):
        try:
            update = Update.model_validate(rest, context={"bot": bot})
        except ValidationError as error:
            is_coarse = done >= FINE_CUTS or error.error_count() > FEW_ERRORS
            first = error.errors(include_input=False, include_context=False, include_url=False)[0]
            try:
                _cut(rest, first["loc"], whole_field=is_coarse)
            except LookupError:
                return None
            continue
        return update if _has_event(update) else None
    return None


def _pick_core(message: dict[str, Any]) -> dict[str, Any]:
    core = {name: message[name] for name in (*CORE, *PICTURES) if name in message}
    return {name: copy.deepcopy(value) for name, value in core.items() if len(json.dumps(value)) <= CORE_BYTES}


def _has_picture(message: object) -> bool:
    return isinstance(message, dict) and any(message.get(name) for name in PICTURES)


def _cut(rest: dict[str, Any], place: tuple[int | str, ...], whole_field: bool) -> None:
    """Take out the innermost part at `place` (pydantic's `loc`), or put a stand-in where the type needs something.

    With `whole_field` it is the field of the event around it.
    """
    path: list[tuple[Any, Any]] = []  # (container, its key) from the outside in
    node: Any = rest
    for part in place:  # a union's `loc` also names the type that was tried: that is no key
        if part in (node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()):
            path.append((node, part))
            node = node[part]
            if part == "forward_origin":
                break
    event = rest.get(str(place[0]))
    if isinstance(event, dict) and (
        _put_name(event, place) or (place[0] in MESSAGES and _put_stand_in(event, str(place[0]), place[1:2]))
    ):
        return
    if not path:
        raise LookupError("nothing can be cut out")
    container, key = path[min(1, len(path) - 1) if whole_field else -1]
    if key == "forward_origin" and container[key] != HIDDEN:
        container[key] = dict(HIDDEN)
    else:
        del container[key]


def _put_name(event: dict[str, Any], place: tuple[int | str, ...]) -> bool:
    """Whether a stand-in was put for what a sender has beside a number: without these it would be nobody's."""
    sender, name = event.get("from"), place[2] if len(place) == 3 and place[1] == "from" else None
    if name not in SENDER or not isinstance(sender, dict) or sender.get(str(name)) == SENDER[str(name)]:
        return False
    sender[str(name)] = SENDER[str(name)]
    return True


def _put_stand_in(event: dict[str, Any], kind: str, field: tuple[int | str, ...]) -> bool:
    """Whether one was put: a message has a number, a date and a chat. Of the chat two fields are needed."""
    name = field[0] if field else None
    if name in ("message_id", "date") and event.get(str(name)) != 0:
        event[str(name)] = 0
        return True
    chat = event.get("chat")
    if name == "chat" and isinstance(chat, dict) and "id" in chat:
        least = {"id": chat["id"], "type": _find_type(chat, kind)}
        if chat != least:
            event["chat"] = least
            return True
    return False


def _set_types(raw: dict[str, Any], kind: str) -> None:
    """Of the event's chat, and of those of the messages that it answers or whose button it presses."""
    waiting = [raw.get(kind)]
    while waiting:
        event = waiting.pop()
        if not isinstance(event, dict):
            continue
        chat = event.get("chat")
        if isinstance(chat, dict) and "id" in chat and isinstance(chat.get("type"), str):
            chat["type"] = _find_type(chat, kind)
        waiting += (event.get(name) for name in ("message", "reply_to_message"))


def _find_type(chat: dict[str, Any], kind: str) -> str:
    """Where Telegram has no such type, the number tells it: those of groups and channels are negative."""
    told = chat.get("type")
    if isinstance(told, str) and told in TYPES:
        return told
    if kind in CHANNEL_POSTS:
        return ChatType.CHANNEL
    return ChatType.SUPERGROUP if str(chat["id"]).startswith("-") else ChatType.PRIVATE
