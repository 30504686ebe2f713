"""Anybody may talk to a webhook's port, and gateways garble what Telegram says: a seeded attack on the real process."""

from __future__ import annotations

import copy
import gzip
import json
import re
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.bot_process import StartBot, listen_on
from tests.support.photos import draw
from tests.support.telegram import Telegram

SECRET = "a-secret_1"
HEAD = (
    b"POST /hook HTTP/1.1\r\nHost: bot\r\nConnection: close\r\nX-Telegram-Bot-Api-Secret-Token: "
    + SECRET.encode()
    + b"\r\n"
)
USER = {"id": 9, "is_bot": False, "first_name": "Ada"}
CHAT = {"id": 9, "type": "private"}
ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**31, 2**63, 2**64, 10**400, 1.5, 1e308, float("inf"), float("nan"), "", "x", "\0", "\ud800"),
    *("9" * 5000, "\u202e\u0000\uffff", "../../etc/passwd", [], {}, [[]], [None], {"": {}}, "{0.__class__}", "%s%n"),
)


class Attack:
    """A bot behind a webhook, and what strangers find out about it."""

    def __init__(self, telegram: Telegram, process: Any, port: int, log: Path) -> None:
        self.telegram = telegram
        self._process = process
        self._port = port
        self._log = log
        self._numbers = iter(range(10_000, 10**6))

    def say(self, *said: bytes, hang_up: bool = False) -> bytes:
        """What the bot answers until it closes the connection."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self._port), timeout=60) as stranger:
            try:
                for part in said:
                    stranger.sendall(part)
                if hang_up:
                    stranger.shutdown(socket.SHUT_WR)
                while part := stranger.recv(65536):
                    answer += part
            except ConnectionError:  # it hangs up on who says too much
                pass
        return answer

    def break_off(self, said: bytes, address: str) -> None:
        """Say it from one of this machine's addresses, and be gone."""
        with socket.create_connection(("127.0.0.1", self._port), source_address=(address, 0)) as stranger:
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stranger.sendall(said)

    def post(self, body: bytes, headers: bytes = b"Content-Type: application/json\r\n") -> list[int]:
        length = b"" if b"chunked" in headers else b"Content-Length: %d\r\n" % len(body)
        return statuses(self.say(HEAD + headers + length + b"\r\n" + body))

    def make_update(self, **message: Any) -> dict[str, Any]:
        number = next(self._numbers)
        content = {"message_id": number, "date": 1, "chat": dict(CHAT), "from": dict(USER), "text": "hello"}
        return {"update_id": number, "message": content | message}

    def check(self) -> None:
        """The bot goes on, and its log is short and says nothing strange."""
        message = self.telegram.send_photo(draw("red"), user=77)
        self.telegram.wait_until(lambda: message in self.telegram.answers(), seconds=120)
        assert self._process.poll() is None
        log = self._log.read_text(errors="surrogateescape")
        assert "Traceback" not in log, log[-6000:]
        assert len(log) < 100_000


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]


@pytest.fixture
def attack(telegram: Telegram, start_bot: StartBot, free_port: int, tmp_path: Path) -> Iterator[Attack]:
    process = start_bot(**listen_on(free_port), WEBHOOK_SECRET=SECRET)
    telegram.wait_until(lambda: telegram.webhook is not None)
    attack = Attack(telegram, process, free_port, tmp_path / "bot.log")
    yield attack
    attack.check()


