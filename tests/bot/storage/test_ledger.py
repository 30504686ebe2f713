"""What is remembered of updates, in SQLite and in a real Redis."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.storage.key_values import KeyValueStore
from bot.storage.ledger import ANSWERED, ClaimedElsewhere, Ledger, LedgerError
from bot.storage.memory import MemoryRateLimiter
from bot.storage.pseudonyms import Pseudonymiser
from bot.storage.rate_limits import Rate, RateLimiter
from bot.storage.redis import open_redis
from bot.storage.sqlite import SqliteKeyValues, SqliteLedger

Open = Callable[[], tuple[Ledger, KeyValueStore, RateLimiter]]


@pytest.fixture(params=["sqlite", "redis"])
def open_state(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the same state anew, as the next process or another replica does."""
    if request.param == "sqlite":
        folder = tmp_path / "deep" / "state"
        return lambda: (SqliteLedger(folder), SqliteKeyValues(folder), MemoryRateLimiter())
    url = request.getfixturevalue("redis_url")
    return lambda: open_redis(url)


def test_failures_are_counted_across_processes_until_the_answer(open_state: Open) -> None:
    async def go() -> None:
        for failures in (0, 1):
            ledger, _, _ = open_state()
            assert await ledger.claim("a") == failures
            await ledger.record_failure("a")
            await ledger.record_failure("innocent")
            await ledger.clear_failure("innocent")
            assert await ledger.claim("innocent") == 0
            await _forget_claims(ledger, "a", "innocent")
            await ledger.close()
        ledger, _, _ = open_state()
        assert [await ledger.claim(key) for key in ("a", "innocent", "never seen")] == [2, 0, 0]
        await ledger.finish("a")
        await ledger.close()
        ledger, _, _ = open_state()
        assert await ledger.claim("a") == ANSWERED
        await ledger.close()

    asyncio.run(go())


def test_what_one_replica_has_in_work_another_cannot_claim(redis_url: str) -> None:
    async def go() -> None:
        (one, *_), (two, *_) = open_redis(redis_url), open_redis(redis_url)
        assert await one.claim("a") == 0
        assert await one.claim("a") == 0  # its own
        with pytest.raises(ClaimedElsewhere):
            await two.claim("a")
        await one.release("a")
        assert await two.claim("a") == 0
        await two.finish("a")
        assert await one.claim("a") == ANSWERED
        await one.close()
        await two.close()

    asyncio.run(go())


def test_a_ledger_out_of_reach_says_so(tmp_path: Path, free_port: int) -> None:
    async def go() -> None:
        ledger, notes, throttle = open_redis(f"redis://127.0.0.1:{free_port}/0")
        for call in (
            ledger.claim("a"),
            ledger.record_failure("a"),
            ledger.finish("a"),
            ledger.check(),
            notes.get("a"),
            notes.add("a"),
        ):
            with pytest.raises(LedgerError, match="Redis cannot be reached"):
                await call
        assert await throttle.reserve("a", Rate(1, 1)) == 0  # Telegram's own limits are still there
        await ledger.close()

    asyncio.run(go())
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="cannot hold the bot's state"):
        SqliteLedger(tmp_path / "file" / "state")


def test_what_is_older_than_two_days_is_forgotten_at_the_start(tmp_path: Path) -> None:
    async def go() -> None:
        ledger = SqliteLedger(tmp_path)
        await ledger.finish("old")
        await ledger.finish("new")
        await ledger.close()
        with sqlite3.connect(tmp_path / "ledger.sqlite") as database:
            database.execute("UPDATE outcomes SET at = at - 48 * 3600 - 10 WHERE key = 'old'")
        ledger = SqliteLedger(tmp_path)
        assert [await ledger.claim(key) for key in ("old", "new")] == [0, ANSWERED]
        await ledger.close()

    asyncio.run(go())


def test_notes_outlive_the_process_and_end_when_they_should(open_state: Open) -> None:
    async def go() -> None:
        ledger, notes, _ = open_state()
        await notes.set("language:a", "fr")
        await notes.set("album:a", "short", life=0.2)
        assert [await notes.add("count"), await notes.add("count")] == [1, 2]
        assert await notes.get("album:a") == "short"
        await notes.close()
        await ledger.close()
        await asyncio.sleep(0.3)
        ledger, notes, _ = open_state()
        assert [await notes.get(name) for name in ("language:a", "album:a", "count")] == ["fr", None, "2"]
        await notes.delete("language:a")
        assert await notes.get("language:a") is None
        await notes.close()
        await ledger.close()

    asyncio.run(go())


def test_a_burst_passes_at_once_and_then_one_place_comes_at_a_time(open_state: Open) -> None:
    async def go() -> None:
        ledger, _, throttle = open_state()
        rate = Rate(per_second=0.5, burst=3)
        waits = [await throttle.reserve("a", rate) for _ in range(5)]
        assert waits == pytest.approx([0, 0, 0, 2, 4], abs=0.3)
        assert await throttle.reserve("a", rate, at_most=0) is None
        assert await throttle.reserve("a", rate) == pytest.approx(6, abs=0.3)  # what was refused took no place
        assert await throttle.reserve("b", rate) == 0
        await throttle.hold("b", rate, 10)
        assert await throttle.reserve("b", rate) == pytest.approx(10, abs=0.3)
        await ledger.close()

    asyncio.run(go())


def test_a_pseudonym_depends_on_the_secret() -> None:
    assert Pseudonymiser("s")("42:7") == Pseudonymiser("s")("42:7") != Pseudonymiser("t")("42:7")


async def _forget_claims(ledger: Ledger, *keys: str) -> None:
    """As if the process had died, and its claims had run out."""
    redis = getattr(ledger, "_redis", None)
    if redis:
        await redis.delete(*(f"labelgram:claim:{key}" for key in keys))
