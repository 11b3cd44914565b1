"""Processes and servers that end without a word."""

import asyncio

from tests.faults.running import Case, Run
from tests.faults.stage import SERVICES, Plan

BETWEEN_KILLS_S = 0.5


async def kill_each_service(run: Run) -> None:
    """SIGKILL at random, n times per service; each is started again at once. No twin is killed before the other is back."""
    order = [service for service in SERVICES for _ in range(run.n)]
    run.rng.shuffle(order)
    for service in order:
        await asyncio.sleep(run.rng.uniform(0.1, 2 * BETWEEN_KILLS_S))
        twins = [party.replica.name for party in run.stage.of(service)]
        name = run.rng.choice(twins)
        if others := [twin for twin in twins if twin != name]:
            await run.stage.ready(*others)
        await run.stage.parties[name].replica.kill()
        await run.stage.restart(name)
        run.fault()
    await run.stage.ready()


async def kill_one_service(run: Run, service: str) -> None:
    for _ in range(run.n):
        await asyncio.sleep(run.rng.uniform(0.2, 2.5))
        await run.stage.parties[service].replica.kill()
        await run.stage.restart(service)
        run.fault()
    await run.stage.ready()


async def kill_broker(run: Run) -> None:
    """SIGKILL, and a start on the same data; services stay up. Recovery counts from the moment it speaks AMQP."""
    await asyncio.sleep(3)  # queues declared a moment before a crash may be lost (RabbitMQ registers them late)
    for _ in range(run.n):
        await asyncio.sleep(run.rng.uniform(0.5, 2))
        await run.stage.servers.kill_broker()
        await run.stage.servers.start_broker()
        run.fault()
        await run.recovered()


async def kill_postgres(run: Run) -> None:
    for _ in range(run.n):
        await asyncio.sleep(run.rng.uniform(0.5, 2))
        await run.stage.servers.kill_postgres()
        await asyncio.sleep(run.rng.uniform(0, 1))
        await run.stage.servers.start_postgres()
        run.fault()
        await run.recovered()


async def rolling_restart(run: Run) -> None:
    """SIGTERM to one replica after the other, n rounds. A replica that hangs up is passed over, as a proxy does."""
    for _ in range(run.n):
        for name, party in run.stage.parties.items():
            await party.replica.stop()
            await run.stage.restart(name)
            run.fault()
            await run.stage.ready(name)


async def crash_points(run: Run) -> None:
    """The named places of payments (shared/crash_points.py): ended exactly there, started again without the wish."""
    party = run.stage.parties["payments"]
    whole = dict(party.replica.environment)
    for point in CRASH_POINTS:
        await party.replica.stop()
        party.replica.environment = {**whole, "RINGFENCE_CRASH_AT": point}
        await party.replica.start()
        try:
            async with asyncio.timeout(CRASH_PATIENCE_S):
                await party.replica.ended()
            run.fault()
            run.outcome.facts.setdefault("crashed at", []).append(point)
            await party.replica.kill()
        except TimeoutError:
            run.outcome.facts.setdefault("never reached", []).append(point)
            await party.replica.stop()
        party.replica.environment = whole
        await party.replica.start()
        await run.stage.ready("payments")


CRASH_PATIENCE_S = 60.0
CRASH_POINTS = (
    "charge_created",
    "charge_submitting",
    "charge_sent",
    "charge_crediting",
    "charge_credited",
    "charge_answering",
    "event_stored",
    "event_applied",
)

CASES = (
    Case("kill-services", kill_each_service, n=25, plan=Plan(replicas={"gatekeeper": 2})),
    Case("kill-broker", kill_broker),
    Case("kill-postgres", kill_postgres),
    Case("rolling-restart", rolling_restart, plan=Plan(replicas=dict.fromkeys(SERVICES, 2)), all_answered=True),
    Case("crash-points", crash_points),
)
