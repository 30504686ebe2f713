"""The bot behind a webhook: the real process, posted to by the Bot API double and by others."""

from __future__ import annotations

import http.client
import itertools
import json
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.support.bot_process import StartBot, kill, listen_on
from tests.support.chat import text
from tests.support.photos import draw
from tests.support.telegram import TOKEN, Faults, Refusal, Telegram, refuse_with, slow_downloads

SECRET = "a-secret_1"


@pytest.fixture
def hook(free_port: int) -> dict[str, str]:
    """The environment of a bot that listens."""
    return listen_on(free_port) | {"WEBHOOK_SECRET": SECRET}


def post(hook: dict[str, str], body: bytes, path: str = "/hook", secret: str = SECRET) -> tuple[int, dict[str, str]]:
    with closing(http.client.HTTPConnection("127.0.0.1", int(hook["PORT"]), timeout=30)) as connection:
        connection.request("POST", path, body, {"X-Telegram-Bot-Api-Secret-Token": secret})
        with connection.getresponse() as response:
            return response.status, dict(response.getheaders())


def test_photos_are_answered_and_the_webhook_is_set_without_dropping_what_waits(
    telegram: Telegram, start_bot: StartBot, hook: dict[str, str]
) -> None:
    sent = {telegram.send_photo(draw("green"), user=user) for user in range(1, 6)}
    start_bot(**hook)
    telegram.wait_until(lambda: telegram.answers().keys() == sent)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.webhook
    assert telegram.webhook["url"] == hook["WEBHOOK_URL"]
    assert telegram.webhook["secret_token"] == SECRET
    assert set(telegram.webhook["allowed_updates"]) == {"message", "edited_message", "callback_query"}
    assert telegram.webhook["max_connections"] == 64
    assert telegram.webhook.get("drop_pending_updates") in (None, "false")


@pytest.mark.parametrize("path", ["", "/h%C3%B6k", "/my%20hook", "/%7Bx%7D", "/a%2Fb"])
def test_updates_come_to_any_path_that_an_address_can_have(
    path: str, telegram: Telegram, start_bot: StartBot, hook: dict[str, str]
) -> None:
    sent = telegram.send_photo(draw("green"))
    start_bot(**hook | {"WEBHOOK_URL": hook["WEBHOOK_URL"].replace("/hook", path)})
    telegram.wait_until(lambda: sent in telegram.answers())
    assert post(hook, b"{}", "/another")[0] == 404


@pytest.mark.parametrize(
    "trouble",
    [
        Refusal("setWebhook", 502, "<html>"),
        Refusal("setWebhook", 200, "<html>"),
        Refusal("setWebhook", 413, "<html>"),
        refuse_with("setWebhook", 429, parameters={"retry_after": 5}),
        refuse_with("setWebhook", 409),
    ],
    ids=["gateway", "page", "too large for a gateway", "held", "conflict"],
)
def test_the_webhook_is_set_when_telegram_is_well_again(
    telegram: Telegram, start_bot: StartBot, hook: dict[str, str], tmp_path: Path, trouble: Refusal
) -> None:
    """However long that takes: a call at the start is given up in three seconds here, not in ten minutes."""
    telegram.refusals.append(trouble)
    message = telegram.send_photo(draw("red"))
    process = start_bot(module="tests.support.hasty", **hook)
    telegram.wait_until(
        lambda: "the webhook could not be set" in (tmp_path / "bot.log").read_text() or process.poll() is not None
    )
    telegram.refusals.clear()
    telegram.wait_until(lambda: message in telegram.answers() or process.poll() is not None)
    assert process.poll() is None
    assert "Traceback" not in (tmp_path / "bot.log").read_text()


def test_after_kill_9_every_photo_comes_again(telegram: Telegram, start_bot: StartBot, hook: dict[str, str]) -> None:
    telegram.queue.couriers.pause = 0.2
    photo = draw("red")
    sent = {telegram.send_photo(photo, user=user) for user in range(1, 25)}
    telegram.faults = slow_downloads(0.5)
    process = start_bot(MAX_IN_FLIGHT="4", **hook)
    telegram.wait_until(lambda: len(telegram.answers()) >= 6)
    kill(process)
    assert telegram.unconfirmed >= len(sent) - len(telegram.answers()) > 0
    telegram.faults = None
    start_bot(**hook)
    telegram.wait_until(lambda: telegram.answers().keys() == sent)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert sum(telegram.replies.values()) - len(sent) <= 4


