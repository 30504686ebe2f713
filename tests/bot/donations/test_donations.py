"""Donated photos: the key that givers are known by, consent at the very moment of the write, and earlier versions."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from bot import whole_files
from bot.donations.donations import KEY, Donations, Outcome
from bot.donations.folder import Folder
from bot.donations.metadata import strip_metadata
from bot.donations.store import StoreError
from bot.storage.memory import MemoryKeyValues
from bot.storage.pseudonyms import Pseudonymiser
from tests.support.photos import draw, encode

ADA = 7
PHOTO = strip_metadata(encode(draw("red")))


class WithdrawnWhile(Folder):
    """Another replica takes the consent back while a photo is written."""

    def __init__(self, folder: Path, values: MemoryKeyValues, pseudonymise: Pseudonymiser) -> None:
        super().__init__(folder)
        self._other = Donations(Folder(folder), values, pseudonymise)

    async def write(self, name: str, data: bytes) -> None:
        await self._other.forget(ADA)
        await super().write(name, data)


def find_photos(folder: Path) -> list[str]:
    return sorted(file.parent.name for file in folder.glob("*/*"))


async def agree(donations: Donations, person: int = ADA) -> str:
    await donations.set_consent(person, True)
    consent = await donations.find_consent(person)
    assert consent
    return consent


def test_replicas_that_start_at_once_make_one_key(tmp_path: Path) -> None:
    def create(_: int) -> bytes:
        return asyncio.run(Folder(tmp_path / "given").create(KEY, secrets.token_hex(32).encode()))

    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(create, range(64)))
    assert len(keys) == 1
    assert [file.name for file in (tmp_path / "given").iterdir()] == [KEY]


def test_what_earlier_versions_kept_under_the_tokens_names_is_deleted(tmp_path: Path) -> None:
    pseudonymise = Pseudonymiser("123:token")
    earlier = tmp_path / "red" / f"{pseudonymise(f'giver {ADA}')[:16]}-0123456789abcdef.jpg"
    others = tmp_path / "red" / f"{pseudonymise('giver 8')[:16]}-0123456789abcdef.jpg"
    earlier.parent.mkdir()
    for file in (earlier, others):
        file.write_bytes(PHOTO.content)
    donations = Donations(Folder(tmp_path), MemoryKeyValues(), pseudonymise)

    async def go() -> int:
        consent = await agree(donations)
        assert await donations.keep(ADA, consent, "green", PHOTO) is Outcome.KEPT
        return await donations.forget(ADA)

    assert asyncio.run(go()) == 2
    assert find_photos(tmp_path) == ["red"]
    assert others.exists()


def test_photos_that_have_lost_their_key_get_no_other(tmp_path: Path) -> None:
    """Under another key nobody's earlier photos would be found by /forget."""
    values = MemoryKeyValues()

    def donations() -> Donations:
        return Donations(Folder(tmp_path), values, Pseudonymiser("123:token"))

    async def go() -> None:
        await donations().keep(ADA, await agree(donations()), "red", PHOTO)
        (tmp_path / KEY).rename(tmp_path / "elsewhere")
        with pytest.raises(StoreError, match=f"{KEY} in .* is missing"):
            await donations().keep(ADA, await agree(donations()), "green", PHOTO)
        with pytest.raises(StoreError, match=f"{KEY} in .* is missing"):
            await donations().forget(ADA)
        (tmp_path / "elsewhere").rename(tmp_path / KEY)
        assert await donations().forget(ADA) == 1
        (tmp_path / KEY).unlink()
        (tmp_path / "red" / "holiday.jpg").touch()
        assert await donations().keep(ADA, await agree(donations()), "red", PHOTO) is Outcome.KEPT

    asyncio.run(go())


def test_a_full_disk_leaves_no_part_of_a_photo(tmp_path: Path) -> None:
    donations = Donations(Folder(tmp_path), MemoryKeyValues(), Pseudonymiser("123:token"))
    large = replace(PHOTO, content=PHOTO.content * 1000)

    async def go() -> None:
        consent = await agree(donations)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            with pytest.raises(StoreError):
                await donations.keep(ADA, consent, "red", large)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    asyncio.run(go())
    assert find_photos(tmp_path) == []


def test_a_part_that_a_killed_process_has_left_is_deleted_and_not_counted(tmp_path: Path) -> None:
    donations = Donations(Folder(tmp_path), MemoryKeyValues(), Pseudonymiser("123:token"))

    async def go() -> None:
        await donations.keep(ADA, await agree(donations), "red", PHOTO)
        (photo,) = tmp_path.glob("red/*")
        photo.with_name(f"{photo.stem[:17]}fedcba9876543210.0123.part").write_bytes(b"half")
        assert await donations.count() == 1
        assert await donations.forget(ADA) == 1

    asyncio.run(go())
    assert find_photos(tmp_path) == []


