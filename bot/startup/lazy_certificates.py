"""The system's certificates, loaded when they are needed.

aiohttp loads them twice as it is imported, for sessions that bring none of their own, as aiogram's do: 0.1 s and 2 MB
(https://github.com/aio-libs/aiohttp/blob/master/aiohttp/connector.py, _make_ssl_context).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def load_certificates_late() -> Iterator[None]:
    """Contexts made meanwhile load the system's certificates when they first open a connection.

    Not for threads: while one is in here, others' contexts are made so as well.
    """
    with _replaced("load_default_certs"), _replaced("set_default_verify_paths"):
        yield


class _Waiting(ssl.SSLContext):
    """Trusts nobody yet."""

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:  # what asyncio opens connections with
        self.__class__ = ssl.SSLContext  # type: ignore[assignment]
        self.load_default_certs()
        return self.wrap_bio(*arguments, **options)


@contextmanager
def _replaced(method: str) -> Iterator[None]:
    def wait(context: ssl.SSLContext, *_: Any) -> None:
        context.__class__ = _Waiting

    original = vars(ssl.SSLContext).get(method)
    setattr(ssl.SSLContext, method, wait)
    try:
        yield
    finally:
        if original is None:
            delattr(ssl.SSLContext, method)
        else:
            setattr(ssl.SSLContext, method, original)
