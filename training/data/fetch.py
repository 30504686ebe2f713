"""Bring the photos of the original tutorial: faces with and without a mask, about 690 of each.

    python -m training fetch [--out data/masks]

They come from github.com/prajnasb/observations into OUT/with_mask/ and OUT/without_mask/, each checked against the
hash that git knows it by. A further run brings only what is missing or damaged.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from bot.inference.photo_files import SUFFIXES
from training.commands import make_fetch_parser
from training.progress import follow

REPOSITORY, BRANCH, FOLDER = "prajnasb/observations", "master", "experiements/data/"
THREADS, TIMEOUT = 6, 20  # downloads at a time, seconds without a byte
TRIES = 3  # for a body that breaks off or is another than listed
BUSY = (429, 500, 502, 503, 504)  # HTTP statuses that may pass
UNSAFE = re.compile(rf"(^|/)\.{{0,2}}(/|$)|[\\\x00-\x1f\ud800-\udfff]|^{FOLDER}.*:")
"""Absolute paths, `.` and `..`, what is no text, and what could leave the folder on Windows."""


class FetchError(Exception):
    """The photos cannot be brought; the message says what is wrong and what to do."""


def main(arguments: list[str]) -> int:
    options = make_fetch_parser().parse_args(arguments)
    try:
        _run(options.out, options.api.rstrip("/"), options.raw.rstrip("/"))
    except FetchError as error:
        print(f"fetch: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # downloads under way still end; a second Ctrl-C ends them
        print("\nfetch: stopped. The same command goes on where it stopped.", file=sys.stderr)
        return 130
    return 0


def _run(out: Path, api: str, raw: str) -> None:
    with _open_session() as session:
        photos = list_photos(session, api)
        missing = [path for path, sha in photos.items() if not _is_there(out / path, sha)]
        print(f"{len(photos)} photos are listed, {len(photos) - len(missing)} of them are in {out} already")
        pool = ThreadPoolExecutor(THREADS)
        try:
            problems = pool.map(lambda path: _fetch(session, raw, path, photos[path], out / path), missing)
            failed = [problem for problem in follow(problems, len(missing)) if problem]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    if failed:
        raise FetchError(f"did not come: {', '.join(failed)}. The same command asks again for these only.")
    print(
        f"{len(photos)} photos of {sum((out / path).stat().st_size for path in photos):,} bytes are in {out}, "
        f"{len(missing)} came now. The repository states no licence: they are for your own use, not to be passed on.\n"
        f"next: python -m training --data {shlex.quote(str(out))} --out artifacts/mask"
    )


def list_photos(session: requests.Session, api: str) -> dict[str, str]:
    """Ask the GitHub API for the photos: paths below FOLDER, and hashes. Raises FetchError, also at an unsafe path."""
    url = f"{api}/repos/{REPOSITORY}/git/trees/{BRANCH}?recursive=1"
    photos = {}
    try:
        listing = json.loads(_get(session, url))
        for path, entry in [(str(entry["path"]), entry) for entry in listing["tree"] if entry["type"] == "blob"]:
            if UNSAFE.search(path):
                raise FetchError(f"{url} lists the unsafe path {path!r}, so nothing is fetched. Check --api.")
            if path.startswith(FOLDER) and PurePosixPath(path).suffix.lower() in SUFFIXES:
                photos[path.removeprefix(FOLDER)] = str(entry["sha"])
        if listing["truncated"] or not photos:
            raise FetchError(f"{url} is cut short or lists no photos in {FOLDER}. Check --api.")
    except (ValueError, KeyError, TypeError) as error:
        raise FetchError(f"{url} is no listing of GitHub's API ({error}). Check --api, or try again.") from error
    return photos


def hash_blob(data: bytes) -> str:
    """The SHA-1 in hexadecimal by which git knows a file of these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _is_there(target: Path, sha: str) -> bool:
    with suppress(OSError):
        return hash_blob(target.read_bytes()) == sha
    return False


def _fetch(session: requests.Session, raw: str, path: str, sha: str, target: Path) -> str | None:
    """Bring one photo; returns what is wrong with it, if anything. Raises FetchError if all others would fail too."""
    part = target.with_name(f".{target.name}.part")
    try:
        data = _get(session, f"{raw}/{REPOSITORY}/{BRANCH}/{quote(FOLDER + path)}", sha)
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(target)  # in one step: a killed run leaves no half photo under the final name
    except ValueError as error:
        return f"{path} ({error})"
    except OSError as error:
        raise FetchError(f"cannot write {target}: {error.strerror}. Make room, or choose another --out.") from error
    return None


def _get(session: requests.Session, url: str, sha: str | None = None) -> bytes:
    """The bytes at `url`. Raises ValueError if they are missing or not git blob `sha`, FetchError if all would fail."""
    for attempt in range(TRIES):
        time.sleep(0.5 * attempt)
        try:
            response = session.get(url, timeout=TIMEOUT, stream=True)
        except (requests.RequestException, UnicodeError) as error:  # UnicodeError: no possible host name
            raise FetchError(f"no answer from {url} ({type(error).__name__}). Check the network, try again.") from error
        with response, suppress(requests.RequestException):  # the session's own retries end where the body begins
            status, body = response.status_code, response.content
            if status in (403, 429):
                raise FetchError(f"{url}: HTTP {status}, no more for now (the API allows 60 an hour). Try again later.")
            if status in BUSY:
                raise FetchError(f"{url} answers HTTP {status} again and again. Try again later.")
            if status != 200:
                raise ValueError(f"HTTP {status}")
            if sha in (None, hash_blob(body)):
                return body
    raise ValueError("wrong or missing bytes")


def _open_session() -> requests.Session:
    # GitHub's Retry-After can be an hour: better to say so and end than to wait for it in silence.
    retry = Retry(4, status_forcelist=BUSY, backoff_factor=0.5, raise_on_status=False, respect_retry_after_header=False)
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=THREADS, max_retries=retry))
    return session
