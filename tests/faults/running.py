"""A case from its start to its verdict: the system up, the load on, faults, everything settled, every account compared."""

import asyncio
import os
import random
import shutil
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from deploy.local.servers import Servers
from shared.messaging.messages import Message
from shared.messaging.topology import USAGE
from tests.conftest import empty_queues
from tests.faults.invariants import findings, settled
from tests.faults.load import CHECKS_PER_S, EVENTS_PER_S, Load
from tests.faults.own_lag import watched
from tests.faults.people import RICH
from tests.faults.proxy import FINE
from tests.faults.small_disk import NotRun, on_small_disk
from tests.faults.stage import PLATFORM_KEY, Plan, Stage, broker, staged
from tests.faults.wire import NoAnswer
from tests.faults.witness import Witness, listening
from tests.usage import sms_sent

SLOWEST_S_MAX = 1.0
"""Contract §2: within 1 s."""
SILENCES_SHOWN_MAX = 5


@dataclass
class Outcome:
    """What one case came to. `findings` empty: nothing lost, nothing double, nothing unexplained."""

    case: str
    seed: int
    seconds: float = 0.0
    faults: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    slowest_s: float = 0.0
    slowest_without_lag_s: float = 0.0
    """Without what kept this process itself from running while it waited for the answer."""
    lag_s: float = 0.0
    """The longest that this process itself was kept from running."""
    recovery_s: list[float] = field(default_factory=list)
    acknowledged: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    machine_load: float = 0.0
    not_run: str | None = None


@dataclass
class Run:
    """What a case has in hand."""

    stage: Stage
    load: Load
    witness: Witness
    rng: random.Random
    n: int
    outcome: Outcome
    dead_expected: int = 0

    def fault(self, times: int = 1) -> None:
        self.outcome.faults += times

    async def recovered(self, *, patience_s: float = 60) -> float:
        """How long until the gate decides again and an event published now is billed; noted down."""
        began = time.monotonic()
        await _gate_decides(self, began + patience_s)
        await _usage_is_billed(self, began + patience_s)
        took = time.monotonic() - began
        self.outcome.recovery_s.append(round(took, 2))
        return took


