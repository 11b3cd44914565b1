"""A call's whole life, as the platform sees it: hold, two extends, usage; until the balance event names the call."""

import asyncio
from collections.abc import Iterator
from statistics import median

from benchmarks.cpu import Micros, mean_micros
from benchmarks.figures import Figure, Spread
from benchmarks.http1 import Connection, connect, post
from benchmarks.limits import Limits
from benchmarks.pace import UNAVAILABLE
from benchmarks.stage import Stage
from benchmarks.system import ACCOUNTS, System, system
from benchmarks.wire import Wire

CYCLES = 3_000
ROUNDS = 3
AT_ONCE = 32
COMMITS_PER_CYCLE = 4
TALK_SECONDS = 170
GRANTED = (60, 120, 180)


async def measure(stage: Stage, limits: Limits) -> list[Figure]:
    """Beside pgbench: a cycle is four things that must be durable before they are answered."""
    pgbench = await limits.pgbench()
    cycles, rounds = stage.many(CYCLES), stage.rounds(ROUNDS)
    ratios: list[float] = []
    rates: list[float] = []
    limit: list[float] = []
    spreads: list[Spread] = []
    spent: list[Micros] = []
    async with system(stage) as running, Wire.open(stage.amqp_url) as wire:
        await _play(running, wire, "warm", cycles)
        for turn in range(rounds):
            limit.append(await pgbench.simple_update(stage.seconds(5)) / COMMITS_PER_CYCLE)
            wire.latencies_ms.clear()
            running.meter.begin()
            rates.append(await _play(running, wire, str(turn), cycles))
            spent.append(running.meter.micros(cycles))
            spreads.append(Spread.of(wire.latencies_ms))
            ratios.append(rates[-1] / limit[-1])
        await _check(running, (rounds + 1) * cycles)
    return [
        Figure(
            f"hold, two extends, bill; {AT_ONCE} calls at a time",
            median(rates),
            "calls/s",
            median(limit),
            "× 4 transactions/s, pgbench simple-update, 8 clients",
            target=None,
            ratio_given=median(ratios),
            spread=Spread.middle(spreads),
            cpu=mean_micros(spent),
        )
    ]


async def _play(running: System, wire: Wire, label: str, cycles: int) -> float:
    """Calls per second, from the first check to the last balance event."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    places = iter(range(cycles))
    connections = [await connect(running.gate.url) for _ in range(AT_ONCE)]
    try:
        await asyncio.gather(*(_calls(connection, wire, label, places) for connection in connections))
        await wire.all_settled()
    finally:
        for connection in connections:
            connection.close()
    return cycles / (loop.time() - began)


async def _calls(connection: Connection, wire: Wire, label: str, places: Iterator[int]) -> None:
    """One call after the other on this connection."""
    loop = asyncio.get_running_loop()
    for place in places:
        began = loop.time()
        account_id, call_id = f"acct-{place * 7 % ACCOUNTS:06d}", f"cycle-{label}-{place}"
        check = (
            f'{{"account_id":"{account_id}","call_id":"{call_id}","direction":"outbound",'
            f'"from":"+15550100","to":"+4930123456","seconds":{GRANTED[0]}}}'
        )
        await _allowed(connection, post("/v1/checks/call", check))
        for seconds in GRANTED[1:]:
            wanted = f'{{"account_id":"{account_id}","seconds":{seconds}}}'
            await _allowed(connection, post(f"/v1/checks/call/{call_id}/extend", wanted))
        await wire.publish([(account_id, call_id)], 1, began, talk_seconds=TALK_SECONDS)


async def _allowed(connection: Connection, request: bytes) -> None:
    """Asked again when the gate gives up, as a platform would."""
    while (status := await connection.ask(request)) == UNAVAILABLE:
        pass
    assert status == 200, status


async def _check(running: System, cycles: int) -> None:
    """Every call was held to the last extend, billed once, and the books are right."""
    await running.audit()
    billed = await running.owner.fetchval(
        "SELECT count(*) FROM ledger.holds WHERE state = 'billed' AND granted = $1", GRANTED[-1]
    )
    posted = await running.owner.fetchval("SELECT count(*) FROM ledger.transfers WHERE reason = 'call'")
    assert billed == posted == cycles, (billed, posted, cycles)
