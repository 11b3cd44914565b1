"""The gate: checks with durable holds over HTTP, against an empty handler on the same server, and over RabbitMQ."""

from benchmarks import over_amqp
from benchmarks.cpu import Micros, mean_micros
from benchmarks.figures import Figure, Pair, Spread, median_figure
from benchmarks.limits import Limits
from benchmarks.stage import Child, Stage, child
from benchmarks.system import System, system
from benchmarks.wrk import Answered, Wrk

ROUNDS = 3
CONNECTIONS = 256
SECONDS = 5


async def measure(stage: Stage, limits: Limits) -> list[Figure]:
    async with system(stage) as running, child(stage, "empty", "benchmarks.empty", [], running.url) as empty:
        figures = await _over_http(stage, running, empty, limits)
        figures += await over_amqp.measure(stage, running)
        await running.audit()
    return figures


async def _over_http(stage: Stage, running: System, empty: Child, limits: Limits) -> list[Figure]:
    wrk, pgbench = await limits.wrk(), await limits.pgbench()
    many: list[tuple[Answered, float]] = []
    lone: list[tuple[Answered, float]] = []
    spent_many: list[Micros] = []
    spent_lone: list[Micros] = []
    await wrk.check_calls(running.gate.url, connections=CONNECTIONS, seconds=stage.seconds(2))
    for _ in range(stage.rounds(ROUNDS)):
        most = await wrk.check_calls(empty.url, connections=CONNECTIONS, seconds=stage.seconds(SECONDS))
        answered, spent = await checked(running, wrk, CONNECTIONS, stage.seconds(SECONDS))
        many.append((answered, most.per_second))
        spent_many.append(spent)
        least_ms = await pgbench.bare_update_ms(stage.seconds(3))
        answered, spent = await checked(running, wrk, 1, stage.seconds(3))
        lone.append((answered, least_ms))
        spent_lone.append(spent)
    return [
        median_figure(
            f"gate over HTTP, {CONNECTIONS} connections",
            [Pair(answered.per_second, limit) for answered, limit in many],
            unit="checks/s",
            limit_is="/s, empty handler",
            target=0.5,
            spread=Spread.middle([answered.spread for answered, _ in many]),
            cpu=mean_micros(spent_many),
        ),
        median_figure(
            "gate over HTTP, one connection, p50",
            [Pair(answered.spread.p50, limit) for answered, limit in lone],
            unit="ms",
            limit_is="ms, bare UPDATE … COMMIT",
            target=5,
            bound="most",
            spread=Spread.middle([answered.spread for answered, _ in lone]),
            cpu=mean_micros(spent_lone),
        ),
    ]


async def checked(
    running: System, wrk: Wrk, connections: int, seconds: int, accounts: int | None = None
) -> tuple[Answered, Micros]:
    """Checks of new calls, those that were allowed, and the CPU time of one."""
    running.meter.begin()
    more = {} if accounts is None else {"accounts": accounts}
    answered = await wrk.check_calls(running.gate.url, connections=connections, seconds=seconds, **more)
    return answered, running.meter.micros(answered.answered)
