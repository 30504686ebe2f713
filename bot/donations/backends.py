"""Which store donated photos go to."""

from __future__ import annotations

from pathlib import Path

from bot.donations.folder import Folder
from bot.donations.store import Store
from bot.settings import BucketSettings, SettingsError


def open_store(place: Path | BucketSettings | None) -> Store | None:
    """None where none is wanted. The store is reached when it is first asked. Raises SettingsError."""
    if not isinstance(place, BucketSettings):
        return Folder(place) if place else None
    try:
        from bot.donations.s3 import Bucket
    except ImportError as error:
        raise SettingsError("DONATIONS_DIR is a bucket: pip install -r requirements-s3.txt") from error
    return Bucket(place)
