"""Time that jumps, runs backwards, or differs from one machine to the next."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.faults.people import AGENCY, CLIENTS, RICH
from tests.faults.running import Case, Run
from tests.faults.stage import SERVICES, Plan, set_skew, until
from tests.usage import envelope

PAUSE_S = 4.0
RENTED = RICH[:5]
FEE_MICROS = 2_500_000
FEE_EVERY = timedelta(days=30)
PLAN = {
    "name": "Monthly",
    "currency": "USD",
    "recurring_fee_cents": 1_000,
    "included_minutes": 10,
    "rhythm": "monthly",
    "rhythm_count": 1,
    "due_days": 365,
    "grace_days": 365,
    "packs_allowed": True,
}
MOVES: tuple[tuple[str, Callable[[datetime], datetime]], ...] = (
    ("+25 h", lambda now: now + timedelta(hours=25)),
    ("+31 d", lambda now: now + timedelta(days=31)),
    ("into summer time (Berlin)", lambda _: datetime(2027, 3, 28, 0, 59, 57, tzinfo=UTC)),
    ("out of summer time (Berlin)", lambda _: datetime(2027, 10, 31, 0, 59, 57, tzinfo=UTC)),
    ("into the leap day", lambda _: datetime(2028, 2, 28, 23, 59, 57, tzinfo=UTC)),
    ("out of the leap day", lambda _: datetime(2028, 2, 29, 23, 59, 57, tzinfo=UTC)),
)


class _Time:
    """The machine's time and how far the test clock is ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


async def forward(run: Run) -> None:
    """Jumps while numbers are rented and a plan runs: each fee once, each period once, whatever ticks come late."""
    time = _Time()
    run.load.now = time.now
    rented_at = await _rent_numbers(run, time)
    await _start_plan(run)
    for name, to in MOVES:
        by = to(time.now()) - time.now()
        await run.stage.sim.advance(by.total_seconds())
        await run.stage.move_clock(advance_seconds=int(by.total_seconds()))
        time.ahead += timedelta(seconds=int(by.total_seconds()))
        run.fault()
        await asyncio.sleep(PAUSE_S)
        await _caught_up(run, time, rented_at)
        run.outcome.facts[name] = (
            f"{time.now():%Y-%m-%d %H:%M:%S}Z, {sum(run.load.model.fees.values()) // FEE_MICROS} fees"
        )
    await run.recovered()


async def _rent_numbers(run: Run, time: _Time) -> datetime:
    rented_at = time.now() - timedelta(seconds=1)
    for place, account in enumerate(RENTED):
        number = {"account_id": account, "number_id": f"number-{place}", "number": f"+1555010{place:04}"}
        event = envelope("number.rented", number | {"at": rented_at.isoformat()}, event_id=f"rented-{place}")
        run.load.send(event)
    return rented_at


async def _start_plan(run: Run) -> None:
    people = run.load.people
    key = people.key(AGENCY)
    plan = await people.must("subscriptions", "/v1/plans", PLAN, key)
    path = f"/v1/clients/{CLIENTS[0]}"
    await people.must("subscriptions", f"{path}/plan", {"plan_id": plan["id"]}, key, method="PUT")
    await people.must("subscriptions", f"{path}/subscription", {}, key)


async def _caught_up(run: Run, time: _Time, rented_at: datetime) -> None:
    """Every fee that is due is charged, and the plan is in its present period."""
    marks = (time.now() - rented_at) // FEE_EVERY
    for account in RENTED:
        run.load.model.fees[account] = marks * FEE_MICROS

    async def has() -> bool:
        fees = await run.stage.fetchval("SELECT count(*) FROM ledger.transfers WHERE reason = 'number_fee'")
        ends = await run.stage.fetchval("SELECT period_end FROM subscriptions.subscriptions")
        return fees == marks * len(RENTED) and isinstance(ends, datetime) and ends > time.now()

    await until(has, seconds=60, what=f"{marks} fees a number charged, the plan renewed")


async def backward(run: Run) -> None:
    """The clock of every machine of ours is set back an hour for a while, and forward again."""
    time = _Time()
    run.load.now = time.now
    for _ in range(run.n):
        time.ahead = timedelta(hours=-1)
        await run.load.told_all()  # what is an hour ahead of us is parked, as the contract says
        _set_all(run, -3_600)
        run.fault()
        await asyncio.sleep(PAUSE_S)
        await run.recovered()
        _set_all(run, 0)
        time.ahead = timedelta(0)
        await asyncio.sleep(PAUSE_S)
    await run.recovered()


async def apart(run: Run) -> None:
    """Two services 90 s apart, either ahead; then all of them somewhere within."""
    for skews in ({"gatekeeper": 90}, {"ledger": 90}, {"payments": 90, "scheduler": -90}, _scattered(run)):
        for service in SERVICES:
            _set(run, service, skews.get(service, 0))
        run.fault()
        await asyncio.sleep(PAUSE_S)
        await run.recovered()
    _set_all(run, 0)


def _scattered(run: Run) -> dict[str, int]:
    return {service: run.rng.randint(-45, 45) for service in SERVICES}


def _set_all(run: Run, seconds: float) -> None:
    for service in SERVICES:
        _set(run, service, seconds)


def _set(run: Run, service: str, seconds: float) -> None:
    file = run.stage.parties[service].replica.skew_file
    assert file is not None
    set_skew(file, seconds)


CASES = (
    Case("clock-forward", forward, n=1),
    Case("clock-back-1h", backward, n=2, plan=Plan(skewed=SERVICES)),
    Case("clocks-90s-apart", apart, n=1, plan=Plan(skewed=SERVICES)),
)
