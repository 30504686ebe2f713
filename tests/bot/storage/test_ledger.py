"""What is remembered of updates, in SQLite and in a real Redis."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bot.storage.backlog import PutDownUpdate
from bot.storage.ledger import Claim, ClaimedElsewhere, LedgerError
from bot.storage.pseudonyms import Pseudonymiser
from bot.storage.rate_limits import Place, Rate, RateLimiter
from bot.storage.redis.state import open_redis
from bot.storage.sqlite import key_values
from bot.storage.sqlite.file import SqliteFile, StateFolderError
from bot.storage.sqlite.state import open_sqlite
from bot.storage.state import State
from tests.support.paths import read_all

Open = Callable[[], Awaitable[State]]
BOT = 123456


@pytest.fixture(params=["sqlite", "redis"])
def open_state(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the same state again, as the next process or another replica does."""
    if request.param == "sqlite":
        folder = tmp_path / "deep" / "state"
        return lambda: open_sqlite(folder, BOT)
    url = request.getfixturevalue("redis_url")

    async def open_it() -> State:
        return open_redis(url, BOT)

    return open_it


def test_failures_are_counted_across_processes_until_the_answer(open_state: Open) -> None:
    async def go() -> None:
        for failures in (0, 1):
            state = await open_state()
            assert await state.ledger.claim("a") == Claim(failures, is_known=failures > 0)
            await state.ledger.record_failure("a")
            await state.ledger.record_failure("innocent")
            await state.ledger.clear_failure("innocent")
            assert (await state.ledger.claim("innocent")).failures == 0
            await _forget_claims(state, "a", "innocent")
            await state.close()
        state = await open_state()
        assert [(await state.ledger.claim(key)).failures for key in ("a", "innocent", "never seen")] == [2, 0, 0]
        await state.ledger.finish("a")
        await state.close()
        state = await open_state()
        assert (await state.ledger.claim("a")).is_answered
        await state.close()

    asyncio.run(go())


def test_who_is_to_be_told_of_a_refusal_is_known_to_the_next_process(open_state: Open) -> None:
    async def go() -> None:
        state = await open_state()
        await state.ledger.claim("a")
        await state.ledger.refuse("a")
        await state.ledger.record_failure("a")
        await state.ledger.clear_failure("a")
        await _forget_claims(state, "a")
        await state.close()
        state = await open_state()
        assert await state.ledger.claim("a") == Claim(is_known=True, is_refused=True)
        await state.ledger.finish("a")
        assert await state.ledger.claim("a") == Claim(is_answered=True, is_known=True)
        await state.close()

    asyncio.run(go())


def test_a_failure_that_was_forgotten_is_not_taken_back_below_none(open_state: Open) -> None:
    """As after Redis' FLUSHALL, in the middle of a photo's work."""

    async def go() -> None:
        state = await open_state()
        await state.ledger.clear_failure("a")
        claim = await state.ledger.claim("a")
        assert (claim.failures, claim.is_answered) == (0, False)
        await state.close()

    asyncio.run(go())


def test_what_one_replica_has_in_work_another_cannot_claim(redis_url: str) -> None:
    async def go() -> None:
        first, second = open_redis(redis_url, BOT), open_redis(redis_url, BOT)
        assert await first.ledger.claim("a") == Claim()
        assert await first.ledger.claim("a") == Claim(is_known=True)  # its own
        with pytest.raises(ClaimedElsewhere):
            await second.ledger.claim("a")
        await first.ledger.release("a")
        assert await second.ledger.claim("a") == Claim(is_known=True)
        await second.ledger.finish("a")
        assert (await first.ledger.claim("a")).is_answered
        await first.close()
        await second.close()

    asyncio.run(go())


def test_state_out_of_reach_says_so(tmp_path: Path, free_port: int) -> None:
    async def go() -> None:
        state = open_redis(f"redis://127.0.0.1:{free_port}/0", BOT)
        for call in (
            state.ledger.claim("a"),
            state.ledger.record_failure("a"),
            state.ledger.finish("a"),
            state.ledger.check(),
            state.key_values.get("a"),
            state.key_values.add("a"),
            state.backlog.count(),
        ):
            with pytest.raises(LedgerError, match="Redis cannot be reached"):
                await call
        assert await state.rate_limiter.reserve("a", Rate(1, 1)) == Place(True, 0)  # Telegram's own limits remain
        await state.close()
        (tmp_path / "file").touch()
        with pytest.raises(StateFolderError, match="cannot hold the bot's state"):
            await open_sqlite(tmp_path / "file" / "state", BOT)

    asyncio.run(go())


def test_a_process_without_file_descriptors_has_no_wrong_folder(tmp_path: Path) -> None:
    """It may have some again soon: what passes can be waited for."""

    async def go() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            with pytest.raises(LedgerError, match="cannot be kept now"):
                await open_sqlite(tmp_path, BOT)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await (await open_sqlite(tmp_path, BOT)).close()

    asyncio.run(go())


