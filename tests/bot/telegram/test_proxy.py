"""TELEGRAM_PROXY: every call and download goes through a real proxy, and its password is nowhere to be read."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from traceback import format_exception

import pytest
from aiohttp import ClientError

from bot.delivery.session import ProxyError, Session
from tests.support.bot_process import RunBot, StartBot, environment
from tests.support.network.proxies import PASSWORD, Proxy
from tests.support.paths import ROOT
from tests.support.photos import draw
from tests.support.telegram import TOKEN, Telegram

SOCKS = pytest.param(
    "socks5", marks=pytest.mark.skipif(not find_spec("aiohttp_socks"), reason="requirements-proxy.txt")
)


@pytest.fixture
def proxy(request: pytest.FixtureRequest) -> Iterator[Proxy]:
    proxy = Proxy(request.param)
    yield proxy
    proxy.close()


@pytest.mark.parametrize("proxy", ["http", SOCKS], indirect=True)
def test_calls_downloads_and_doctor_go_through_it(
    proxy: Proxy, telegram: Telegram, color_model: Path, tmp_path: Path
) -> None:
    """By the interpreter of the tests, which has requirements-proxy.txt."""
    settings = {
        "BOT_TOKEN": TOKEN,
        "MODEL_PATH": str(color_model),
        "TELEGRAM_API_SERVER": telegram.url,
        "STATE_DIR": str(tmp_path / "state"),
        "TELEGRAM_PROXY": proxy.url,
        "LOG_LEVEL": "DEBUG",
    }
    message = telegram.send_photo(draw("red"))
    command = [sys.executable, "-W", "ignore", "-m", "bot"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(**settings), stderr=log)
        try:
            telegram.wait_until(lambda: message in telegram.answers(), seconds=60)
        finally:
            process.terminate()
            process.wait(60)
    assert telegram.answers()[message].startswith("I see: red")
    passed = proxy.passed
    assert passed >= 2
    done = subprocess.run(
        [*command, "doctor"], cwd=ROOT, env=environment(**settings), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert proxy.passed > passed
    for text in ((tmp_path / "log").read_text(), done.stdout, done.stderr):
        assert PASSWORD not in text
        assert "p#ss" not in text


@pytest.mark.parametrize("proxy", ["http"], indirect=True)
def test_a_wrong_password_is_waited_out_without_being_printed(
    proxy: Proxy, telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    process = start_bot(TELEGRAM_PROXY=proxy.url.replace(PASSWORD, "wrong-one"))
    telegram.wait_until(lambda: "trying again" in (tmp_path / "bot.log").read_text(), seconds=60)
    assert process.poll() is None
    assert "wrong-one" not in (tmp_path / "bot.log").read_text()
    assert "Traceback" not in (tmp_path / "bot.log").read_text()


@pytest.fixture(params=["nobody listens", "wrong password"])
def refusing(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a SOCKS proxy that makes no connection."""
    pytest.importorskip("aiohttp_socks", reason="requirements-proxy.txt")
    proxy = Proxy("socks5")
    if request.param == "wrong password":
        yield proxy.url.replace(PASSWORD, "wrong-one")
        proxy.close()
    else:
        proxy.close()
        yield proxy.url


def test_a_download_over_a_socks_proxy_that_refuses_is_a_trouble_of_the_network(
    refusing: str, telegram: Telegram
) -> None:
    async def fetch() -> bytes:
        async with Session(through=refusing) as session:
            stream = session.stream_content(f"{telegram.url}/file/bot{TOKEN}/photos/1.jpg")
            return b"".join([chunk async for chunk in stream])

    with pytest.raises(ProxyError) as error:
        asyncio.run(fetch())
    assert isinstance(error.value, ClientError)
    assert TOKEN not in "".join(format_exception(error.value))


def test_the_doctor_says_that_a_socks_proxy_refuses(
    refusing: str, telegram: Telegram, color_model: Path, tmp_path: Path
) -> None:
    settings = {"BOT_TOKEN": TOKEN, "MODEL_PATH": str(color_model), "TELEGRAM_API_SERVER": telegram.url}
    settings |= {"STATE_DIR": str(tmp_path / "state"), "TELEGRAM_PROXY": refusing}
    command = [sys.executable, "-W", "ignore", "-m", "bot", "doctor"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(**settings), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1
    assert f"BAD  network: {telegram.url} cannot be reached (ProxyError)." in done.stdout
    assert "BAD  token: Telegram did not say whether it is good" in done.stdout
    assert "Traceback" not in done.stderr
    assert "wrong-one" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("ftp://host:1", "http:// or socks5://"),
        ("http://host", "lacks host and port"),
        ("http://:8080", "lacks host and port"),
        ("http://ada:pa#ss@host:8080", "%23"),
        ("http://ada:pa/ss@host:8080", "%2F"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_without_its_password(run_bot: RunBot, address: str, told: str) -> None:
    done = run_bot(BOT_TOKEN=TOKEN, TELEGRAM_PROXY=address)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "TELEGRAM_PROXY" in line
    assert told in line
    assert "pa" not in line.partition("TELEGRAM_PROXY")[2].partition("password")[0].replace("lacks", "")


def test_socks_without_its_package_says_what_to_install(
    run_bot: RunBot, color_model: Path, bot_python: str, tmp_path: Path
) -> None:
    if not subprocess.run([bot_python, "-c", "import aiohttp_socks"], capture_output=True, check=False).returncode:
        pytest.skip("the package is installed")
    settings = {"BOT_TOKEN": TOKEN, "TELEGRAM_PROXY": "socks5://127.0.0.1:1", "MODEL_PATH": str(color_model)}
    done = run_bot(**settings)
    assert done.returncode == 2
    assert "pip install -r requirements-proxy.txt" in done.stderr.splitlines()[-1]
    done = run_bot("doctor", STATE_DIR=str(tmp_path / "state"), **settings)
    assert (done.returncode, done.stderr) == (1, "")
    assert "BAD  network: TELEGRAM_PROXY is socks5://: pip install -r requirements-proxy.txt\n" in done.stdout
    assert "ok   access: " in done.stdout  # it goes on
    assert "is not a token" not in done.stdout
