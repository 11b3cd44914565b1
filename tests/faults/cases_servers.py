"""Servers that are there, and can't: alarms of the broker, a full disk, a migration under load, a long backlog."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg
import orjson

from shared.messaging.messages import Message
from shared.messaging.topology import USAGE
from tests.faults.model import cost_micros
from tests.faults.people import RICH
from tests.faults.proxy import FINE, Weather
from tests.faults.running import Case, Run, publish_bad
from tests.faults.small_disk import NotRun, SmallDisk
from tests.faults.stage import Plan, broker, until
from tests.usage import sms_sent

ALARM_S = 8.0
BACKLOG_EVENTS = 50_000
DISK_MIB = 320
DISK_FULL = "No space left on device"
EVENTS_PER_MESSAGE = 10
LEDGER_MEMORY_GROWTH_MAX = 100 * 1024 * 1024
USAGE_QUEUE = "ledger.charge_usage"


async def memory_alarm(run: Run) -> None:
    """The broker blocks whoever publishes; the gate must not mind, and nothing published may be lost."""
    await _alarm(run, ("set_vm_memory_high_watermark", "0.00001"), ("set_vm_memory_high_watermark", "0.4"))


async def disk_alarm(run: Run) -> None:
    await _alarm(run, ("set_disk_free_limit", "900000GB"), ("set_disk_free_limit", "50MB"))


async def _alarm(run: Run, on: tuple[str, str], off: tuple[str, str]) -> None:
    node = run.stage.servers._broker
    if node is None:
        raise NotRun("the broker was given to us")
    for _ in range(run.n):
        await node.control(*on)
        run.fault()
        await asyncio.sleep(ALARM_S)
        await node.control(*off)
        await run.recovered()


async def full_disk(run: Run) -> None:
    """PostgreSQL's disk is full, twice: for a moment, and until not even the log of its writes can go on, which ends it.

    Nobody restarts a service of ours. A PostgreSQL that has ended is started again when there is room, as whoever looks
    after it does.
    """
    disk = SmallDisk(run.stage.servers)
    for stays_full in (_for_a_moment, _until_it_ends):
        before = run.load.model.answers.kinds.copy()
        seen = disk.log.count(DISK_FULL)
        disk.fill()
        run.fault()
        await until(_async(lambda seen=seen: disk.log.count(DISK_FULL) > seen), seconds=120, what="the disk is full")
        await stays_full(run, disk)
        during = dict(run.load.model.answers.kinds - before)
        ended = not disk.server_runs
        disk.free()
        if ended:
            await run.stage.servers.kill_postgres()  # what is left of it
            await run.stage.servers.start_postgres()
        took = await run.recovered()
        run.outcome.facts[f"full {stays_full.__name__.strip('_').replace('_', ' ')}"] = (
            f"{during}; PostgreSQL {'ended' if ended else 'stayed'}; back after {took:.1f} s"
        )


async def _for_a_moment(run: Run, disk: SmallDisk) -> None:
    await asyncio.sleep(run.n)


async def _until_it_ends(run: Run, disk: SmallDisk) -> None:
    """Somebody writes until the log of writes needs another file; starting anew, it finds no room either."""
    connection = await asyncpg.connect(run.stage.database_url)
    with suppress(asyncpg.PostgresError, OSError):
        while True:
            disk.fill()
            await connection.execute("SELECT pg_logical_emit_message(true, 'faults', repeat('x', 1000000))")
    connection.terminate()
    for _ in range(run.n):
        disk.fill()
        await asyncio.sleep(1)


def _async(holds: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        return holds()

    return ask


async def migrate_under_load(run: Run) -> None:
    """The next release's migration runs while replicas of this one work: new columns, all functions and views anew.

    There is no earlier release yet whose code could run beside this one; so it is this code on the next schema.
    """
    connection = await asyncpg.connect(run.stage.database_url)
    try:
        for turn in range(run.n):
            await _add_columns(connection, turn)
            await connection.execute("UPDATE public.ringfence_installation SET fingerprint = 'the next release'")
            await _migrate(run)
            run.fault()
            await asyncio.sleep(1)
    finally:
        await connection.close()
    await run.recovered()


async def _add_columns(connection: asyncpg.Connection, turn: int) -> None:
    for table in ("ledger.accounts", "ledger.holds", "ledger.transfers", "ledger.usage_events", "payments.attempts"):
        await connection.execute(f"ALTER TABLE {table} ADD COLUMN next_release_{turn} bigint NOT NULL DEFAULT 0")


async def _migrate(run: Run) -> None:
    from shared.postgres.migrations import migrate

    await migrate(run.stage.database_url)


async def bad_messages(run: Run) -> None:
    """One bad in a thousand, then a thousand bad in a row; all parked with a reason, all good ones billed."""
    good = [sms_sent(run.rng.choice(RICH), f"good-{n}", 1, event_id=f"good-{n}") for n in range(2_000)]
    run.load.send(*good[:1_000])
    await publish_bad(run, [b"{not json"])
    run.load.send(*good[1_000:])
    await publish_bad(run, [b'{"specversion": "1.0"}'])
    await publish_bad(run, [_bad(run, number) for number in range(1_000)])
    run.fault(run.dead_expected)
    async with broker(run.stage) as rabbit:

        async def all_parked() -> bool:
            return await rabbit.depth(f"{USAGE_QUEUE}.dead") == run.dead_expected

        await until(all_parked, seconds=60, what="every bad message parked")
    await run.recovered()


def _bad(run: Run, number: int) -> bytes:
    event = sms_sent(RICH[0], f"bad-{number}", 1, event_id=f"bad-{number}")
    kinds = (
        lambda: b"\x00\xff not text",
        lambda: orjson.dumps({**event, "type": "fax.sent"}),
        lambda: orjson.dumps({**event, "data": {**event["data"], "segments": -1}}),
        lambda: orjson.dumps({**event, "data": {**event["data"], "to": None}}),
        lambda: orjson.dumps({**event, "time": "2999-01-01T00:00:00Z"}),
        lambda: orjson.dumps(event)[:-5],
    )
    return run.rng.choice(kinds)()


async def long_backlog(run: Run) -> None:
    """50,000 events wait for a ledger whose database is slow; it takes them without growing, and the gate is as ever."""
    party = run.stage.parties["ledger"]
    await party.replica.stop()
    await _publish_backlog(run)
    party.turn(Weather(latency_s=0.02), "postgres")
    await run.stage.restart("ledger")
    await run.stage.ready("ledger")
    run.fault()
    first = party.replica.resident_bytes
    most, age_most = first, 0.0
    began = time.monotonic()
    async with broker(run.stage) as rabbit:
        while await rabbit.depth(USAGE_QUEUE):
            most = max(most, party.replica.resident_bytes)
            age_most = max(age_most, await backlog_age_s(run))
            assert time.monotonic() - began < 300, "the backlog does not shrink"
            await asyncio.sleep(0.5)
    party.turn(FINE, "postgres")
    run.outcome.facts["worked off in s"] = round(time.monotonic() - began, 1)
    run.outcome.facts["ledger's memory, MiB"] = f"{first >> 20} at first, {most >> 20} at most"
    run.outcome.facts["age of the backlog in the metrics, s"] = round(age_most, 1)
    if most - first > LEDGER_MEMORY_GROWTH_MAX:
        run.outcome.findings.append(f"the ledger grew from {first >> 20} to {most >> 20} MiB")
    if age_most <= 1:
        run.outcome.findings.append("the metrics never showed the age of the backlog")


async def _publish_backlog(run: Run) -> None:
    events = [sms_sent(run.rng.choice(RICH), f"b-{n}", 1, event_id=f"b-{n}") for n in range(run.n)]
    async with broker(run.stage) as rabbit:
        for start in range(0, len(events), 100 * EVENTS_PER_MESSAGE):
            some = events[start : start + 100 * EVENTS_PER_MESSAGE]
            messages = [
                Message(USAGE, "sms.sent", orjson.dumps(some[place : place + EVENTS_PER_MESSAGE]))
                for place in range(0, len(some), EVENTS_PER_MESSAGE)
            ]
            assert not any(await rabbit.publish_many(messages, timeout_s=30))
            for event in some:
                run.load.model.usage[event["data"]["account_id"], event["source"], event["id"]] = cost_micros(event)


async def backlog_age_s(run: Run) -> float:
    """As a monitoring system reads it; 0 when the ledger does not say."""
    answer = await run.stage.wire.ask("GET", f"{run.stage.parties['ledger'].direct_url}/metrics")
    for line in answer.body.decode().splitlines():
        if line.startswith(f'ringfence_consumer_lag_seconds{{queue="{USAGE_QUEUE}"}}'):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


CASES = (
    Case("memory-alarm", memory_alarm, n=2),
    Case("disk-alarm", disk_alarm, n=2),
    Case("full-disk", full_disk, n=8, disk_mib=DISK_MIB),
    Case("migrate-under-load", migrate_under_load, n=3, plan=Plan(replicas={"ledger": 2, "gatekeeper": 2})),
    Case("bad-messages", bad_messages, n=1),
    Case("long-backlog", long_backlog, n=BACKLOG_EVENTS),
)
