"""Which store donated photos go to."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from bot.donations.folder import Folder
from bot.donations.store import Store
from bot.errors import describe_os_error
from bot.settings.settings import BucketSettings
from bot.settings.values import SettingsError


def open_store(place: Path | BucketSettings | None) -> Store | None:
    """None where none is wanted. A folder is made now, a bucket is reached when first asked. Raises SettingsError."""
    if place is None:
        return None
    if isinstance(place, Path):
        _make_folder(place)
        return Folder(place)
    try:
        from bot.donations.s3 import Bucket
    except ImportError as error:
        raise SettingsError("DONATIONS_DIR is a bucket: pip install -r requirements-s3.txt") from error
    return Bucket(place)


def _make_folder(folder: Path) -> None:
    """Raises SettingsError where photos could not be kept in it: people would give them and nobody would notice."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    except OSError as error:
        raise SettingsError(f"{describe_os_error(error)}. DONATIONS_DIR names a folder that can be written.") from error
