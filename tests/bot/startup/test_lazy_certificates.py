"""Certificates that are loaded late are loaded all the same: the bot's interpreter against a server of HTTPS."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.bot_process import BOT_PYTHON, environment
from tests.support.network.file_server import FileHandler
from tests.support.paths import ROOT

if not shutil.which("openssl"):
    pytest.skip("openssl is not installed: it makes the server's certificate", allow_module_level=True)

FETCH = """
import asyncio, ssl, sys
from bot.startup.lazy_aiogram import import_aiogram

import_aiogram("deferred")
import aiohttp
from aiohttp.connector import _SSL_CONTEXT_VERIFIED

async def fetch():
    async with aiohttp.ClientSession() as session, session.get(sys.argv[1]) as response:
        return response.status

for context in (_SSL_CONTEXT_VERIFIED, ssl.create_default_context()):
    print(context.cert_store_stats()["x509"], end=" ")
try:
    print("status", asyncio.run(fetch()), asyncio.run(fetch()))
except aiohttp.ClientConnectorCertificateError:
    print("refused")
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Localhost's, signed by itself, and its key, in one file."""
    folder = tmp_path_factory.mktemp("certificate")
    options = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    command = ["openssl", *options.split(), "-keyout", str(folder / "key"), "-out", str(folder / "certificate")]
    subprocess.run(command, capture_output=True, check=True)
    both = folder / "both.pem"
    both.write_text((folder / "certificate").read_text() + (folder / "key").read_text())
    return both


@pytest.fixture(scope="module")
def url(certificate: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = ThreadingHTTPServer(("localhost", 0), FileHandler)
    server.daemon_threads = True
    with context.wrap_socket(server.socket, server_side=True) as server.socket:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://localhost:{server.server_port}/README.md"
        server.shutdown()


def fetch(url: str, **variables: str) -> list[str]:
    command = [BOT_PYTHON, "-c", FETCH, url]
    done = subprocess.run(command, cwd=ROOT, env=environment(**variables), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_server_is_trusted_whose_certificate_the_system_has(url: str, certificate: Path) -> None:
    assert fetch(url, SSL_CERT_FILE=str(certificate), SSL_CERT_DIR="") == ["0 1 status 200 200"]


def test_no_other_server_is_trusted(url: str) -> None:
    assert fetch(url)[-1].endswith("refused")
