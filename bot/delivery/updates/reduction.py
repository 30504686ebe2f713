"""An update -> what is needed to answer it later: numbers, file ids, commands and mentions of the bot.

No other name, no words, no photo.
"""

from __future__ import annotations

from typing import Any

from aiogram.types import Message, Update, User

from bot.delivery.updates.fields import HIDDEN, HIDDEN_PICTURES, MESSAGES, PICTURES, SPOKEN
from bot.texts.replies import COMMANDS, DONATING, OWNING

MESSAGE = (
    "message_id",
    "ephemeral_message_id",
    "date",
    "media_group_id",
    "message_thread_id",
    "is_topic_message",
    "is_automatic_forward",
)
FILE = ("file_id", "file_unique_id", "width", "height", "file_size", "mime_type", "duration", "length")
STICKER = ("type", "is_animated", "is_video")
FILES = ("document", "sticker", "animation", "video", "video_note")


def reduce_update(update: Update, me: User | None) -> dict[str, Any]:
    """What is returned can be parsed, as the raw update could. `me` is the bot, if Telegram has said so.

    It is made of what was parsed, never of the raw update: pydantic takes "3" and 3.0 for 3, and code would not.
    """
    fields = update.model_dump(by_alias=True, exclude_none=True)
    reduced: dict[str, Any] = {"update_id": update.update_id}
    for kind in MESSAGES & fields.keys():
        reduced[kind] = _reduce_message(fields[kind], me)
    if press := fields.get("callback_query"):
        reduced["callback_query"] = _pick(press, "id", "chat_instance", "data") | {"from": _reduce_user(press["from"])}
        if message := press.get("message"):
            is_whole = update.callback_query and isinstance(update.callback_query.message, Message)
            # Of a message that Telegram no longer shows, only these fields are checked when it is parsed.
            known = message if is_whole else _pick(message, "message_id", "date", "chat")
            reduced["callback_query"]["message"] = _reduce_message(known, me) | _reduce_buttons(known)
    return reduced


def _reduce_message(message: dict[str, Any], me: User | None, depth: int = 0) -> dict[str, Any]:
    reduced = _pick(message, *MESSAGE) | {"chat": _pick(message["chat"], "id", "type")}
    if sender := message.get("from"):
        reduced["from"] = _reduce_user(sender)
    if sender := message.get("sender_chat"):
        reduced["sender_chat"] = _pick(sender, "id", "type")
    if bot := message.get("via_bot"):
        reduced["via_bot"] = _reduce_user(bot)
    if message.get("forward_origin"):  # that it was forwarded is kept, from whom is not
        reduced["forward_origin"] = dict(HIDDEN)
    reduced |= _reduce_files(message)
    for text, entities in (("text", "entities"), ("caption", "caption_entities")):
        if message.get(text):
            reduced |= dict(
                zip((text, entities), _reduce_text(message[text], message.get(entities) or [], me), strict=True)
            )
    if not reduced.keys() & {"text", "caption", *PICTURES} and message.keys() & (SPOKEN | HIDDEN_PICTURES):
        reduced["text"] = "-"  # a poll, a story: it is still to be told that the bot understands photos alone
    if asked := message.get("external_reply"):  # a message of another chat
        reduced["external_reply"] = _reduce_files(asked) | {"origin": dict(HIDDEN)}
    reply = message.get("reply_to_message")
    if reply and depth < 2:
        reduced["reply_to_message"] = _reduce_message(reply, me, depth + 1)
    return reduced


def _reduce_buttons(message: dict[str, Any]) -> dict[str, Any]:
    """What presses of a message's buttons bring, for a press is checked by it. What the buttons say is left out."""
    rows = (message.get("reply_markup") or {}).get("inline_keyboard") or []
    reduced = [[_pick(button, "callback_data") | {"text": ""} for button in row] for row in rows]
    return {"reply_markup": {"inline_keyboard": reduced}} if reduced else {}


def _reduce_files(message: dict[str, Any]) -> dict[str, Any]:
    reduced: dict[str, Any] = {}
    if photo := message.get("photo") or (message.get("live_photo") or {}).get("photo"):
        reduced["photo"] = [_pick(size, *FILE) for size in photo]
    for name in FILES:
        if file := message.get(name):
            reduced[name] = _pick(file, *FILE, *STICKER)
            if thumbnail := file.get("thumbnail"):
                reduced[name]["thumbnail"] = _pick(thumbnail, *FILE)
    return reduced


def _reduce_user(user: dict[str, Any]) -> dict[str, Any]:
    return _pick(user, "id", "is_bot", "language_code") | {"first_name": ""}


def _reduce_text(text: str, entities: list[dict[str, Any]], me: User | None) -> tuple[str, list[dict[str, Any]]]:
    """Commands and mentions of the bot alone: they say that it is meant. Offsets count UTF-16 units."""
    units = text.encode("utf-16-le", "surrogatepass")
    words, kept, end = [], [], 0
    for entity in entities:
        start, length = entity["offset"], entity["length"]
        named = units[2 * start : 2 * (start + length)]
        word = named.decode("utf-16-le", "replace")
        match entity.get("type"):
            case "bot_command":
                if not _is_known(word, me):  # people may write any word after a slash
                    word = "/".ljust(len(named) // 2, "-")
            case "mention" if me and word.lower() == f"@{me.username}".lower():
                pass
            case "text_mention" if me and entity.get("user") and entity["user"]["id"] == me.id:
                word = "-" * (len(named) // 2)  # what the mention is called by is the person's own words
            case _:
                continue
        words.append(word)
        spoken = {"type": entity["type"], "offset": end, "length": length}
        kept.append(spoken | ({"user": _reduce_user(entity["user"])} if entity.get("user") else {}))
        end += length + 1
    return " ".join(words) or "-", kept


def _is_known(command: str, me: User | None) -> bool:
    """Whether it is one of the bot's, and for no other bot: as /what, or as /what@name."""
    word, _, name = command.removeprefix("/").partition("@")
    is_mine = not name or me is None or name.lower() == (me.username or "").lower()
    return is_mine and word.lower() in (*COMMANDS, *DONATING, *OWNING)


def _pick(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: fields[name] for name in names if fields.get(name) is not None}
