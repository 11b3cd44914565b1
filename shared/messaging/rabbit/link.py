"""One connection that comes back by itself."""

import asyncio
import logging
from contextlib import suppress

import structlog
from aiormq.connection import Connection
from aiormq.exceptions import AMQPError
from yarl import URL

from shared.messaging.errors import BrokerUnreachable
from shared.messaging.rabbit.lenient import read_leniently
from shared.messaging.rabbit.stalls import StallWatch

HEARTBEAT_S = 5
"""The broker drops us after two missed ones, we drop it after three: a silent network is noticed in 18 s."""

CONNECT_TIMEOUT_S = 5.0
PAUSES_S = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Between attempts to connect; the last repeats, so a broker that is back is found within a second."""

CLOSE_TIMEOUT_S = 3.0
GONE = (AMQPError, OSError, RuntimeError, EOFError, TimeoutError)
"""What aiormq raises when the connection or the channel went away underneath a call."""

log = structlog.get_logger(__name__)
read_leniently()
logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # we tell of each loss once, and why


class Link:
    """Keeps one connection up from `open` to `close`."""

    def __init__(self, url: str, name: str) -> None:
        self._url = URL(url)
        query = {"heartbeat": str(HEARTBEAT_S), "name": name} | dict(self._url.query)
        self._url = self._url.with_query(query)
        self._name = name
        self._connection: Connection | None = None
        self._up = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._pulse: asyncio.Task[None] | None = None
        self.stalls = StallWatch()
        self._last_error: BaseException | None = None

    async def open(self, timeout_s: float) -> None:
        """Connect; raises `BrokerUnreachable` when that fails within the timeout."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name=f"amqp link {self._name}")
            self._pulse = asyncio.create_task(self.stalls.run(), name=f"amqp pulse {self._name}")
        await self.connection(timeout_s)

    async def connection(self, timeout_s: float) -> Connection:
        """The connection as soon as there is one; raises `BrokerUnreachable` after the timeout."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._connection is None:
                    await self._up.wait()
        except TimeoutError:
            raise BrokerUnreachable(f"no connection to the broker: {self._last_error or 'timed out'}") from None
        return self._connection

    async def close(self) -> None:
        """Disconnect for good."""
        for task in (self._pulse, self._keeper):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._pulse = self._keeper = None

    async def _keep(self) -> None:
        attempt = 0
        while True:
            try:
                connection = await self._connect()
            except Exception as error:  # noqa: BLE001 -- a dead keeper would be a service that is deaf until restarted
                self._last_error = error
                log.warning("broker_unreachable", link=self._name, error=str(error) or repr(error), attempt=attempt)
                await asyncio.sleep(PAUSES_S[min(attempt, len(PAUSES_S) - 1)])
                attempt += 1
                continue
            log.info("broker_connected", link=self._name)
            attempt = 0
            await self._serve(connection)

    async def _connect(self) -> Connection:
        connection = Connection(self._url)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await connection.connect()
        except BaseException:
            with suppress(Exception):
                await connection.close(timeout=CLOSE_TIMEOUT_S)
            raise
        return connection

    async def _serve(self, connection: Connection) -> None:
        self._connection = connection
        self._up.set()
        try:
            closing = connection.closing
            await asyncio.wait([closing])
            log.warning("broker_connection_lost", link=self._name, error=_reason(closing))
        finally:
            self._connection = None
            self._up.clear()
            with suppress(Exception):
                await connection.close(timeout=CLOSE_TIMEOUT_S)


def _reason(closing: asyncio.Future[object]) -> str:
    return "cancelled" if closing.cancelled() else str(closing.exception() or "closed")