def test_what_has_outlived_its_time_is_deleted_without_a_trace(tmp_path: Path) -> None:
    async def go() -> None:
        state, other = await open_sqlite(tmp_path, BOT), await open_sqlite(tmp_path, BOT + 1)
        await state.key_values.set("album:long-ago", "of long ago", life=-10)
        await state.key_values.set("album:now", "of now", life=3600)
        await other.backlog.put(PutDownUpdate("a", "person", "of long ago", time.time() - 26 * 3600, 0, 1))
        await other.close()
        await state.backlog.put(PutDownUpdate("b", "person", "of now", time.time(), 0, 1))
        await state.backlog.forget("long ago", 1)
        await state.backlog.forget("now", 2)
        await state.ledger.finish("long ago")
        await state.ledger.finish("now")
        with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)) as database:
            database.execute("UPDATE updates SET at = at - 48 * 3600 - 10 WHERE key = 'long ago'")
            database.execute("UPDATE forgotten SET at = at - 48 * 3600 - 10 WHERE person = 'long ago'")
        await state.tidy()
        kept = read_all(tmp_path)
        assert b"now" in kept
        assert b"long" not in kept
        assert [(await state.ledger.claim(key)).is_answered for key in ("long ago", "now")] == [False, True]
        await state.close()

    asyncio.run(go())


def test_outcomes_that_an_earlier_version_kept_are_known(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)) as database:
        database.execute("CREATE TABLE outcomes (key TEXT PRIMARY KEY, failures INTEGER, at INTEGER) WITHOUT ROWID")
        rows = [("answered", -1), ("failed", 2)]
        database.executemany("INSERT INTO outcomes VALUES (?, ?, strftime('%s', 'now'))", rows)

    async def go() -> None:
        state = await open_sqlite(tmp_path, BOT)
        assert (await state.ledger.claim("answered")).is_answered
        assert (await state.ledger.claim("failed")).failures == 2
        await state.close()

    asyncio.run(go())


def test_columns_that_a_later_version_adds_are_left_alone(tmp_path: Path) -> None:
    async def go() -> None:
        for _ in range(2):
            state = await open_sqlite(tmp_path, BOT)
            await state.ledger.claim("a")
            await state.ledger.record_failure("b")
            await state.ledger.finish("c")
            await state.ledger.check()
            await state.key_values.set("language:a", "fr")
            await state.key_values.add("count")
            await state.backlog.put(PutDownUpdate("a", "person", "{}", 0, 0, 1))
            await state.backlog.forget("a", 7)
            await state.close()
            for name, tables in (("ledger", ("updates", "backlog", "forgotten")), ("notes", ("notes",))):
                with closing(sqlite3.connect(tmp_path / f"{name}.sqlite", isolation_level=None)) as database:
                    for table in tables:
                        database.execute(f"ALTER TABLE {table} ADD COLUMN later{time.time_ns()} TEXT")
        state = await open_sqlite(tmp_path, BOT)
        assert (await state.ledger.claim("c")).is_answered
        assert (await state.ledger.claim("b")).failures == 2
        assert await state.key_values.get("count") == "2"
        assert await state.backlog.count() == 1
        assert await state.backlog.find_forgotten() == {"a": 7}
        await state.close()

    asyncio.run(go())
    assert not list(tmp_path.glob("*.damaged-*"))


@pytest.mark.parametrize("name", ["ledger", "notes"])
@pytest.mark.parametrize("moment", ["before", "meanwhile"])
def test_a_damaged_file_is_set_aside_with_its_date(tmp_path: Path, name: str, moment: str) -> None:
    file = tmp_path / f"{name}.sqlite"

    async def go() -> None:
        if moment == "meanwhile":
            state = await open_sqlite(tmp_path, BOT)
            await state.ledger.finish("a")
            await state.key_values.set("a", "b")
            await state.close()
            file.write_bytes(file.read_bytes()[:4096] + b"damage" * 2000)
        else:
            file.write_bytes(b"this is no database" * 1000)
        state = await open_sqlite(tmp_path, BOT)
        await state.ledger.claim("a")
        await state.key_values.set("a", "c")
        assert await state.key_values.get("a") == "c"
        await state.close()

    asyncio.run(go())
    assert [kept.name[: len(file.name) + 11] for kept in tmp_path.glob(f"{name}.sqlite.damaged-*")]


