"""One process of a bot at a time, also where somebody deletes the file of its lock."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
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


def note(folder: Path, name: str) -> None:
    """As a bot that was there has noted something."""
    with closing(sqlite3.connect(folder / "notes.sqlite")) as database:
        database.execute("CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT, until REAL) WITHOUT ROWID")
        database.execute("INSERT INTO notes VALUES (?, 'yes', NULL)", (name,))
        database.commit()


def test_who_deletes_the_lock_lets_nobody_in(locks: list[ProcessLock], tmp_path: Path) -> None:
    first, second = locks
    assert first.take()
    note(tmp_path, "1:token")
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
    note(tmp_path, "1:token")
    assert not locks[0].take()
    assert locks[0].is_looking  # nobody has it
    time.sleep(2 * WAIT)
    assert locks[0].take()
    assert not locks[1].take()
    assert not locks[1].is_looking


@pytest.mark.parametrize("name", ["a b", "50%20", "a?b#c", "größer", "\udcff", "//"])
def test_a_state_without_a_lock_is_known_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    folder = Path(f"/{tmp_path}") if name == "//" else tmp_path / name
    folder.mkdir(exist_ok=True)
    note(folder, "1:token")
    lock = ProcessLock(folder, 1)
    assert not lock.take()
    assert lock.is_looking


def test_a_state_that_somebody_writes_to_is_waited_for_and_stops_nothing(
    locks: list[ProcessLock], tmp_path: Path
) -> None:
    note(tmp_path, "12:token")
    with closing(sqlite3.connect(tmp_path / "notes.sqlite", isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        begun = time.monotonic()
        assert not locks[0].take()
        assert time.monotonic() - begun < 2  # SQLite's own patience is five seconds
        assert locks[0].is_looking


def test_the_state_of_another_bot_is_not_waited_for(locks: list[ProcessLock], tmp_path: Path) -> None:
    note(tmp_path, "12:token")
    assert locks[0].take()


def put_folder(lock: Path) -> None:
    lock.mkdir()


def put_dangling_link(lock: Path) -> None:
    lock.symlink_to(lock.parent / "nowhere" / "1.lock")


def put_pipe(lock: Path) -> None:
    os.mkfifo(lock)


@pytest.mark.parametrize("put", [put_folder, put_dangling_link, put_pipe])
def test_what_is_no_lock_lets_everybody_in_and_the_log_says_so(
    put: Callable[[Path], None], locks: list[ProcessLock], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = locks
    assert first.take()
    (tmp_path / "1.lock").unlink()
    put(tmp_path / "1.lock")
    assert [first.keep() for _ in range(3)] == [True] * 3
    assert caplog.text.count("cannot be locked") == 1
    assert second.take()
    assert [second.keep() for _ in range(3)] == [True] * 3
    assert caplog.text.count("1.lock cannot be locked") == caplog.text.count("start one process of a bot only") == 2
    if put is put_folder:
        (tmp_path / "1.lock").rmdir()
    else:
        (tmp_path / "1.lock").unlink()
    assert [first.keep(), second.keep()] == [True, False]


def refuse(monkeypatch: pytest.MonkeyPatch, *modes: int) -> None:
    """To open files so: the tests may run as root, whom no mode of a file keeps out."""
    system_open = os.open

    def open_or_refuse(path: Path, flags: int, *rest: int) -> int:
        if flags & os.O_ACCMODE in modes:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return system_open(path, flags, *rest)

    monkeypatch.setattr(os, "open", open_or_refuse)


def test_a_lock_that_cannot_be_written_is_one_all_the_same(
    locks: list[ProcessLock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1.lock").touch()
    refuse(monkeypatch, os.O_RDWR)
    assert [lock.take() for lock in locks] == [True, False]
    assert locks[0].keep()


def test_a_lock_that_cannot_be_opened_lets_everybody_in_and_the_log_says_so(
    locks: list[ProcessLock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = locks
    assert first.take()
    (tmp_path / "1.lock").unlink()
    with monkeypatch.context() as patches:
        refuse(patches, os.O_RDWR, os.O_RDONLY)
        assert [first.keep(), first.keep(), second.take()] == [True] * 3
    assert caplog.text.count("1.lock cannot be locked (Permission denied): start one process of a bot only") == 2
    assert [first.keep(), second.keep()] == [True, False]


def test_files_without_lasting_numbers_keep_no_bot_from_starting(
    locks: list[ProcessLock], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "samestat", lambda *_: False)
    first, second = locks
    assert [first.take() for _ in range(MISSES + 1)] == [False] * MISSES + [True]
    assert first.keep()
    assert not second.take()
