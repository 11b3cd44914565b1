"""A steady load on two ledgers and two gates; the node that leads the usage queue is killed, and comes back.

Nothing may be lost and nothing may be posted twice; measured is how long the books did not move. Gates do not need
the broker: none of their answers may be anything but 200, all the time.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

import asyncpg

from benchmarks.cluster.front import front
from benchmarks.cluster.load import Platform, Watch, all_posted
from benchmarks.figures import Figure, Spread
from benchmarks.limits import Limits
from benchmarks.pace import check_at_a_pace, pace
from benchmarks.stage import Child, Stage, services
from benchmarks.system import ACCOUNTS
from benchmarks.traffic import account_ids, open_accounts
from deploy.local.rabbitmq_cluster import Node, PrivateCluster, private_cluster
from shared.clock import SystemClock
from shared.messaging.rabbit import Rabbit
from shared.postgres.audit import audit_books

NODES = 3
LEDGERS = 2
GATES = 2
EVENTS_PER_SECOND = 300
CHECKS_PER_SECOND = 50
"""Of each gate."""
WARM_UP_SECONDS = 4
PHASE_SECONDS = 10
PAUSE_SECONDS_MAX = 10
USAGE_QUEUE = "ledger.charge_usage"


@dataclass
class _Running:
    cluster: PrivateCluster
    owner: asyncpg.Connection
    platform: Platform
    gates: list[Child]


async def measure(stage: Stage, limits: Limits) -> list[Figure]:
    url = await stage.books()
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(
            private_cluster(stage.servers.folder, stage.servers.folder.parent, lambda _: None, size=NODES)
        )
        entry = await stack.enter_async_context(front([node.port for node in cluster.nodes]))
        amqp_url = cluster.url(entry.port)
        owner = await asyncpg.connect(url)
        stack.push_async_callback(owner.close)
        await open_accounts(owner, account_ids(ACCOUNTS), SystemClock().now())
        on_cluster = {"RINGFENCE_AMQP_URL": amqp_url}
        for place in range(LEDGERS):
            await stack.enter_async_context(services(stage, f"ledger-{place}", url, "ledger", on_cluster))
        gates = [
            await stack.enter_async_context(services(stage, f"gate-{place}", url, "gatekeeper", on_cluster))
            for place in range(GATES)
        ]
        broker = Rabbit(amqp_url, name="bench cluster")
        stack.push_async_callback(broker.close)
        await broker.open()
        running = _Running(cluster, owner, Platform(broker), gates)
        figures = await _under_load(stage, running)
        await all_posted(owner, running.platform.told)
    report = await audit_books(url)
    assert not report.findings, report.findings
    return figures


@dataclass(frozen=True, slots=True)
class _Times:
    """In the loop's time."""

    killed: float
    started_again: float
    ended: float


async def _under_load(stage: Stage, running: _Running) -> list[Figure]:
    loop = asyncio.get_running_loop()
    await pace(EVENTS_PER_SECOND, stage.seconds(WARM_UP_SECONDS), running.platform.tell)
    leader = await running.cluster.leader_of(USAGE_QUEUE)
    watch = Watch()
    watching = asyncio.create_task(watch.look(running.owner))
    began = loop.time()
    story = asyncio.create_task(_kill_and_start(leader, stage.seconds(PHASE_SECONDS)))
    telling = asyncio.create_task(_until(story, running.platform))
    checks = [
        asyncio.create_task(_checked_until(story, gate, f"cluster-{place}")) for place, gate in enumerate(running.gates)
    ]
    times = await story
    await telling
    latencies_ms = [latency for gate in await asyncio.gather(*checks) for latency in gate]
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    standing = f"cluster of {NODES}, books standing still"
    return [
        _pause(f"{standing}, all up", watch.longest_pause(began, times.killed)),
        _pause(
            f"{standing} as the leading node is killed",
            watch.longest_pause(times.killed, times.started_again),
            target=1.0,
            spread=Spread.of(latencies_ms),
        ),
        _pause(f"{standing} as it comes back", watch.longest_pause(times.started_again, times.ended)),
    ]


def _pause(name: str, seconds: float, target: float | None = None, spread: Spread | None = None) -> Figure:
    limit_is = "s, the most allowed"
    return Figure(name, seconds, "s", PAUSE_SECONDS_MAX, limit_is, target=target, bound="most", spread=spread)


async def _until(over: "asyncio.Task[_Times]", platform: Platform) -> None:
    while not over.done():
        await pace(EVENTS_PER_SECOND, 1, platform.tell)


async def _checked_until(over: "asyncio.Task[_Times]", gate: Child, label: str) -> list[float]:
    latencies_ms: list[float] = []
    turn = 0
    while not over.done():
        latencies_ms += await check_at_a_pace(gate.url, CHECKS_PER_SECOND, 1, f"{label}-{turn}")
        turn += 1
    return latencies_ms


async def _kill_and_start(leader: Node, seconds: float) -> _Times:
    """Some time with all nodes, some without the leader, some with it again."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(seconds)
    killed = loop.time()
    await leader.kill()
    await asyncio.sleep(seconds)
    started_again = loop.time()
    await leader.start()
    await asyncio.sleep(seconds)
    return _Times(killed, started_again, loop.time())
