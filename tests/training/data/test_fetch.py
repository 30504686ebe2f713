"""`python -m training fetch` against a server on this machine that serves photos and faults, as each test asks."""

from __future__ import annotations

import hashlib
import io
import json
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn
from subprocess import PIPE, Popen
from threading import Thread
from urllib.parse import unquote

import pytest
from PIL import Image

from tests.support.paths import ROOT

LISTING = "/repos/prajnasb/observations/git/trees/master?recursive=1"
RAW = "/prajnasb/observations/master/"
FOLDER = "experiements/data/"


def _draw(number: int) -> bytes:
    Image.new("RGB", (32, 32), (number * 7, 90, 160)).save(file := io.BytesIO(), "JPEG")
    return file.getvalue()


NAMES = [f"{label}/{name}" for label in ("with_mask", "without_mask") for name in ("1.jpg", "2.JPG", "a b #3%.jpeg")]
PHOTOS = {name: _draw(number) for number, name in enumerate(NAMES)}


@dataclass
class Fault:
    status: int = 200
    body: bytes | None = None
    cut: int = 0  # bytes that are promised and not sent
    seconds: float = 0  # to wait before the answer


class Mirror(ThreadingMixIn, HTTPServer):
    """Serves a repository's listing and files. `faults` holds, by address, the answers to give before the right one."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"other/1.jpg": b"1", FOLDER + "notes.txt": b"2"} | {FOLDER + name: PHOTOS[name] for name in NAMES}
        self.faults: dict[str, list[Fault]] = {}
        self.asked: list[str] = []
        self.truncated = False

    def find(self, address: str) -> bytes | None:
        if address != LISTING:
            return self.files.get(address.removeprefix(RAW))
        tree = [{"path": FOLDER + "folder.jpg", "type": "tree", "sha": "0"}]
        for path, data in self.files.items():
            sha = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
            tree.append({"path": path, "type": "blob", "sha": sha})
        return json.dumps({"tree": tree, "truncated": self.truncated}).encode()


class Handler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        address = unquote(self.path)
        self.server.asked.append(address)
        right, faults = self.server.find(address), self.server.faults.get(address)
        fault = faults.pop(0) if faults else Fault(200 if right else 404)
        time.sleep(fault.seconds)
        body = fault.body or right or b""
        self.send_response(fault.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) - fault.cut])


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Mirror() as server:
        Thread(target=server.serve_forever, args=(0.05,)).start()
        yield server
        server.shutdown()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "masks"


def test_every_photo_arrives_as_listed(mirror: Mirror, out: Path) -> None:
    said, size = _run(mirror, out), sum(map(len, PHOTOS.values()))
    assert _read(out) == PHOTOS
    assert f"6 photos of {size:,} bytes are in {out}, 6 came now. The repository states no licence" in said
    assert f"python -m training --data {out} --out artifacts/mask" in said
    assert sorted(mirror.asked) == sorted([LISTING, *(RAW + FOLDER + name for name in NAMES)])


def test_a_second_run_brings_only_what_is_missing_or_damaged(mirror: Mirror, out: Path) -> None:
    _run(mirror, out)
    assert "6 of them are in" in _run(mirror, out)
    assert mirror.asked[7:] == [LISTING]  # the first run asked for it and for six photos
    (out / NAMES[0]).write_bytes(b"damaged")
    (out / NAMES[1]).unlink()
    assert "2 came now" in _run(mirror, out)
    assert len(mirror.asked[8:]) == 3
    assert _read(out) == PHOTOS


def test_photos_that_stay_wrong_are_named_and_the_next_run_brings_them(mirror: Mirror, out: Path) -> None:
    mirror.faults[RAW + FOLDER + NAMES[0]] = [Fault(body=b"wrong")] * 3
    mirror.faults[RAW + FOLDER + NAMES[4]] = [Fault(404)]
    assert f"come: {NAMES[0]} (wrong or missing bytes), {NAMES[4]} (HTTP 404)." in _run(mirror, out, 1)
    assert _read(out) == {name: PHOTOS[name] for name in NAMES if name not in (NAMES[0], NAMES[4])}
    assert "4 of them are in" in _run(mirror, out)
    assert _read(out) == PHOTOS


def test_faults_that_pass_are_tried_again(mirror: Mirror, out: Path) -> None:
    mirror.faults[RAW + FOLDER + NAMES[0]] = [Fault(503), Fault(429), Fault(cut=9)]
    mirror.faults[LISTING] = [Fault(502), Fault(cut=9)]
    _run(mirror, out)
    assert _read(out) == PHOTOS


def test_a_server_out_of_reach_is_one_clear_line(mirror: Mirror, out: Path) -> None:
    mirror.server_close()
    assert "(ConnectionError). Check the network" in _run(mirror, out, 1)


@pytest.mark.parametrize(
    ("fault", "message"),
    [(Fault(403), "the API allows 60 an hour"), (Fault(404), "(HTTP 404). Check"), (Fault(body=b"<"), "is no listing")],
)
def test_a_listing_of_no_use_is_one_clear_line(mirror: Mirror, out: Path, fault: Fault, message: str) -> None:
    mirror.faults[LISTING] = [fault]
    assert message in _run(mirror, out, 1)


def test_a_listing_cut_short_or_without_photos_is_one_clear_line(mirror: Mirror, out: Path) -> None:
    mirror.truncated = True
    assert "is cut short" in _run(mirror, out, 1)
    mirror.truncated, mirror.files = False, {}
    assert "lists no photos" in _run(mirror, out, 1)


@pytest.mark.parametrize("path", ["../evil.jpg", f"{FOLDER}../../../evil.jpg", f"{FOLDER}/tmp/evil.jpg", "a\\evil.jpg"])
def test_an_unsafe_path_is_refused_and_nothing_is_written(mirror: Mirror, out: Path, path: str) -> None:
    mirror.files[path] = b"evil"
    assert "unsafe path" in _run(mirror, out, 1)
    assert not any(out.parents[1].iterdir())


def test_a_folder_that_cannot_be_written_is_one_clear_line(mirror: Mirror, out: Path) -> None:
    out.parent.write_text("no folder")
    assert "cannot write" in _run(mirror, out, 1)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_run_ended_in_the_middle_goes_on_in_the_next(mirror: Mirror, out: Path, end: signal.Signals) -> None:
    photos = PHOTOS | {f"with_mask/slow{number}.jpg": _draw(number) for number in range(30)}
    mirror.files |= {FOLDER + name: photo for name, photo in photos.items()}
    mirror.faults |= {RAW + FOLDER + name: [Fault(seconds=0.3)] for name in photos}
    run = _start(mirror, out)
    while len(_read(out)) < 8:
        assert run.poll() is None
        time.sleep(0.02)
    run.send_signal(end)
    errors = run.communicate(timeout=10)[1]
    if end == signal.SIGINT:
        assert (run.returncode, errors) == (130, "\nfetch: stopped. The same command goes on where it stopped.\n")
    kept = _read(out)
    assert kept.items() < photos.items()
    mirror.faults.clear()
    assert f"{len(kept)} of them are in" in _run(mirror, out)
    assert _read(out) == photos


def _start(mirror: Mirror, out: Path) -> Popen[str]:
    address = f"http://127.0.0.1:{mirror.server_port}"
    command = [sys.executable, "-m", "training", "fetch", "--out", str(out), "--api", address, "--raw", f"{address}/"]
    return Popen(command, cwd=ROOT, stdout=PIPE, stderr=PIPE, encoding="utf-8")


def _run(mirror: Mirror, out: Path, status: int = 0) -> str:
    """What a whole run says: if it is to end with status 1, its one line on standard error."""
    run = _start(mirror, out)
    said, errors = run.communicate(timeout=300)
    assert (run.returncode, errors.count("\n")) == (status, status), errors
    return errors or said


def _read(out: Path) -> dict[str, bytes]:
    """The files below a folder that lie under their final names; temporary names begin with a dot."""
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("[!.]*.*")}