Work = Callable[[Run], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """`n`: how often it repeats its fault. `all_answered`: no check may be left without a decision. `slowest_s_max`: the
    longest that an answer of the gate may take, what kept this process itself not counted. `disk_mib`: PostgreSQL has a
    disk of its own, of that size.
    """

    name: str
    work: Work
    n: int = 5
    plan: Plan = field(default_factory=Plan)
    events_per_s: float = EVENTS_PER_S
    checks_per_s: float = CHECKS_PER_S
    settle_s: float = 120.0
    all_answered: bool = False
    slowest_s_max: float = SLOWEST_S_MAX
    disk_mib: int | None = None


async def run_case(
    case: Case, servers: Servers, template: str, folder: Path, *, seed: int, n: int | None = None
) -> Outcome:
    """Never raises: what went wrong is a finding."""
    outcome = Outcome(case.name, seed)
    shutil.rmtree(folder / case.name, ignore_errors=True)
    began = time.monotonic()
    try:
        async with AsyncExitStack() as stack:
            if case.disk_mib is not None:
                servers, template = await stack.enter_async_context(on_small_disk(servers, folder, case.disk_mib))
            url = await stack.enter_async_context(_database(servers, template, f"faults_{case.name}"))
            await empty_queues(servers.amqp_urls["operator"])
            await _play(case, servers, url, folder / case.name, outcome, n or case.n)
    except NotRun as reason:
        outcome.not_run = str(reason)
    except Exception as error:  # noqa: BLE001 -- a case that fails is the result
        outcome.findings.append(f"{type(error).__name__}: {error}")
        outcome.facts["traceback"] = traceback.format_exc()
    outcome.seconds = round(time.monotonic() - began, 1)
    outcome.machine_load = round(os.getloadavg()[0], 1)
    return outcome


async def _play(case: Case, servers: Servers, url: str, folder: Path, outcome: Outcome, n: int) -> None:
    async with (
        listening(servers.amqp_urls["operator"]) as witness,
        staged(servers, url, folder, seed=outcome.seed, plan=case.plan) as stage,
        watched() as own_lag,
        Load(stage, events_per_s=case.events_per_s, checks_per_s=case.checks_per_s, own_lag=own_lag) as load,
    ):
        run = Run(stage, load, witness, random.Random(f"{outcome.seed}-{case.name}"), n, outcome)
        await run.recovered()
        outcome.recovery_s.clear()
        try:
            await case.work(run)
            load.fail_early()
            stage.turn_all(FINE)
            await settled(stage, load, seconds=case.settle_s)
            outcome.findings += await findings(stage, load, witness, dead_expected=run.dead_expected)
        finally:
            _note_answers(case, load, outcome)


def _note_answers(case: Case, load: Load, outcome: Outcome) -> None:
    answers = load.model.answers
    outcome.answers = dict(answers.kinds)
    outcome.slowest_s = round(answers.slowest_s, 3)
    outcome.slowest_without_lag_s = round(answers.slowest_without_lag_s, 3)
    outcome.lag_s = round(load.own_lag.worst_s, 3)
    outcome.acknowledged = len(load.model.usage) + len(load.model.allowed) + len(load.model.refused)
    if answers.silences:
        outcome.facts["no answer, why"] = answers.silences[:SILENCES_SHOWN_MAX]
    if answers.slowest_without_lag_s > case.slowest_s_max:
        outcome.findings.append(f"gate: an answer took {answers.slowest_without_lag_s:.2f} s, our own lag not counted")
    if case.all_answered and (answers.kinds["no answer"] or answers.kinds["503"]):
        outcome.findings.append(f"gate: checks failed: {dict(answers.kinds)}")


@asynccontextmanager
async def _database(servers: Servers, template: str, name: str) -> AsyncIterator[str]:
    admin = await asyncpg.connect(servers.postgres_url)
    await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{urlsplit(template).path[1:]}"')
    await admin.close()
    yield urlunsplit(urlsplit(servers.postgres_url)._replace(path=f"/{name}"))


async def _gate_decides(run: Run, deadline: float) -> None:
    """Every replica of it."""
    for gate in run.stage.of("gatekeeper"):
        while True:
            body = {"account_id": RICH[0], "campaign_id": "probe"}
            try:
                url = f"{gate.direct_url}/v1/checks/campaign"
                if (await run.stage.wire.ask("POST", url, body, key=PLATFORM_KEY, timeout_s=5)).status == 200:
                    break
            except NoAnswer as error:
                run.stage.notes.append(repr(error))
            assert time.monotonic() < deadline, "the gate does not decide"
            await _moment()


async def _usage_is_billed(run: Run, deadline: float) -> None:
    probe = sms_sent(RICH[0], f"probe-{run.rng.getrandbits(64)}", 1, time=run.load.now() if run.load.now else None)
    probe["id"] = probe["data"]["message_id"]
    run.load.send(probe)
    while not await run.stage.fetch("SELECT FROM ledger.usage_events WHERE event_id = $1", probe["id"]):
        run.load.fail_early()
        assert time.monotonic() < deadline, "usage is not billed"
        await _moment()


async def _moment() -> None:
    await asyncio.sleep(0.05)


async def publish_bad(run: Run, bodies: list[bytes]) -> None:
    """Messages that nobody can bill; all are to be parked."""
    async with broker(run.stage) as rabbit:
        for start in range(0, len(bodies), 200):
            problems = await rabbit.publish_many(
                [Message(USAGE, "call.ended", body) for body in bodies[start : start + 200]]
            )
            assert not any(problems)
    run.dead_expected += len(bodies)
