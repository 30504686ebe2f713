"""Large photos wait for each other, so that the process keeps to 300 MB, whatever is asked of which photo."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from bot.telegram.media.budget import MemoryBudget
from tests.support.bot_process import StartBot
from tests.support.chat import buttons, press_button
from tests.support.paths import ROOT
from tests.support.photos import draw, encode, png
from tests.support.telegram import Telegram

MODEL = str(ROOT / "artifacts" / "mask.onnx")
MAX_MEMORY = 300.0
"""Megabytes of the whole process at its peak, with the shipped model. docs/how-it-works.md promises it."""


def read_peak(process: int) -> float:
    """Megabytes (man 5 proc)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found
    return int(found[1]) / 1000


LARGE = {
    "PNG with alpha, 25 megapixels": png((6250, 4000), bytes((200, 30, 30, 128)), kind=6),
    "WebP with alpha, 12.5 megapixels": encode(
        Image.new("RGBA", (4166, 3000), (200, 30, 30, 128)), "WEBP", lossless=True, method=0
    ),
    "progressive JPEG, 50 megapixels": encode(draw(size=(8660, 5770)), progressive=True),
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", LARGE)
def test_two_of_the_largest_photos_at_once_keep_the_process_below_300_mb(
    name: str, telegram: Telegram, start_bot: StartBot
) -> None:
    process = start_bot("env", "-u", "PYTHONWARNINGS", MODEL_PATH=MODEL)
    sent = [telegram.send_document(LARGE[name], "image/png", "photo.png", user=user) for user in (1, 2)]
    telegram.wait_until(lambda: telegram.answers().keys() >= set(sent), seconds=120)
    for message in sent[:1]:
        photo = telegram.messages[message]
        entities = [{"type": "bot_command", "offset": 0, "length": 5}]
        asked = {"text": "/what", "entities": entities, "reply_to_message": photo}
        telegram.send(asked, user=photo["from"]["id"])
    small = telegram.send_photo(draw("blue"), user=3)
    telegram.wait_until(lambda: small in telegram.answers() and telegram.unconfirmed == 0, seconds=120)
    assert read_peak(process.pid) < MAX_MEMORY


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_large_photos_that_are_kept_at_once_keep_the_process_below_300_mb(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    """They are decoded whole, and one that lies on its side is turned: more than an answer takes."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    photo = encode(draw(size=(4080, 3060)), exif=exif.tobytes())
    folder = tmp_path / "donations"
    process = start_bot("env", "-u", "PYTHONWARNINGS", DONATIONS_DIR=str(folder))
    sent = {user: telegram.send_document(photo, "image/jpeg", "photo.jpg", user=user) for user in range(1, 5)}
    for user in sent:
        telegram.send_text("/donate", user=user)
    telegram.wait_until(lambda: telegram.answers().keys() >= set(sent.values()) and telegram.unconfirmed == 0)
    for number, message in list(telegram.messages.items()):
        for data in [data for data in buttons(message) if data == "donate:yes"]:
            telegram.press(number, data, user=message["chat"]["id"])
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    for user, sent_photo in sent.items():
        press_button(telegram, sent_photo, "right", user=user)
    telegram.wait_until(lambda: len(list(folder.glob("*/*.jpg"))) == len(sent))
    assert read_peak(process.pid) < MAX_MEMORY


def test_who_asks_for_much_waits_and_who_asks_for_little_does_not() -> None:
    async def ask() -> list[str]:
        share, order = MemoryBudget(decoding=100_000_000).decoding, list[str]()

        async def hold(name: str, amount: int, seconds: float) -> None:
            async with share.hold(amount):
                order.append(name)
                await asyncio.sleep(seconds)

        tasks = [
            asyncio.create_task(hold(name, amount, seconds))
            for name, amount, seconds in (
                ("first", 80_000_000, 0.2),
                ("waits", 40_000_000, 0),
                ("more than all there is", 900_000_000, 0),
                ("fits, but comes later", 10_000_000, 0),
                ("small", 1_000_000, 0),
            )
        ]
        await asyncio.gather(*tasks)
        return order

    assert asyncio.run(ask()) == ["first", "small", "waits", "more than all there is", "fits, but comes later"]


def test_who_gives_up_waiting_leaves_nothing_taken() -> None:
    async def ask() -> bool:
        share = MemoryBudget(decoding=100_000_000).decoding
        async with share.hold(90_000_000):
            waiting = [asyncio.create_task(_hold(share)) for _ in range(3)]
            await asyncio.sleep(0)
            waiting[0].cancel()
            waiting[1].cancel()
        waiting[2].cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        async with asyncio.timeout(1), share.hold(100_000_000):
            return True

    async def _hold(share: object) -> None:
        async with share.hold(90_000_000):  # type: ignore[attr-defined]
            await asyncio.sleep(60)

    assert asyncio.run(ask())


def test_who_gives_up_waiting_holds_nobody_up() -> None:
    """There is room for all but the first that waits, which gives up."""

    async def ask() -> list[str]:
        share, order = MemoryBudget(decoding=100_000_000).decoding, list[str]()

        async def hold(name: str, amount: int) -> None:
            async with share.hold(amount):
                order.append(name)

        async with share.hold(60_000_000):
            large = asyncio.create_task(hold("large", 90_000_000))
            await asyncio.sleep(0)
            waiting = asyncio.create_task(hold("waits behind it", 30_000_000))
            await asyncio.sleep(0)
            large.cancel()
            async with asyncio.timeout(1):
                await waiting
                await hold("comes later", 30_000_000)
        return order

    assert asyncio.run(ask()) == ["waits behind it", "comes later"]