def test_an_update_that_comes_again_while_it_is_in_work_is_answered_once(
    telegram: Telegram, start_bot: StartBot, hook: dict[str, str]
) -> None:
    telegram.faults = Faults(rate=0.5, seed=2, kinds=("impatient", "slow-download"), slow_seconds=0.5)
    sent = {telegram.send_photo(draw("red"), user=user) for user in range(1, 13)}
    start_bot(**hook)
    telegram.wait_until(lambda: telegram.answers().keys() == sent and telegram.unconfirmed == 0)
    assert telegram.faults.injected["impatient"] > 0
    assert set(telegram.replies.values()) == {1}


def test_sigterm_ends_what_is_in_work(telegram: Telegram, start_bot: StartBot, hook: dict[str, str]) -> None:
    telegram.faults = slow_downloads(1)
    sent = {telegram.send_photo(draw("red"), user=user) for user in range(1, 4)}
    process = start_bot(**hook)
    telegram.wait_until(lambda: len(telegram.downloads) == 3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert telegram.answers().keys() == sent


def test_strangers_and_nonsense_are_refused(telegram: Telegram, start_bot: StartBot, hook: dict[str, str]) -> None:
    start_bot(**hook)
    telegram.wait_until(lambda: telegram.webhook is not None)
    assert post(hook, b"{}", secret="wrong")[0] == 401
    assert post(hook, b"{}", secret="")[0] == 401
    assert post(hook, b"{}", path="/elsewhere")[0] == 404
    assert post(hook, b"no json")[0] == 200  # anything else would come again for ever
    assert post(hook, b" " * 5_000_000)[0] == 200
    message = telegram.send_photo(draw("red"))
    telegram.wait_until(lambda: message in telegram.answers())


def test_when_there_is_too_much_telegram_is_asked_to_come_again(
    telegram: Telegram, start_bot: StartBot, hook: dict[str, str]
) -> None:
    start_bot(MAX_IN_FLIGHT="1", **hook)
    telegram.wait_until(lambda: telegram.webhook is not None)
    telegram.faults = slow_downloads(3)
    photo = telegram.queue.updates[telegram.send_photo(draw("red"), user=50)]["message"]["photo"]

    def update(number: int) -> bytes:
        user = {"id": number, "is_bot": False, "first_name": "Ada"}
        message = {"message_id": number, "date": 1, "chat": {"id": number, "type": "private"}, "from": user}
        return json.dumps({"update_id": number, "message": message | {"photo": photo}}).encode()

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda number: post(hook, update(number)), range(1000, 1010)))
    busy = [headers for status, headers in answers if status == 503]
    assert len(busy) >= 6
    assert all(headers["Retry-After"] == "1" for headers in busy)


def test_health_and_metrics_can_be_asked_for(
    telegram: Telegram, start_bot: StartBot, hook: dict[str, str], free_port_too: int
) -> None:
    message = telegram.send_photo(draw("red"))
    start_bot(METRICS_PORT=str(free_port_too), **hook)
    telegram.wait_until(lambda: message in telegram.answers())
    for port in (hook["PORT"], free_port_too):
        assert _get(port, "/healthz") == "alive\n"
        assert _get(port, "/readyz") == "ready\n"
    # An answer is counted once Telegram has taken it: a moment after it is there to be seen.
    telegram.wait_until(lambda: 'labelgram_answers_total{outcome="named"} 1.0' in _get(free_port_too, "/metrics"))
    assert 'labelgram_stage_seconds_count{stage="predict"} 1.0' in _get(free_port_too, "/metrics")
    with pytest.raises(HTTPError, match="404") as raised:
        _get(hook["PORT"], "/metrics")
    raised.value.close()


