"""Usage that is told again until the broker has it, and a watch over the books: when did they last move?"""

import asyncio
import itertools
from dataclasses import dataclass, field

import asyncpg
import orjson

from benchmarks.system import ACCOUNTS
from benchmarks.traffic import account_ids, sms_sent
from shared.clock import SystemClock
from shared.messaging.errors import MessagingError
from shared.messaging.messages import Message
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import USAGE

PAUSE_SECONDS = 0.1
LOOK_SECONDS = 0.02
POSTED = "SELECT count(*) FROM ledger.transfers WHERE reason = 'sms'"
SETTLE_SECONDS_MAX = 120.0


class Platform:
    """Publishes each message until it is confirmed, as a platform must; then it counts as told."""

    def __init__(self, broker: Rabbit) -> None:
        self._broker = broker
        self._accounts = account_ids(ACCOUNTS)
        self.told = 0

    async def tell(self, count: int, _due: float) -> None:
        """For `pace`."""
        now = SystemClock().now()
        first, self.told = self.told, self.told + count
        events = [
            sms_sent(self._accounts[place % ACCOUNTS], f"cluster-{place}", now) for place in range(first, first + count)
        ]
        unsent = [Message(USAGE, "sms.sent", orjson.dumps(event), mandatory=True) for event in events]
        while unsent := await self._unconfirmed(unsent):  # noqa: ASYNC110
            await asyncio.sleep(PAUSE_SECONDS)

    async def _unconfirmed(self, messages: list[Message]) -> list[Message]:
        try:
            problems = await self._broker.publish_many(messages)
        except MessagingError:
            return messages
        return [message for message, problem in zip(messages, problems, strict=True) if problem is not None]


@dataclass
class Watch:
    """When the number of transfers was seen to grow, in the loop's time."""

    moved_at: list[float] = field(default_factory=list)

    async def look(self, connection: asyncpg.Connection) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        seen = -1
        while True:
            there = await connection.fetchval("SELECT last_value FROM ledger.transfers_id_seq")
            if there != seen:
                seen = there
                self.moved_at.append(loop.time())
            await asyncio.sleep(LOOK_SECONDS)

    def longest_pause(self, since: float, until: float) -> float:
        """The longest time without a new transfer, in seconds."""
        moments = [since, *(at for at in self.moved_at if since <= at <= until), until]
        return max(later - earlier for earlier, later in itertools.pairwise(moments))


async def all_posted(connection: asyncpg.Connection, told: int) -> None:
    """Wait until that many are in the books; a moment later there must not be one more."""
    async with asyncio.timeout(SETTLE_SECONDS_MAX):
        while await connection.fetchval(POSTED) < told:  # noqa: ASYNC110
            await asyncio.sleep(PAUSE_SECONDS)
        while not await connection.fetchval(  # noqa: ASYNC110
            "SELECT NOT EXISTS (SELECT FROM ledger.outbox) AND NOT EXISTS (SELECT FROM ledger.news)"
        ):
            await asyncio.sleep(PAUSE_SECONDS)
    posted = await connection.fetchval(POSTED)
    assert posted == told, (posted, told)
