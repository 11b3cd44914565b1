"""One address for all nodes, as a load balancer or a Kubernetes service gives them: connections go round."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count

CHUNK = 65_536


class Front:
    """Each new connection is led to the next node that answers."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._turn = count()
        self._relays: set[asyncio.Task[None]] = set()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        node = await self._next_node()
        if node is None:
            writer.close()
            return
        there, back = node
        relays = [asyncio.create_task(_relay(reader, back)), asyncio.create_task(_relay(there, writer))]
        self._relays.update(relays)
        # Whichever side goes first takes the other with it.
        await asyncio.wait(relays, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, back):
            end.close()
        await asyncio.gather(*relays)
        self._relays.difference_update(relays)

    async def _next_node(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        first = next(self._turn)
        for step in range(len(self._ports)):
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", self._ports[(first + step) % len(self._ports)])
        return None

    async def end(self) -> None:
        for relay in self._relays:
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, RuntimeError):  # uvloop raises the latter for an end that is closed already
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()


@asynccontextmanager
async def front(ports: Sequence[int]) -> AsyncIterator[Front]:
    """Listens on a free port."""
    made = Front(ports)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await made.end()
