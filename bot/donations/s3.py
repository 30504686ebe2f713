"""Donated photos as objects of a bucket, wherever S3 is spoken. Needs requirements-s3.txt."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from xml.etree import ElementTree

from aiohttp import ClientError, ClientSession, ClientTimeout
from aiohttp_s3_client import S3Client
from aiohttp_s3_client.credentials import StaticCredentials

from bot.backoff import backoff
from bot.donations.store import PROBE, StoreError
from bot.settings.settings import BucketSettings

ATTEMPTS = 3
"""Of each request, if it fails for a reason that passes."""
SECONDS = 20.0
"""For these together."""
TIMEOUT = ClientTimeout(total=None, sock_connect=5)
CODE = re.compile(rb"<Code>(\w+)</Code>")
"""The only part of an error that is told: others hold the key's number, or what was signed."""
WHAT_TO_DO = {
    301: "it is in another region: AWS_REGION",
    307: "it is in another region: AWS_REGION",
    400: "AWS_REGION may be wrong",
    403: "the key is wrong, or may not do this: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
    404: "there is no such bucket: DONATIONS_DIR",
}


NOT_IMPLEMENTED = 501
TAKEN = (409, 412)
"""What a conditional PUT is answered with if the object is there, or another one is making it."""


class _RefusedError(StoreError):
    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Bucket:
    """A connection is made for each call: donations are rare, and none has to be kept open or closed."""

    def __init__(self, settings: BucketSettings) -> None:
        self.where = f"s3://{settings.name}/{settings.prefix}"
        self._name = settings.name
        self._prefix = settings.prefix
        self._endpoint = settings.endpoint
        self._credentials = StaticCredentials(
            settings.key_id, settings.secret_key, settings.session_token, settings.region
        )

    async def write(self, name: str, data: bytes) -> None:
        async with self._connect() as client:
            await self._put(client, self._prefix + name, data)

    async def list_photos(self) -> list[str]:
        async with self._connect() as client:
            keys = [key async for key in self._list(client, self._prefix)]
        names = (key[len(self._prefix) :] for key in keys)
        return [name for name in names if name.count("/") == 1]

    async def delete(self, names: list[str]) -> None:
        """One by one, which all servers understand; those that are deleted stay so if a later one fails."""
        async with self._connect() as client:
            for name in names:
                await self._request(client, "DELETE", self._prefix + name)

    async def read(self, name: str) -> bytes | None:
        key = self._prefix + name
        async with self._connect() as client:
            return await self._request(client, "GET", key) if await self._has(client, key) else None

    async def create(self, name: str, data: bytes) -> bytes:
        """By a conditional PUT. A server that knows none keeps the last one: it is read back afterwards."""
        key = self._prefix + name
        async with self._connect() as client:
            if not await self._has(client, key):
                try:
                    await self._put(client, key, data, {"If-None-Match": "*"})
                except _RefusedError as refusal:
                    if refusal.status == NOT_IMPLEMENTED:
                        await self._put(client, key, data)
                    elif refusal.status not in TAKEN:
                        raise
            return await self._request(client, "GET", key)

    async def check(self) -> None:
        key = self._prefix + PROBE
        async with self._connect() as client:
            await self._put(client, key, b"")
            try:
                is_listed = await self._has(client, key)
            finally:
                await self._request(client, "DELETE", key)
        if not is_listed:
            raise StoreError(f"{self.where} does not list what was written")

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[S3Client]:
        async with ClientSession(timeout=TIMEOUT) as session:
            yield S3Client(session, self._endpoint, credentials=self._credentials)

    async def _put(self, client: S3Client, key: str, data: bytes, headers: Mapping[str, str] = {}) -> None:
        digest = hashlib.sha256(data).hexdigest()
        await self._request(client, "PUT", key, data=data, content_sha256=digest, headers=headers)

    async def _has(self, client: S3Client, key: str) -> bool:
        """By a listing: to ask for what is not there is refused as a bucket that is not there."""
        return key in [listed async for listed in self._list(client, key)]

    async def _list(self, client: S3Client, prefix: str) -> AsyncIterator[str]:
        """Keys that begin with `prefix`. The library's own listing passes over what some servers say otherwise."""
        query = {"list-type": "2", "prefix": prefix}
        while True:
            page = self._parse(await self._request(client, "GET", params=query))
            for key in page.iterfind("{*}Contents/{*}Key"):
                yield key.text or ""
            token = page.findtext("{*}NextContinuationToken")
            if not token:
                return
            query["continuation-token"] = token

    def _parse(self, body: bytes) -> ElementTree.Element:
        try:
            page = ElementTree.fromstring(body)
        except ElementTree.ParseError:
            page = ElementTree.Element("")
        if not page.tag.endswith("ListBucketResult"):
            raise StoreError(f"{self._endpoint} does not speak S3: AWS_ENDPOINT_URL")
        return page

    async def _request(self, client: S3Client, method: str, key: str = "", **options: Any) -> bytes:
        """The body of the answer. Raises StoreError."""
        path = f"{self._name}/{key}" if key else self._name
        attempt = 0
        try:
            async with asyncio.timeout(SECONDS):
                while True:
                    attempt += 1
                    try:
                        async with client.request(method, path, allow_redirects=False, **options) as answer:
                            body = await answer.read()
                    except (ClientError, OSError):
                        if attempt == ATTEMPTS:
                            raise
                    else:
                        if answer.status < 300:
                            return body
                        if (answer.status < 500 and answer.status != 429) or attempt == ATTEMPTS:
                            raise _RefusedError(self._explain(answer.status, body), answer.status)
                    await asyncio.sleep(backoff(attempt))
        except (ClientError, OSError, ValueError) as error:  # a TimeoutError too; the last for names that no host has
            text = f"{self.where} cannot be reached at {self._endpoint} ({type(error).__name__}): AWS_ENDPOINT_URL"
            raise StoreError(text) from error

    def _explain(self, status: int, body: bytes) -> str:
        code = CODE.search(body)
        name = code[1].decode() if code else f"status {status}"
        return f"{self.where}: {WHAT_TO_DO.get(status, f'{self._endpoint} is in trouble')} ({name})"
