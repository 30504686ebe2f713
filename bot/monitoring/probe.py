"""The image's health check: exit status 0 if the bot is alive, or has no METRICS_PORT. Imports nothing of the bot.

python bot/monitoring/probe.py          METRICS_PORT and METRICS_HOST say where to ask
"""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection, HTTPException

ANYWHERE = {"", "0.0.0.0", "::"}
"""Addresses to listen on, to which nothing can connect."""


def main() -> int:
    port = os.environ.get("METRICS_PORT", "").strip()
    host = os.environ.get("METRICS_HOST", "").strip()
    if not port:
        return 0
    try:
        connection = HTTPConnection("127.0.0.1" if host in ANYWHERE else host, int(port), timeout=4)
        connection.request("GET", "/healthz")
        return 0 if connection.getresponse().status == 200 else 1
    except (OSError, HTTPException, ValueError) as error:
        print(f"not alive: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
