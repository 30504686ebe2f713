"""The form that the page posts -> its fields, in memory and bounded."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import BodyPartReader, web

from bot.telegram.media.download import MAX_BYTES


@dataclass(frozen=True)
class File:
    name: str
    kind: str
    """Its media type, as the browser has it."""
    data: bytes
    """Empty where `size` is above Telegram's limit."""
    size: int


@dataclass
class Form:
    """A `text` (a reply, if to message number `reply_to`), a `file` (with others in an `album`, if that is named), or a
    `press` in message number `message`.
    """

    language: str | None = None
    text: str | None = None
    reply_to: int | None = None
    file: File | None = None
    album: str | None = None
    message: int | None = None
    press: str | None = None


async def read_form(request: web.Request) -> Form:
    """Raises HTTPBadRequest if the body cannot be read."""
    if request.content_type != "multipart/form-data":
        raise web.HTTPBadRequest(text="multipart/form-data is expected")
    form = Form()
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                break
            await _read_part(part, form)
    except web.HTTPException:
        raise
    except Exception as error:  # aiohttp's reader raises half a dozen types on a body that is cut or no form
        raise web.HTTPBadRequest(text=f"the message cannot be read: {error}") from error
    return form


async def _read_part(part: BodyPartReader, form: Form) -> None:
    match part.name:
        case "file":
            data, size = await _read_bounded(part)
            kind = part.headers.get("Content-Type", "application/octet-stream")
            form.file = File(_drop_surrogates(part.filename or "file"), _drop_surrogates(kind), data, size)
        case "message" | "reply_to":
            setattr(form, part.name, int(await _read_text(part)))
        case "language" | "text" | "album" | "press":
            setattr(form, part.name, (await _read_text(part)).strip() or None)


async def _read_text(part: BodyPartReader) -> str:
    """In the page's charset alone: others may hold signs that no message can. Raises ValueError."""
    if part.get_charset("utf-8").lower() != "utf-8":
        raise ValueError("a part is not in UTF-8")
    return bytes(await part.read()).decode()


def _drop_surrogates(text: str) -> str:
    """Heads of parts may hold bytes that are no UTF-8, which no message can."""
    return text.encode("utf-8", "replace").decode()


async def _read_bounded(part: BodyPartReader) -> tuple[bytes, int]:
    """The part's bytes and how many there are; above Telegram's limit, none are kept."""
    data, size = bytearray(), 0
    while chunk := await part.read_chunk(2**16):
        size += len(chunk)
        if size <= MAX_BYTES:
            data += chunk
        else:
            data.clear()
    return bytes(data), size
