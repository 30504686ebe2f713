"""One process of a bot at a time, also where somebody deletes the file of its lock."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.storage import process_lock
from bot.storage.process_lock import MISSES, ProcessLock

WAIT = 0.2


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ProcessLock]]:
    """Of the process that runs, and of one that starts later."""
    monkeypatch.setattr(process_lock, "WAIT", WAIT)
    made = [ProcessLock(tmp_path, 1), ProcessLock(tmp_path, 1)]
    yield made
    for lock in made:
        lock.release()


def test_who_deletes_the_lock_lets_nobody_in(locks: list[ProcessLock], tmp_path: Path) -> None:
    first, second = locks
    assert first.take()
    (tmp_path / "ledger.sqlite").touch()
    (tmp_path / "1.lock").unlink()
    assert not second.take()
    assert first.keep()
    time.sleep(2 * WAIT)
    assert not second.take()
    first.release()
    assert second.take()


def test_who_replaces_the_lock_lets_nobody_in(locks: list[ProcessLock], tmp_path: Path) -> None:
    first, second = locks
    assert first.take()
    (tmp_path / "1.lock").rename(tmp_path / "kept.lock")
    (tmp_path / "1.lock").touch()
    assert first.keep()
    assert not second.take()


def test_a_process_that_has_lost_its_lock_is_told(locks: list[ProcessLock], tmp_path: Path) -> None:
    first, second = locks
    assert first.take()
    (tmp_path / "1.lock").unlink()
    assert second.take()
    assert not first.keep()
    assert second.keep()


def test_a_state_without_a_lock_is_taken_after_a_moment(locks: list[ProcessLock], tmp_path: Path) -> None:
    """As one of an earlier version."""
    (tmp_path / "ledger.sqlite").touch()
    assert not locks[0].take()
    time.sleep(2 * WAIT)
    assert locks[0].take()


def test_files_without_lasting_numbers_keep_no_bot_from_starting(
    locks: list[ProcessLock], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "samestat", lambda *_: False)
    first, second = locks
    assert [first.take() for _ in range(MISSES + 1)] == [False] * MISSES + [True]
    assert first.keep()
    assert not second.take()