def test_bodies_that_are_no_update_are_done_with(attack: Attack) -> None:
    """Telegram would send them again for ever."""
    deep = [b"[" * depth + b"]" * depth for depth in (100, 900, 1000, 10_000, 400_000)]
    deep += [b'{"a":' * depth + b"1" + b"}" * depth for depth in (900, 10_000)]
    plain = json.dumps(attack.make_update()).encode()
    coded = [plain.decode().encode(code) for code in ("utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp037")]
    numbers = [b'{"update_id":%s}' % number for number in (b"1e400", b"NaN", b"-Infinity", b"9" * 5000, b"1.0", b"-0")]
    broken = [b"", b" ", b"\xff\xfe", b"\x80abc", b"\0", plain[:-1], plain * 2, b'"\\ud800"', b"'a'", b"null", b"0"]
    twice = b'{"update_id":5,"update_id":"6","message":7,"message":{"message_id":1},"message":[]}'
    large = b'{"update_id":7,"message":{"text":"%s"}}' % (b"x" * 5_000_000)
    for body in (*deep, *coded, *numbers, *broken, twice, large):
        assert attack.post(body) == [200], body[:60]


def test_bodies_are_taken_in_every_way_that_http_has(attack: Attack) -> None:
    def body() -> bytes:
        return json.dumps(attack.make_update()).encode()

    for kind in (b"", b"Content-Type: text/plain\r\n", b"Content-Type: multipart/form-data; boundary=x\r\n"):
        assert attack.post(body(), kind) == [200]
    assert attack.post(gzip.compress(body()), b"Content-Encoding: gzip\r\n") == [200]
    whole = body()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (whole[:7], whole[7:])) + b"0\r\n\r\n"
    assert attack.post(chunks, b"Transfer-Encoding: chunked\r\n") == [200]
    old = body()
    first = HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Content-Length: %d\r\n\r\n" % len(old)
    assert statuses(attack.say(first + old)) == [200]
    requests = [HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(one), one) for one in (body() for _ in range(20))]
    stay = [request.replace(b"Connection: close\r\n", b"") for request in requests[:-1]]
    assert statuses(attack.say(b"".join((*stay, requests[-1])))) == [200] * 20
    slow = HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    assert statuses(attack.say(slow, b"{", b"}")) == [100, 200]


def test_what_is_no_request_is_refused(attack: Attack) -> None:
    bomb = gzip.compress(bytes(300_000_000))
    assert attack.post(bomb, b"Content-Encoding: gzip\r\n")[:1] in ([200], [400])
    cut = gzip.compress(json.dumps(attack.make_update()).encode())[:-30]
    assert attack.post(cut, b"Content-Encoding: gzip\r\n")[:1] == [400]
    for number in range(300):
        attack.break_off(
            b"GET /hook HTTP/1.1\r\nHost: bot\r\nExpect: 100-continue\r\n\r\n", f"127.0.1.{number % 200 + 1}"
        )
    attack.say(b"GET http://xn--/ HTTP/1.1\r\nHost: x\r\n\r\n", hang_up=True)
    for coding in (b"gzip", b"deflate", b"br", b"zstd", b"x", b"gzip, gzip"):
        assert attack.post(b"not packed", b"Content-Encoding: " + coding + b"\r\n")[:1] in ([200], [400], [415]), coding
    for chunks in (
        b"zz\r\n{}\r\n0\r\n\r\n",
        b"-1\r\n{}",
        b"fffffffffffffffff\r\n{}",
        b"2\r\n{}xx0\r\n\r\n",
        b"5\r\n{}",
    ):
        said = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
        assert statuses(attack.say(said, hang_up=True))[:1] in ([], [400]), chunks
    both = b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"
    assert attack.post(b"0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n", both)[:1] == [400]
    for length in (b"-1", b"x", b"9" * 40, b"1, 2", b"+5", b""):
        assert statuses(attack.say(HEAD + b"Content-Length: " + length + b"\r\n\r\n{}"))[:1] in ([], [400], [413]), (
            length
        )
    assert statuses(attack.say(HEAD + b"Content-Length: 100\r\n\r\n{", hang_up=True)) in ([], [400])
    assert statuses(attack.say(HEAD + b"X: " + b"y" * 100_000 + b"\r\n\r\n"))[:1] in ([], [400])
    assert statuses(attack.say(HEAD + b"X: y\r\n" * 50_000 + b"\r\n"))[:1] in ([], [400])
    assert statuses(attack.say(b"POST /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: bot\r\n\r\n"))[:1] in ([], [400])
    for line in (b"POST /hook HTTP/9.9", b"POST /hook", b"\x16\x03\x01", b"PRI * HTTP/2.0", b"POST /h\0ok HTTP/1.1"):
        assert statuses(attack.say(line + b"\r\nHost: bot\r\n\r\n"))[:1] in ([], [400]), line


