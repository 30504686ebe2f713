"""What the double answers in place of what it would: any status, any body, to some calls of some chats."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

DOWNLOAD = "download"
"""In the place of a method: the file itself."""


@dataclass
class Refusal:
    """An answer to calls of `method`, and of those to the ones to `chat` if that is given."""

    method: str
    status: int = 200
    body: object = ""
    """Text as it is, anything else as JSON."""
    chat: int | None = None
    files: Collection[str] | None = None
    """Ids of files: only calls for these."""
    times: int | None = None
    """As many calls; None: all."""
    carried_out: bool = False
    """The call is carried out, and only its answer is this one."""
    seconds: float = 0
    """How long the answer takes."""
    location: str | None = None
    """The address of a redirect."""
    answered: int = field(default=0, init=False)

    def takes(self, method: str, fields: dict[str, Any]) -> bool:
        chat, file = str(fields.get("chat_id")), str(fields.get("file_id"))
        return (
            self.method in (method, "*")
            and (self.chat is None or chat == str(self.chat))
            and (self.files is None or file in self.files)
            and (self.times is None or self.answered < self.times)
        )

    def answer(self) -> web.Response:
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        headers = {"Location": self.location} if self.location else None
        return web.Response(status=self.status, text=text, content_type="application/json", headers=headers)


def refuse_with(method: str, status: int, description: str = "x", **options: Any) -> Refusal:
    """A refusal in the Bot API's form; `parameters` among the options are its own."""
    body: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    if parameters := options.pop("parameters", None):
        body["parameters"] = parameters
    return Refusal(method, status, body, **options)


@dataclass
class ReplyToDeleted(Refusal):
    """What is replied to is not there: only calls that may go without it are taken, as `reply_parameters` say."""

    method: str = "*"
    status: int = 400
    body: object = field(
        default_factory=lambda: {
            "ok": False,
            "error_code": 400,
            "description": "Bad Request: message to be replied not found",
        }
    )

    def takes(self, method: str, fields: dict[str, Any]) -> bool:
        parameters = json.loads(fields.get("reply_parameters", "null"))
        refused = parameters is not None and not parameters.get("allow_sending_without_reply")
        return refused and super().takes(method, fields)
