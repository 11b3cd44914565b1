"""Our debit (priced, with its event id, the balance kept) and theirs, one right after the other."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from benchmarks.debits import messages_sent
from benchmarks.engine import Engine, charge, check, engine, settle_down
from benchmarks.figures import Figure
from benchmarks.limits import Limits
from benchmarks.peers import hordak, pgledger
from benchmarks.stage import Stage
from benchmarks.traffic import account_ids

ACCOUNTS = 1_000
DEBITS = 24_000
SECONDS = 5
TIMES = 10
PLACES = ((ACCOUNTS, "1,000 accounts"), (1, "one hot account"))


class Peer(Protocol):
    async def debits(self, customers: int, seconds: int) -> float: ...


async def measure(stage: Stage, limits: Limits) -> list[Figure]:
    """Those that are there."""
    found: list[tuple[str, Callable[[Stage, int], Awaitable[Peer]]]] = []
    if pgledger.is_there():
        found.append(("pgledger", pgledger.Pgledger.prepare))
    if hordak.is_there():
        found.append(("django-hordak", hordak.Hordak.prepare))
    if not found:
        return []
    accounts = stage.many(ACCOUNTS)
    figures: list[Figure] = []
    debits = 0
    async with engine(stage) as ready:
        debits += await _warm(stage, ready)
        for name, prepare in found:
            peer = await prepare(stage, accounts)
            for customers, words in PLACES:
                figures.append(await _beside(stage, ready, name, peer, min(customers, accounts), words))
                debits += stage.many(DEBITS)
            if isinstance(peer, pgledger.Pgledger):
                figures.append(await _many(stage, peer, figures[0].absolute))
        await check(ready, "sms", debits, settled=0)
    return figures


async def _warm(stage: Stage, ready: Engine) -> int:
    count = stage.many(DEBITS) // 10
    await charge(ready, messages_sent(ready, "warm", account_ids(ACCOUNTS), count))
    return count


async def _beside(stage: Stage, ready: Engine, name: str, peer: Peer, customers: int, words: str) -> Figure:
    await settle_down(ready)
    theirs = await peer.debits(customers, stage.seconds(SECONDS))
    label = f"{name}-{customers}"
    ours = await charge(ready, messages_sent(ready, label, account_ids(customers), stage.many(DEBITS)))
    return Figure(
        f"SMS debits beside {name}, {words}",
        ours.per_second,
        "debits/s",
        theirs,
        f"/s, {name}, 8 clients",
        target=TIMES,
        cpu=ours.cpu,
    )


async def _many(stage: Stage, peer: pgledger.Pgledger, ours: float) -> Figure:
    """As we do it: many in one transaction. No one said ten times here."""
    theirs = await peer.debits_by_the_hundred(stage.seconds(SECONDS))
    is_limit = f"/s, pgledger, {pgledger.PER_CALL} a transaction, 8 clients"
    return Figure("SMS debits beside pgledger in bulk", ours, "debits/s", theirs, is_limit, target=None)
