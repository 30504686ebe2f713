"""The process that is fuzzed: `bot.inference.decoding.decode` behind a pipe. The bot's own interpreter runs it.

Standard input holds photos, each its length (4 bytes, big-endian) and its bytes; a line of JSON answers each.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from pathlib import Path

from bot.inference.contract import Preprocess
from bot.inference.decoding import PhotoError, decode

PREPROCESS = Preprocess(size=224, resize=256)


def main() -> None:
    while header := sys.stdin.buffer.read(4):
        data = sys.stdin.buffer.read(*struct.unpack(">I", header))
        started = time.process_time()
        outcome, error = _decode(data)
        seconds = time.process_time() - started
        memory = {"rss": _status("VmRSS"), "peak": _status("VmHWM")}
        print(json.dumps({"outcome": outcome, "error": error, "seconds": seconds, **memory}), flush=True)


def _decode(data: bytes) -> tuple[str, str]:
    """The strongest of the decoded photo's colours, or why there is none, and the error's text."""
    try:
        pixels = decode(data, PREPROCESS)
        assert (pixels.shape, pixels.dtype.name) == ((224, 224, 3), "uint8")
    except PhotoError as error:
        return error.reason.value, str(error)
    except BaseException as error:  # the very thing that is looked for
        return "wrong", repr(error)
    return ("red", "green", "blue")[int(pixels.mean((0, 1)).argmax())], ""


def _status(field: str) -> float:
    """Megabytes, from Linux' account of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1000


if __name__ == "__main__":
    main()
