"""What people send: messages as Telegram writes them, of every kind, and some that nobody can read."""

from __future__ import annotations

from random import Random
from typing import Any

PHOTO_KINDS = ("photo", "photo", "photo", "document", "sticker", "video", "animation", "forwarded", "album")
COLORS = ("red", "green", "blue")
BROKEN_FIELDS: tuple[dict[str, Any], ...] = (
    {"forward_origin": {"type": "hidden_user", "date": 1422450181}},
    {"forward_origin": {"type": "somebody_else", "date": 1}},
    {"external_reply": {"origin": {"type": "hidden_user", "sender_user_name": "a", "date": 1}, "story": {}}},
    {"reply_to_message": {"message_id": 3}},
    {"via_bot": {}},
    {"entities": [{"type": "bold", "offset": "x", "length": 1}]},
    {"reply_markup": {"inline_keyboard": [[{}]]}},
    {"quote": 7},
    {"poll": {"id": "1", "question": "q", "options": [], "total_voter_count": 0, "type": "regular"}},
    {"paid_media": {"star_count": 1, "paid_media": [{"type": "hologram"}]}},
    {"chat_background_set": {"type": {"type": "brand_new"}}},
    {"users_shared": []},
    {"edit_date": "yesterday"},
    {"gift": {"gift": {"id": 7}}},
)
"""Fields beside the one that matters which aiogram cannot parse."""
STRANGE: tuple[Any, ...] = (
    {},
    {"brand_new": {"id": 1}},
    {"brand_new": 7},
    {"message": 7},
    {"message": None},
    {"message": {}},
    {"message": []},
    {"message": "x"},
    {"message": {"message_id": 1}},
    {"edited_message": {"message_id": 1, "date": 1}},
    {"callback_query": {"id": "1"}},
    {"callback_query": {"id": "1", "from": {"id": 7, "is_bot": False, "first_name": "x"}, "chat_instance": "1"}},
    {"poll": {"id": "1"}},
    {"my_chat_member": {"chat": {}}},
    {"inline_query": {"id": "1", "from": {"id": 7, "is_bot": False, "first_name": "x"}, "query": "", "offset": ""}},
    {"message_reaction": {"chat": {"id": 7, "type": "private"}, "message_id": 1, "date": 1}},
    {"channel_post": {"message_id": 1, "chat": {"id": -2000001, "type": "channel"}}},
    {"message": {"message_id": 1, "date": 0, "chat": {"id": 900_009, "type": "brand_new"}, "text": "x"}},
)
"""Updates that no handler takes, or that are none."""
TEXTS = ("hello", "?", "/start", "/help", "/privacy", "/what", "/language", "/stats", "/unknown", "/start@test_bot")
ANSWERS = {
    "/forget": ("I keep none of your photos", "Ab jetzt behalte ich keins"),
    "/donate": ("May I keep photos", "Darf ich Fotos behalten"),
}
"""How the answers to commands begin, in the languages of these people."""
FORGED = (
    "is:0",
    "right:x",
    "wrong:1e9",
    "right:99",
    "is:-1",
    "",
    "why:",
    "language:xx",
    "donate:maybe",
    "::",
    "9" * 64,
)
"""What the data of a press may be, though no button has it."""


def make_user(person: int, rng: Random) -> dict[str, Any]:
    user = {"id": person, "is_bot": False, "first_name": "Ada"}
    language = rng.choice(("en", "en", "de", "de-at", "xx", None))
    return user | ({"language_code": language} if language else {})


def make_text(text: str) -> dict[str, Any]:
    command = text.partition(" ")[0]
    entities = [{"type": "bot_command", "offset": 0, "length": len(command)}] if text.startswith("/") else []
    return {"text": text, "entities": entities} if entities else {"text": text}


def make_picture(kind: str, file: str, size: int, rng: Random) -> dict[str, Any]:
    """The fields of a message that shows the file."""
    photo = {"file_id": file, "file_unique_id": f"u{file}", "width": 64, "height": 48, "file_size": size}
    match kind:
        case "document":
            return {"document": {**_drop(photo), "mime_type": "image/jpeg", "file_name": "a.jpg"}}
        case "sticker":
            more = {"type": "regular", "is_animated": False, "is_video": False}
            return {"sticker": photo | more}
        case "video" | "animation":
            clip = {
                "file_id": "clip",
                "file_unique_id": "c",
                "width": 9,
                "height": 9,
                "duration": 1,
                "thumbnail": photo,
            }
            return {kind: clip}
    small = photo | {"file_id": file, "width": 32, "height": 24}
    return {"photo": [small, photo] if rng.random() < 0.5 else [photo]}


def _drop(photo: dict[str, Any]) -> dict[str, Any]:
    return {name: photo[name] for name in ("file_id", "file_unique_id", "file_size")}


def make_forward(rng: Random) -> dict[str, Any]:
    user = {"id": 4242, "is_bot": False, "first_name": "Eve"}
    origins = (
        {"type": "user", "date": 1, "sender_user": user},
        {"type": "hidden_user", "date": 1, "sender_user_name": "Eve"},
        {"type": "chat", "date": 1, "sender_chat": {"id": -1000009, "type": "supergroup", "title": "G"}},
    )
    return {"forward_origin": rng.choice(origins)}


MENTION = {"caption": "@test_bot look", "caption_entities": [{"type": "mention", "offset": 0, "length": 9}]}
"""Makes a photo in a group one for the bot."""