def test_key_values_outlive_the_process_and_end_when_they_should(open_state: Open) -> None:
    async def go() -> None:
        state = await open_state()
        await state.key_values.set("language:a", "fr")
        await state.key_values.set("album:a", "short", life=0.2)
        await state.key_values.add("count", "other")
        await state.key_values.add("count")
        assert await state.key_values.get("album:a") == "short"
        await state.close()
        await asyncio.sleep(0.3)
        values = (state := await open_state()).key_values
        names = ("language:a", "album:a", "count", "other")
        assert [await values.get(name) for name in names] == ["fr", None, "2", "1"]
        await values.delete("language:a")
        assert await values.get("language:a") is None
        await state.close()

    asyncio.run(go())


def test_of_many_who_claim_a_name_at_once_one_gets_it(open_state: Open) -> None:
    async def go() -> None:
        state = await open_state()
        claims = (state.key_values.claim("judged:a", f"press {number}", life=60) for number in range(9))
        known = await asyncio.gather(*claims)
        assert known.count(None) == 1
        assert set(known) - {None} == {f"press {known.index(None)}"}
        await state.key_values.claim("judged:b", "a press", life=0.2)
        await asyncio.sleep(0.3)
        assert await state.key_values.claim("judged:b", "another", life=60) is None
        await state.close()

    asyncio.run(go())


class Clocks:
    """The clock that people set, and the one that nobody does; stands in for the module `time`."""

    def __init__(self) -> None:
        self.wall, self.passed = 1e9, 0.0

    def time(self) -> float:
        return self.wall + self.passed

    def monotonic(self) -> float:
        return self.passed


@pytest.mark.parametrize("tidies_first", [True, False])
def test_a_note_lives_for_its_seconds_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tidies_first: bool
) -> None:
    """One is from before the clock was set forward by ten days, one from after it."""
    monkeypatch.setattr(key_values, "time", clocks := Clocks())

    async def go() -> None:
        file = SqliteFile(tmp_path, "notes", key_values.NOTES)
        await file.open()
        notes = key_values.SqliteKeyValues(file, BOT)
        await notes.set("before", "yes", 3600)
        clocks.wall += 10 * 24 * 3600
        if tidies_first:
            await notes.delete_old()
        await notes.set("after", "yes", 3600)
        await notes.delete_old()
        assert [await notes.get("before"), await notes.get("after")] == ["yes", "yes"]
        clocks.passed += 3601
        assert [await notes.get("before"), await notes.get("after")] == [None, None]
        await notes.delete_old()
        assert await file.run(lambda database: database.execute("SELECT count(*) FROM notes").fetchone()) == (0,)
        await file.close()

    asyncio.run(go())


def test_each_of_many_notes_is_found_by_the_next_process(open_state: Open) -> None:
    async def go() -> None:
        names = [f"language:{number}" for number in range(500)]
        state = await open_state()
        for name in names:
            assert await state.key_values.get(name) is None
            await state.key_values.set(name, name.upper())
            assert await state.key_values.get(name) == name.upper()
        await state.close()
        state = await open_state()
        assert [await state.key_values.get(name) for name in names] == [name.upper() for name in names]
        assert await state.key_values.get("language:nobody") is None
        await state.close()

    asyncio.run(go())


def test_a_write_that_nobody_waits_for_any_more_is_done_in_its_turn(tmp_path: Path) -> None:
    async def go() -> None:
        state = await open_sqlite(tmp_path, BOT)
        await state.key_values.set("language:a", "fr")
        writing = asyncio.create_task(state.key_values.set("language:a", "de"))
        await asyncio.sleep(0)
        writing.cancel()
        await state.key_values.set("language:b", "es")
        await asyncio.gather(writing, return_exceptions=True)
        await state.close()
        state = await open_sqlite(tmp_path, BOT)
        assert [await state.key_values.get(f"language:{name}") for name in "ab"] == ["de", "es"]
        await state.close()

    asyncio.run(go())


def test_two_bots_in_one_place_do_not_mix(tmp_path: Path, redis_url: str) -> None:
    async def go(first: State, second: State) -> None:
        await first.key_values.add("count:answered")
        assert await second.key_values.get("count:answered") is None
        await first.backlog.put(PutDownUpdate("a", "person", "{}", 0, 0, 1))
        assert await second.backlog.count() == 0
        assert await second.backlog.find_keys() == []
        await first.close()
        await second.close()

    async def both() -> None:
        await go(await open_sqlite(tmp_path, 1), await open_sqlite(tmp_path, 2))
        await go(open_redis(redis_url, 1), open_redis(redis_url, 2))

    asyncio.run(both())


