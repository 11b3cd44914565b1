"""The gate: checks with durable holds over HTTP, against an empty handler on the same server, and over RabbitMQ."""

from statistics import median

from benchmarks import over_amqp
from benchmarks.figures import Figure, Pair, median_figure
from benchmarks.limits import Limits
from benchmarks.pace import check_at_a_pace, pace, percentile
from benchmarks.stage import Child, Stage, child
from benchmarks.system import System, system
from benchmarks.wire import Wire

ROUNDS = 3
CONNECTIONS = 256
SECONDS = 5
CALM_SECONDS = 10
CHECKS_PER_SECOND = 500
EVENTS_PER_SECOND = 500


async def measure(stage: Stage, limits: Limits) -> list[Figure]:
    async with system(stage) as running, child(stage, "empty", "benchmarks.empty", [], running.url) as empty:
        figures = await _over_http(running, empty, limits)
        figures += await over_amqp.measure(stage, running)
        figures.append(await _while_billing(stage, running))
        await running.audit()
    return figures


async def _over_http(running: System, empty: Child, limits: Limits) -> list[Figure]:
    wrk, pgbench = await limits.wrk(), await limits.pgbench()
    many: list[Pair] = []
    lone: list[Pair] = []
    await wrk.check_calls(running.gate.url, connections=CONNECTIONS, seconds=2)
    for _ in range(ROUNDS):
        most = await wrk.check_calls(empty.url, connections=CONNECTIONS, seconds=SECONDS)
        gate = await wrk.check_calls(running.gate.url, connections=CONNECTIONS, seconds=SECONDS)
        assert gate.refused == 0, f"{gate.refused} checks were refused"
        many.append(Pair(gate.per_second, most.per_second))
        least_ms = await pgbench.bare_update_ms()
        alone = await wrk.check_calls(running.gate.url, connections=1, seconds=3)
        lone.append(Pair(alone.p50_ms, least_ms))
    return [
        median_figure(
            f"gate over HTTP, {CONNECTIONS} connections",
            many,
            unit="checks/s",
            limit_is="/s, empty handler",
            target=0.4,
        ),
        median_figure(
            "gate over HTTP, one connection, p50",
            lone,
            unit="ms",
            limit_is="ms, bare UPDATE … COMMIT",
            target=8,
            bound="most",
        ),
    ]


async def _while_billing(stage: Stage, running: System) -> Figure:
    """p99 of 500 checks/s, from when each was due, while 500 events/s are billed; the middle one of three runs."""
    p99s: list[float] = []
    async with Wire.open(stage.amqp_url) as wire:
        for turn in range(ROUNDS):
            billing = pace(EVENTS_PER_SECOND, CALM_SECONDS, wire.publisher_of_singles(f"calm-{turn}"))
            checking = check_at_a_pace(running.gate.url, CHECKS_PER_SECOND, CALM_SECONDS, f"check-{turn}")
            _, latencies_ms = await over_amqp.both(billing, checking)
            p99s.append(percentile(latencies_ms, 99))
        await wire.all_settled()
    return Figure(
        f"gate, p99 at {CHECKS_PER_SECOND} checks/s and {EVENTS_PER_SECOND} events/s",
        median(p99s),
        "ms",
        50,
        "ms, the most allowed",
        target=1.0,
        bound="most",
    )