def test_an_old_part_that_a_killed_process_has_left_goes_with_the_next_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    donations = Donations(Folder(tmp_path), MemoryKeyValues(), Pseudonymiser("123:token"))
    stale = f"0123456789abcdef-0123456789abcdef.{'0' * 16}.part"
    (tmp_path / "blue").mkdir()
    left = [tmp_path / "blue" / stale, tmp_path / f"{KEY}.{'0' * 32}.part"]  # the latter as earlier versions call it
    owned = ("download.part", "own.jpg", f".{'0' * 16}.part", f"tape.{'0' * 16}.part", f"x{stale}")
    others = [tmp_path / "blue" / name for name in owned]
    for file in (*left, *others):
        file.write_bytes(b"half")
    asyncio.run(Folder(tmp_path).list_photos())
    assert all(file.exists() for file in left)  # somebody may be writing them
    monkeypatch.setattr(whole_files, "STALE", -1)

    async def go() -> None:
        await donations.keep(ADA, await agree(donations), "red", PHOTO)

    asyncio.run(go())
    assert not any(file.exists() for file in left)
    assert all(file.exists() for file in others)


def test_what_cannot_be_deleted_keeps_nobody_from_forgetting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    donations = Donations(Folder(tmp_path), MemoryKeyValues(), Pseudonymiser("123:token"))
    monkeypatch.setattr(whole_files, "STALE", -1)
    left = [f"{'0' * 16}-{digit * 16}.{'0' * 16}.part" for digit in "123"]

    unlink = Path.unlink

    def refuse(file: Path, missing_ok: bool = False) -> None:
        if file.name == left[1]:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        unlink(file, missing_ok)

    async def go() -> None:
        await donations.keep(ADA, await agree(donations), "red", PHOTO)
        (tmp_path / "red" / left[0]).mkdir()
        for name in left[1:]:
            (tmp_path / "red" / name).write_bytes(b"half")
        monkeypatch.setattr(Path, "unlink", refuse)
        assert await donations.forget(ADA) == 1

    asyncio.run(go())
    assert sorted(file.name for file in tmp_path.glob("red/*")) == left[:2]


def test_a_consent_that_another_replica_takes_back_meanwhile_leaves_no_photo(tmp_path: Path) -> None:
    values, pseudonymise = MemoryKeyValues(), Pseudonymiser("123:token")
    donations = Donations(WithdrawnWhile(tmp_path, values, pseudonymise), values, pseudonymise)

    async def go() -> Outcome:
        return await donations.keep(ADA, await agree(donations), "red", PHOTO)

    assert asyncio.run(go()) is Outcome.NO_CONSENT
    assert find_photos(tmp_path) == []


def test_a_new_consent_is_not_the_one_that_a_photo_was_judged_under(tmp_path: Path) -> None:
    donations = Donations(Folder(tmp_path), MemoryKeyValues(), Pseudonymiser("123:token"))

    async def go() -> Outcome:
        consent = await agree(donations)
        await donations.forget(ADA)
        await agree(donations)
        return await donations.keep(ADA, consent, "red", PHOTO)

    assert asyncio.run(go()) is Outcome.NO_CONSENT
    assert find_photos(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"0123"])
def test_a_damaged_key_keeps_no_photo_and_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KEY).write_bytes(content)
    donations = Donations(Folder(tmp_path), MemoryKeyValues(), Pseudonymiser("123:token"))

    async def go() -> None:
        with pytest.raises(StoreError, match=KEY):
            await donations.keep(ADA, await agree(donations), "red", PHOTO)
        with pytest.raises(StoreError, match=KEY):
            await donations.forget(ADA)
        assert await donations.find_consent(ADA) is None

    asyncio.run(go())
    assert find_photos(tmp_path) == []


@pytest.mark.parametrize("label", ["../../etc", ".hidden", "a/b", "x\0y", "\ud800", "l" * 300])
def test_a_class_of_any_name_stays_in_the_folder(tmp_path: Path, label: str) -> None:
    folder = tmp_path / "given"
    donations = Donations(Folder(folder), MemoryKeyValues(), Pseudonymiser("123:token"))

    async def go() -> bool:
        try:
            return await donations.keep(ADA, await agree(donations), label, PHOTO) is Outcome.KEPT
        except StoreError:
            return False

    assert asyncio.run(go()) == bool(find_photos(folder))
    assert [file.name for file in tmp_path.iterdir()] == ["given"]