def test_what_is_put_down_is_there_until_it_is_deleted(open_state: Open) -> None:
    async def go() -> None:
        state = await open_state()
        rows = [PutDownUpdate(key, "p", "{}", since, due=10, attempts=1) for since, key in enumerate("abcd")]
        for row in rows:
            await state.backlog.put(row)
        await state.close()
        state = await open_state()
        assert sorted(await state.backlog.find_keys()) == ["a", "b", "c", "d"]
        await state.backlog.erase(["c", "another's"])
        await state.backlog.delete("b")
        assert sorted(await state.backlog.find_keys()) == ["a", "d"]
        assert [await state.backlog.read(key) for key in "ab"] == [rows[0], None]
        later = replace(rows[0], update="{1}", due=20, attempts=2)
        assert await state.backlog.replace(later)
        assert not await state.backlog.replace(replace(rows[2], due=20))
        assert await state.backlog.read("a") == later
        assert await state.backlog.count() == 2
        await state.close()

    asyncio.run(go())


def test_who_has_sent_forget_is_known_to_the_next_process(open_state: Open) -> None:
    async def go() -> None:
        state = await open_state()
        for person, number in (("a", 7), ("b", 3), ("a", 5)):
            await state.backlog.forget(person, number)
        await state.tidy()
        await state.close()
        state = await open_state()
        assert await state.backlog.find_forgotten() == {"a": 7, "b": 3}
        await state.close()

    asyncio.run(go())


def test_values_of_versions_without_the_bots_number_are_read_and_deleted(tmp_path: Path, redis_url: str) -> None:
    async def go(state: State) -> None:
        assert await state.key_values.get("consent:a") == "yes"
        await state.key_values.add("count")
        assert await state.key_values.get("count") == "6"
        await state.key_values.delete("consent:a")
        assert await state.key_values.get("consent:a") is None
        await state.close()

    async def both() -> None:
        with closing(sqlite3.connect(tmp_path / "notes.sqlite", isolation_level=None)) as database:
            database.execute("CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT, until REAL) WITHOUT ROWID")
            database.executemany("INSERT INTO notes VALUES (?, ?, NULL)", [("consent:a", "yes"), ("count", "5")])
        await go(await open_sqlite(tmp_path, BOT))
        async with Redis.from_url(redis_url) as redis:
            await redis.mset({"labelgram:note:consent:a": "yes", "labelgram:note:count": "5"})
        await go(open_redis(redis_url, BOT))

    asyncio.run(both())


def test_a_burst_passes_at_once_and_then_one_place_comes_at_a_time(open_state: Open) -> None:
    async def go() -> None:
        state = await open_state()
        limiter, rate = state.rate_limiter, Rate(per_second=0.5, burst=3)
        waits = [(await limiter.reserve("a", rate)).wait for _ in range(5)]
        assert waits == pytest.approx([0, 0, 0, 2, 4], abs=0.3)
        refused = await limiter.reserve("a", rate, at_most=0)
        assert not refused.taken
        assert refused.wait == pytest.approx(6, abs=0.3)
        assert (await limiter.reserve("a", rate)).wait == pytest.approx(6, abs=0.3)  # what was refused took no place
        assert await limiter.reserve("b", rate) == Place(True, 0)
        await limiter.hold("b", rate, 10)
        assert (await limiter.reserve("b", rate)).wait == pytest.approx(10, abs=0.3)
        await state.close()

    asyncio.run(go())


def test_a_redis_whose_clock_is_set_back_keeps_nobody_waiting_for_that(redis_url: str) -> None:
    """A bucket says when it was written."""

    async def go() -> None:
        state, rate = open_redis(redis_url, BOT), Rate(per_second=0.5, burst=3)
        redis = Redis.from_url(redis_url, decode_responses=True)
        for _ in range(4):
            await state.rate_limiter.reserve("a", rate)
        full_at, written_at = map(float, (await redis.get("labelgram:rate:a")).split())
        await redis.set("labelgram:rate:a", f"{full_at + 3600} {written_at + 3600}")
        assert (await state.rate_limiter.reserve("a", rate)).wait == pytest.approx(4, abs=0.5)
        await redis.aclose()
        await state.close()

    asyncio.run(go())


def test_what_piled_up_at_the_rate_finds_room(open_state: Open) -> None:
    async def count(limiter: RateLimiter, name: str, ages: Iterable[float]) -> int:
        rate = Rate(per_second=1, burst=3)
        return sum([(await limiter.reserve(name, rate, at_most=0, age=age)).taken for age in ages])

    async def go() -> None:
        state = await open_state()
        assert await count(state.rate_limiter, "one a second", range(60, 0, -1)) == 60
        assert await count(state.rate_limiter, "all at once", [20] * 60) == 3 + 20
        assert await count(state.rate_limiter, "all at once", [0] * 9) == 0
        assert await count(state.rate_limiter, "now", [0] * 9) == 3
        await state.close()

    asyncio.run(go())


def test_a_pseudonym_depends_on_the_secret() -> None:
    assert Pseudonymiser("s")("42:7") == Pseudonymiser("s")("42:7") != Pseudonymiser("t")("42:7")


async def _forget_claims(state: State, *keys: str) -> None:
    """As if the process had died, and its claims had run out."""
    for key in keys:
        await state.ledger.release(key)
