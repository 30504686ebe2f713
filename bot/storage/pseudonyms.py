"""Names that stand for people, chats and updates without telling who or what they are."""

from __future__ import annotations

import hmac


class Pseudonymiser:
    """One for the whole process, made from a secret. The same secret gives the same names in every replica."""

    def __init__(self, secret: str) -> None:
        self._keyed = hmac.new(secret.encode(), digestmod="sha256")  # hmac.digest would let go of the lock of threads

    def __call__(self, name: str) -> str:
        """A name that stands for `name`: 128 bits of HMAC-SHA-256, in hexadecimal digits."""
        keyed = self._keyed.copy()
        keyed.update(name.encode())
        return keyed.hexdigest()[:32]
