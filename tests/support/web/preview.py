"""`python -m bot preview`, the real process, over HTTP."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.bot_process import BOT_PYTHON, environment
from tests.support.chat import text
from tests.support.network.sockets import find_port
from tests.support.paths import ROOT

CARD = """---
license: mit
---
# colors.onnx

**On photos of a source that it never
saw expect 91.2 % right.** More below.

Names photos: `red`, **by `mean` colour**. See [the docs](https://example.com/x), <b>not</b>
[this](javascript:alert(1)).

## Figures

| photos | right |
| --- | --- |
| all | 99 % |

- one point
  on two lines
- another

```sh
python -m export   # made it
```
"""
"""The card of the model that `preview` runs."""
UNREADABLE = "I cannot read this file."
ALBUM_HOW = text("bot", "album-how")
BUTTONS = [["Why?"], ["👍 Right", "👎 Wrong"]]


@dataclass
class Preview:
    process: subprocess.Popen[str]
    port: int
    url: str = field(init=False)

    def __post_init__(self) -> None:
        self.url = f"http://127.0.0.1:{self.port}"

    def post(self, body: bytes, kind: str, **headers: str) -> tuple[int, Any]:
        request = urllib.request.Request(f"{self.url}/messages", body, {"Content-Type": kind, **headers})
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def send(self, headers: dict[str, str] | None = None, language: str = "en", **fields: str | bytes) -> Any:
        """Send fields as the page does; returns what the bot shows of it, or the status if that is not 200."""
        boundary = uuid.uuid4().hex
        parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="language"\r\n\r\n{language}\r\n'.encode()]
        for name, value in fields.items():
            file = '; filename="a.jpg"\r\nContent-Type: image/jpeg' if isinstance(value, bytes) else ""
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
            parts += [head.encode(), value if isinstance(value, bytes) else value.encode(), b"\r\n"]
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        status, answer = self.post(body, f"multipart/form-data; boundary={boundary}", **headers or {})
        return answer["shown"] if status == 200 else status

    def answer(self, language: str = "en", **fields: str | bytes) -> str:
        (answer,) = self.send(None, language, **fields)
        return str(answer["text"])

    def press(self, answer: dict[str, Any], label: str) -> Any:
        """Press the button that is called so."""
        (data,) = [key["data"] for row in answer["buttons"] for key in row if key["text"] == label]
        return self.send(message=str(answer["id"]), press=data)

    def get(self, path: str, **headers: str) -> Any:
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, headers=headers)) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code


def labels(answer: dict[str, Any]) -> list[list[str]]:
    return [[key["text"] for key in row] for row in answer["buttons"]]


@contextmanager
def start_preview(model: Path, home: Path) -> Iterator[Preview]:
    """A preview whose TMPDIR and HOME, `home`, stay empty."""
    port = find_port()
    quiet = {"LOG_LEVEL": "WARNING", "PYTHONDONTWRITEBYTECODE": "1"}
    variables = quiet | {"MODEL_PATH": str(model), "TMPDIR": str(home), "HOME": str(home)}
    with subprocess.Popen(
        [BOT_PYTHON, "-m", "bot", "preview", "--port", str(port)],
        cwd=ROOT,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == f"Preview: http://127.0.0.1:{port} (Ctrl-C ends it)\n"
            yield Preview(process, port)
        finally:
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")
        assert list(home.iterdir()) == []
