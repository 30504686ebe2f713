"""An update that cannot be parsed as it is -> `Incoming`, without the parts that are at fault."""

from __future__ import annotations

import copy
import json
import logging
from typing import Any

from aiogram import Bot
from aiogram.types import Update
from pydantic import ValidationError

from bot.delivery.updates.fields import HIDDEN, HIDDEN_PICTURES, MESSAGES, PICTURES, SPOKEN, find_type, has_event
from bot.delivery.updates.incoming import Incoming

MAX_CUTS, FINE_CUTS, FEW_ERRORS = 40, 20, 100
"""Parts that are cut out of one update, and those before they are whole fields. Where there are more errors than these
the fields are cut at once: pydantic takes a second to write down some thousands."""
CORE = ("message_id", "date", "chat", "from", "sender_chat", "message_thread_id", "is_topic_message", "media_group_id")
"""What a message is answered by, beside its picture."""
CORE_BYTES = 50_000
"""Of one field of those, as JSON: a picture in all its sizes has a few thousand."""
SENDER = {"is_bot": False, "first_name": ""}
"""Stand-ins for what a sender needs beside a number."""

log = logging.getLogger(__name__)


def repair(number: int, kind: str, raw: dict[str, Any], bot: Bot, *, only_core: bool = False) -> Incoming:
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
        return update if has_event(update) else None
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
        least = {"id": chat["id"], "type": find_type(chat, kind)}
        if chat != least:
            event["chat"] = least
            return True
    return False
