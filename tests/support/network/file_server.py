"""A server of a folder's files."""

from __future__ import annotations

from http.server import SimpleHTTPRequestHandler


class FileHandler(SimpleHTTPRequestHandler):
    """A folder's files, without a line for each."""

    def log_message(self, *args: object) -> None:
        """Nothing."""