def test_what_has_to_be_tried_again_is_counted_once(
    telegram: Telegram, start_bot: StartBot, hook: dict[str, str], free_port_too: int
) -> None:
    for user in (7, 8):
        held = refuse_with("sendMessage", 429, chat=user, times=2, parameters={"retry_after": 4})
        telegram.refusals.append(held)
    sent = {telegram.send_photo(draw("red")), telegram.send_document(b"no photo", "image/jpeg", "x.jpg", user=8)}
    start_bot(module="tests.support.hasty", METRICS_PORT=str(free_port_too), **hook)
    telegram.wait_until(lambda: telegram.answers().keys() == sent and telegram.unconfirmed == 0)
    assert sum(status == 503 for _, status in telegram.queue.couriers.posts) >= 2
    counts = _get(free_port_too, "/metrics").splitlines()
    assert 'labelgram_updates_total{kind="message"} 2.0' in counts
    refused = [line for line in counts if line.startswith("labelgram_refusals_total{")]
    assert [line.partition(" ")[2] for line in refused] == ["1.0"]


def test_readyz_says_when_telegram_is_out_of_reach(
    telegram: Telegram, start_bot: StartBot, hook: dict[str, str]
) -> None:
    start_bot(**hook)
    telegram.wait_until(lambda: telegram.webhook is not None)
    assert _get(hook["PORT"], "/readyz") == "ready\n"
    telegram.faults = Faults(rate=1, seed=1, kinds=("reset",))
    telegram.wait_until(lambda: _readiness(hook["PORT"]) == "Telegram cannot be reached\n")
    telegram.faults = None
    telegram.wait_until(lambda: _readiness(hook["PORT"]) == "ready\n")


def test_a_polling_bot_is_not_ready_while_telegram_gives_it_no_updates(
    telegram: Telegram, start_bot: StartBot, free_port: int
) -> None:
    """A single failure does not count, unless Telegram has the bot wait for long after it."""
    start_bot(METRICS_PORT=str(free_port))
    telegram.wait_until(lambda: any(method == "getUpdates" for method, _ in telegram.calls))
    conflict = "Conflict: terminated by other getUpdates request"
    telegram.refusals.append(refuse_with("getUpdates", 409, conflict, times=1))
    first = telegram.send_photo(draw("red"))
    seen = set()

    def look() -> str:
        seen.add(_readiness(str(free_port)))
        return _readiness(str(free_port))

    telegram.wait_until(lambda: bool(look()) and first in telegram.answers() and telegram.unconfirmed == 0)
    assert seen == {"ready\n"}
    telegram.refusals.append(refuse_with("getUpdates", 409, conflict))
    second = telegram.send_photo(draw("red"))
    telegram.wait_until(lambda: look() == "another copy of this bot is polling\n")
    telegram.refusals[-1] = refuse_with("getUpdates", 502)
    telegram.wait_until(lambda: look() == "Telegram gives no updates\n")
    telegram.refusals.clear()
    telegram.wait_until(lambda: look() == "ready\n")
    telegram.wait_until(lambda: second in telegram.answers())
    telegram.refusals.append(refuse_with("getUpdates", 429, times=1, parameters={"retry_after": 3600}))
    telegram.send_photo(draw("red"))
    telegram.wait_until(lambda: look() == "Telegram gives no updates\n")


def test_a_webhook_that_another_program_has_taken_away_is_set_again(
    telegram: Telegram, start_bot: StartBot, hook: dict[str, str]
) -> None:
    start_bot(**hook)
    telegram.wait_until(lambda: telegram.webhook is not None and _readiness(hook["PORT"]) == "ready\n")
    urlopen(f"{telegram.url}/bot{TOKEN}/deleteWebhook", b"").close()
    message = telegram.send_photo(draw("red"))
    telegram.wait_until(lambda: _readiness(hook["PORT"]) == "the webhook was taken away\n")
    telegram.wait_until(lambda: message in telegram.answers())

    def look() -> str:
        if not telegram.unconfirmed:  # one that is busy does not call the trouble to mind for longer
            telegram.send_text("/help", user=next(users))
        return _readiness(hook["PORT"])

    users = itertools.count(100)
    telegram.wait_until(lambda: look() == "ready\n")


