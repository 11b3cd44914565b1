"""HTTP as a switch speaks it: kept connections, one request at a time on each, and next to no work per request."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

IDLE_MAX = 16

Kept = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class NoAnswer(Exception):
    """Refused, reset, closed or silent: whatever was asked may have been done or not."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    @property
    def json(self) -> Any:
        try:
            return orjson.loads(self.body)
        except ValueError:
            return self.body.decode(errors="replace")


class Wire:
    """`ask` from anywhere in the loop."""

    def __init__(self) -> None:
        self._idle: defaultdict[str, list[Kept]] = defaultdict(list)

    async def ask(
        self,
        method: str,
        url: str,
        body: object = None,
        *,
        key: str | None = None,
        headers: dict[str, str] | None = None,
        timeout_s: float = 10,
    ) -> Answer:
        """Raises `NoAnswer`. A kept connection that turns out to be closed is replaced once, unnoticed."""
        parts = urlsplit(url)
        head = {"Host": parts.netloc, **(headers or {})}
        if key is not None:
            head["Authorization"] = f"Bearer {key}"
        payload = b"" if body is None else orjson.dumps(body)
        if body is not None:
            head["Content-Type"] = "application/json"
        head["Content-Length"] = str(len(payload))
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        request = f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + payload
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(parts.netloc, request)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            raise NoAnswer(repr(error)) from error

    async def _exchange(self, place: str, request: bytes) -> Answer:
        while self._idle[place]:
            kept = self._idle[place].pop()
            try:
                return await self._on(kept, place, request)
            except (OSError, EOFError):
                kept[1].transport.abort()
        host, _, port = place.partition(":")
        return await self._on(await asyncio.open_connection(host, int(port)), place, request)

    async def _on(self, kept: Kept, place: str, request: bytes) -> Answer:
        reader, writer = kept
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0] or 0)
            body = await reader.readexactly(length)
        except BaseException:
            writer.transport.abort()
            raise
        if "connection: close" in head or len(self._idle[place]) >= IDLE_MAX:
            writer.close()
        else:
            self._idle[place].append(kept)
        return Answer(int(head.split(" ", 2)[1]), body)

    def close(self) -> None:
        for kept in self._idle.values():
            for _, writer in kept:
                writer.transport.abort()
        self._idle.clear()
