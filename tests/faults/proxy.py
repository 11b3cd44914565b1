"""A TCP proxy between two parties of the system that does to their bytes what networks do."""

import asyncio
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType

CHUNK = 65_536
SLICES_PER_SECOND = 20


@dataclass(frozen=True)
class Weather:
    """What happens to bytes on their way.

    `stalled`: they wait, and arrive when it is over. `blackhole`: they are lost, and nobody is told. `latency_s`: each
    chunk arrives so much later. `bytes_per_s`: slower. `cut_after`: each connection is reset after so many more.
    """

    latency_s: float = 0.0
    stalled: bool = False
    blackhole: bool = False
    bytes_per_s: int | None = None
    cut_after: int | None = None


FINE = Weather()


class FaultProxy:
    """Listens on a port of 127.0.0.1 of its own and passes bytes on to `target_port`."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.resets = 0
        self._weather = FINE
        self._turned_at = 0.0
        self._changed = asyncio.Event()
        self._pairs: set[_Pair] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "FaultProxy":
        await self.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.refuse()
        self.reset()

    async def accept(self) -> None:
        """Take connections (again), on the same port."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=512)
            self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Connection refused from now on; those there are go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def reset(self) -> int:
        """Reset every connection; how many there were."""
        pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            pair.reset()
        self.resets += len(pairs)
        return len(pairs)

    def turn(self, weather: Weather) -> None:
        """From now on. What a black hole swallowed never arrives: its connections are broken without a word."""
        self._weather = weather
        self._turned_at = time.monotonic()
        for pair in self._pairs:
            pair.passed = 0
            pair.is_broken |= weather.blackhole
        self._changed.set()
        self._changed = asyncio.Event()

    def was_fine_since(self, began: float) -> bool:
        """Whether the way has been fine all the time; `began` is of the monotonic clock."""
        return self._weather == FINE and self._turned_at < began

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._weather.blackhole or self._weather.stalled:
            await self._until_better()
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair(writer, far_writer)
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._pass_on(reader, far_writer, pair), self._pass_on(far_reader, writer, pair))
        finally:
            self._pairs.discard(pair)
            pair.reset()

    async def _until_better(self) -> None:
        while self._weather.blackhole or self._weather.stalled:
            await self._changed.wait()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: "_Pair") -> None:
        try:
            while chunk := await reader.read(CHUNK):
                await self._carry(chunk, writer, pair)
            writer.write_eof()
        except OSError:
            pair.reset()

    async def _carry(self, chunk: bytes, writer: asyncio.StreamWriter, pair: "_Pair") -> None:
        weather = self._weather
        if weather.latency_s:
            await asyncio.sleep(weather.latency_s)
        while self._weather.stalled:
            await self._changed.wait()
        if pair.is_broken:
            return
        pair.passed += len(chunk)
        if weather.cut_after is not None and pair.passed > weather.cut_after:
            writer.write(chunk[: max(0, len(chunk) - (pair.passed - weather.cut_after))])
            with suppress(TimeoutError):
                await asyncio.wait_for(writer.drain(), 1)
            self.resets += 1
            raise ConnectionResetError
        await _write(chunk, writer, weather.bytes_per_s)


@dataclass(eq=False)
class _Pair:
    """The two sockets of one connection."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    passed: int = 0
    is_broken: bool = False

    def reset(self) -> None:
        """A reset, not a polite end: the other side must not take it for one."""
        for writer in (self.near, self.far):
            sock = writer.get_extra_info("socket")
            if sock is not None and not writer.transport.is_closing():
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            writer.transport.abort()


async def _write(chunk: bytes, writer: asyncio.StreamWriter, bytes_per_s: int | None) -> None:
    step = len(chunk) if bytes_per_s is None else max(1, bytes_per_s // SLICES_PER_SECOND)
    for start in range(0, len(chunk), step):
        writer.write(chunk[start : start + step])
        await writer.drain()
        if bytes_per_s is not None:
            await asyncio.sleep(1 / SLICES_PER_SECOND)


def worse(weather: Weather, **changes: float | bool | None) -> Weather:
    """The same weather with some of it changed."""
    return replace(weather, **changes)  # type: ignore[arg-type]
