"""A TCP proxy in front of the broker that cuts or freezes what passes."""

import asyncio
from types import TracebackType

from yarl import URL


class CuttingProxy:
    """Listens on a free port of 127.0.0.1 and passes bytes on to `target_port`."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._deaf: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.port = 0

    async def __aenter__(self) -> "CuttingProxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flowing.set()
        self._server.close()
        self.cut()
        await asyncio.sleep(0.05)

    def in_front_of(self, url: str) -> str:
        """The broker's address, through this proxy."""
        return str(URL(url).with_port(self.port))

    def cut(self) -> int:
        """Reset every connection; returns how many sockets there were."""
        cut = len(self._writers)
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        return cut

    def freeze(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def swallow(self) -> None:
        """What passes on the present connections is lost, for ever, and nobody is told; new ones are fine."""
        self._deaf |= self._writers

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._pass_on(reader, far_writer), self._pass_on(far_reader, writer))
        self._writers -= {writer, far_writer}

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65_536):
                await self._flowing.wait()
                if writer not in self._deaf:
                    writer.write(chunk)
                    await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()