def test_a_body_that_does_not_come_is_not_waited_for(attack: Attack) -> None:
    for said in (b"Content-Length: 100\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}"):
        assert statuses(attack.say(HEAD + said)) == [408]


def test_who_does_not_know_path_or_secret_learns_nothing(attack: Attack) -> None:
    for method in (b"GET", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"HEAD", b"BREW"):
        request = HEAD.replace(b"POST", method, 1) + b"\r\n"
        assert statuses(attack.say(request)) in ([404], [405], [400]), method
    for path in (b"/", b"//hook", b"/hook/", b"/hook/../metrics", b"/%2e%2e/%zz", b"*", b"/metrics", b"/hook%00"):
        request = HEAD.replace(b"/hook", path, 1) + b"Content-Length: 2\r\n\r\n{}"
        assert statuses(attack.say(request))[:1] in ([404], [400]), path
    packed = HEAD.replace(SECRET.encode(), b"wrong") + b"Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\nnot packed"
    assert statuses(attack.say(packed.replace(b"Connection: close\r\n", b""), hang_up=True))[:1] in ([], [401], [400])
    for secret in (b"", b"A-SECRET_1", b"a-secret_1x", b"\xff\xfe", b"a-secret_1, a-secret_1", b"x" * 8000):
        request = HEAD.replace(SECRET.encode(), secret) + b"Content-Length: 2\r\n\r\n{}"
        assert statuses(attack.say(request))[:1] in ([401], [400]), secret[:20]
    both = HEAD + b"X-Telegram-Bot-Api-Secret-Token: wrong\r\nContent-Length: 2\r\n\r\n{}"
    assert statuses(attack.say(both))[:1] in ([200], [400], [401])


@pytest.mark.parametrize("seed", range(3))
def test_updates_in_which_anything_may_stand(attack: Attack, seed: int) -> None:
    rng = Random(seed)
    picture = attack.telegram.files.keep_photo(draw("red"))
    press = {"id": "1", "from": USER, "chat_instance": "1", "data": "is:0"}
    makers: list[Callable[[], dict[str, Any]]] = [
        attack.make_update,
        lambda: attack.make_update(photo=copy.deepcopy(picture), caption="x", caption_entities=[]),
        lambda: attack.make_update(
            text="/what", entities=[{"type": "bot_command", "offset": 0, "length": 5}], reply_to_message=photo()
        ),
        lambda: {
            "update_id": next(iter(attack.make_update().values())),
            "callback_query": press | {"message": photo()},
        },
        lambda: {"update_id": attack.make_update()["update_id"], "edited_message": attack.make_update()["message"]},
    ]

    def photo() -> dict[str, Any]:
        message: dict[str, Any] = attack.make_update(photo=copy.deepcopy(picture))["message"]
        return message

    for _ in range(120):
        update = rng.choice(makers)()
        for _ in range(rng.randint(1, 3)):
            _spoil(rng, update)
        update["update_id"] = attack.make_update()["update_id"]
        user = rng.randint(1, 10**6)  # so that each is below the rate of one person
        body = json.dumps(update).replace('"id": 9,', f'"id": {user},').encode()
        if rng.random() < 0.2:
            at = rng.randrange(len(body))
            body = body[:at] + bytes([rng.randrange(256)]) + body[at + 1 :]
        assert attack.post(body)[:1] in ([200], [503]), body  # 503: the chat has been told enough for now


def _spoil(rng: Random, value: Any) -> None:
    """Put something odd in some place, at any depth."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(value[key], dict | list) and value[key] and rng.random() < 0.8:
            value = value[key]
            continue
        value[key] = copy.deepcopy(rng.choice(ODD))
        return
