"""The file `.env` beside the bot: settings that are not in the environment."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from bot.inference.names import show_path
from bot.settings.values import SettingsError

LINE = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=\s*(?P<value>[^\0]*?)\s*")
QUOTED = re.compile(r"""(?P<quote>["'])(?P<value>.*?)(?P=quote)(?:\s*#.*)?""")
COMMENT = re.compile(r"(?:^|\s+)#.*")
BESIDE = Path(__file__).parents[2] / ".env"
"""Unless LABELGRAM_ENV_FILE names another."""
MAX_BYTES = 100_000
OTHERS = 0o077
"""Bits of a file's mode: what its group and others may do."""


def read_environment() -> dict[str, str]:
    """The file's settings and the environment's, which win. The file beside the bot need not be there.

    Raises SettingsError. `make run` asks it whether there is a token.
    """
    named = os.environ.get("LABELGRAM_ENV_FILE")
    if named and not Path(named).exists():
        raise SettingsError(f"LABELGRAM_ENV_FILE names {named}, which is not there.")
    return read_env_file(Path(named or BESIDE)) | os.environ


def read_env_file(file: Path) -> dict[str, str]:
    """NAME=value lines; quotes and comments are taken off. Empty if the file is not there.

    Raises SettingsError for what it cannot read. Says so on standard error if others on this machine can read it.
    """
    try:
        with file.open("rb") as opened:
            mode = file.stat().st_mode
            data = opened.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is not UTF-8 text. Write one NAME=value a line.") from error
    if len(data) > MAX_BYTES:  # a setting in the rest would be missing
        raise SettingsError(f"{file} has more than {MAX_BYTES // 1000} kB. Write one NAME=value a line.")
    values = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not COMMENT.sub("", line).strip():
            continue
        match = LINE.fullmatch(line)
        if match is None:  # not shown: it may hold the token
            raise SettingsError(f"{file}, line {number}: this is not NAME=value.")
        quoted = QUOTED.fullmatch(match["value"])
        if not quoted and match["value"].startswith(("'", '"')):
            raise SettingsError(f"{file}, line {number}: the value's quote is not closed, or something follows it.")
        values[match["name"]] = quoted["value"] if quoted else COMMENT.sub("", match["value"])
    if os.name == "posix" and mode & OTHERS and values.get("BOT_TOKEN"):
        path = show_path(file)
        print(f"bot: others on this machine can read the token in {path}: chmod 600 {path}", file=sys.stderr)
    return values