def test_a_webhook_that_is_taken_away_again_and_again_is_left_to_who_does_so(
    telegram: Telegram, start_bot: StartBot, hook: dict[str, str]
) -> None:
    start_bot(**hook)
    for _ in range(2):
        telegram.wait_until(lambda: telegram.webhook is not None and _readiness(hook["PORT"]) == "ready\n")
        urlopen(f"{telegram.url}/bot{TOKEN}/deleteWebhook", b"").close()
        telegram.wait_until(lambda: _readiness(hook["PORT"]) == "the webhook was taken away\n")
    before = _count_looks(telegram)
    telegram.wait_until(lambda: bool(_readiness(hook["PORT"])) and _count_looks(telegram) > before + 2)
    assert telegram.webhook is None


def _count_looks(telegram: Telegram) -> int:
    """How often the bot has asked where its webhook leads."""
    return sum(method == "getWebhookInfo" for method, _ in telegram.calls)


def test_a_bot_whose_webhook_leads_elsewhere_is_not_ready_and_leaves_it_there(
    telegram: Telegram, start_bot: StartBot, hook: dict[str, str]
) -> None:
    """Also where nobody has asked before whether it is ready."""
    start_bot(**hook)
    telegram.wait_until(lambda: telegram.webhook is not None and _count_looks(telegram) == 1)
    elsewhere = "http://127.0.0.1:9/elsewhere"
    urlopen(f"{telegram.url}/bot{TOKEN}/setWebhook", f"url={elsewhere}".encode()).close()
    telegram.wait_until(lambda: _readiness(hook["PORT"]) == "another program has the webhook\n")
    before = _count_looks(telegram)
    telegram.wait_until(lambda: _readiness(hook["PORT"]) != "ready\n" and _count_looks(telegram) > before + 1)
    assert telegram.webhook
    assert telegram.webhook["url"] == elsewhere


@pytest.mark.parametrize("way", ["polling", "webhook"])
def test_a_bot_that_goes_down_is_not_ready(
    telegram: Telegram, start_bot: StartBot, hook: dict[str, str], free_port_too: int, way: str
) -> None:
    telegram.faults = slow_downloads(3)
    process = start_bot(METRICS_PORT=str(free_port_too), **(hook if way == "webhook" else {}))
    telegram.send_photo(draw("red"))
    telegram.wait_until(lambda: len(telegram.downloads) == 1)
    assert _readiness(str(free_port_too)) == "ready\n"
    process.send_signal(signal.SIGTERM)
    telegram.wait_until(lambda: _readiness(str(free_port_too)) == "going down\n", seconds=2)


def test_a_polling_bot_takes_an_old_webhook_away(telegram: Telegram, start_bot: StartBot, hook: dict[str, str]) -> None:
    kill_me = start_bot(**hook)
    telegram.wait_until(lambda: telegram.webhook is not None)
    kill(kill_me)
    message = telegram.send_photo(draw("red"))
    start_bot()
    telegram.wait_until(lambda: message in telegram.answers())
    assert telegram.webhook is None


def test_logs_in_json_have_a_line_per_photo_and_name_nobody(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    message = telegram.send_photo(draw("red"), user=123123123)
    start_bot(LOG_FORMAT="json")
    telegram.wait_until(lambda: message in telegram.answers() and telegram.unconfirmed == 0)
    log = (tmp_path / "bot.log").read_text()
    (photo,) = [line for line in map(json.loads, log.splitlines()) if line["logger"] == "bot.telegram.handlers.photos"]
    assert photo["message"] == "photo answered: named"
    assert photo["stages"].keys() == {"download", "decode", "predict", "reply"}
    assert "123123123" not in log
    assert "Ada" not in log


def test_privacy_is_explained(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    telegram.send_text("/privacy")
    telegram.wait_until(lambda: telegram.texts() == [text("bot", "privacy")])


def _get(port: int | str, path: str) -> str:
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as response:
        body: bytes = response.read()
    return body.decode()


def _readiness(port: str) -> str:
    try:
        return _get(port, "/readyz")
    except HTTPError as error:
        with error:
            return error.read().decode()
