"""What networks do between two parties that are both well."""

import asyncio
from itertools import product

from tests.faults.proxy import FINE, Weather
from tests.faults.running import Case, Run
from tests.faults.stage import SERVICES, Party

CUT_EVERY_S = 2.0
BLACKHOLE_S = 15.0
SPELL_S = 6.0
SPELLS = {
    "latency 300 ms": Weather(latency_s=0.3),
    "stall": Weather(stalled=True),
    "slow 20 kB/s": Weather(bytes_per_s=20_000),
    "cut after 3,000 bytes": Weather(cut_after=3_000),
}
TALKS_TO_STRIPE = "payments"


def links_of(service: str) -> tuple[str, ...]:
    return ("postgres", "amqp", "http", "stripe") if service == TALKS_TO_STRIPE else ("postgres", "amqp", "http")


async def cut_everything(run: Run) -> None:
    """Every connection of every pair reset, every two seconds, for n times."""
    for _ in range(run.n):
        await asyncio.sleep(CUT_EVERY_S)
        run.fault(run.stage.reset_all("postgres", "amqp", "http", "stripe"))
    await run.recovered()


async def black_holes(run: Run) -> None:
    """Each link of each service swallows everything for a while, and nobody is told; n seconds each."""
    for service, link in [(name, link) for name in SERVICES for link in links_of(name)]:
        before = run.load.model.answers.kinds.copy()
        await _spell(run, run.stage.parties[service], link, Weather(blackhole=True), run.n)
        took = await run.recovered(patience_s=90)
        during = dict(run.load.model.answers.kinds - before)
        run.outcome.facts[f"{service} ↔ {link}"] = f"back after {took:.1f} s; {during}"


async def weather(run: Run) -> None:
    """Late, stalled, slow, cut in the middle: each kind on each link, n seconds each."""
    for (name, kind), service in product(SPELLS.items(), SERVICES):
        party = run.stage.parties[service]
        for link in links_of(service):
            party.turn(kind, link)
        run.fault()
        await asyncio.sleep(run.n)
        party.turn(FINE)
        took = await run.recovered(patience_s=90)
        run.outcome.facts[f"{service}: {name}"] = f"back after {took:.1f} s"


async def refused(run: Run) -> None:
    """Nobody listens any more, on each link in turn; what is connected is cut."""
    for service in SERVICES:
        for link in links_of(service):
            proxy = run.stage.parties[service].links[link]
            await proxy.refuse()
            proxy.reset()
            run.fault()
            await asyncio.sleep(run.n)
            await proxy.accept()
        await run.recovered()


async def _spell(run: Run, party: Party, link: str, kind: Weather, seconds: float) -> None:
    party.turn(kind, link)
    run.fault()
    await asyncio.sleep(seconds)
    party.turn(FINE, link)


CASES = (
    Case("cut-every-2s", cut_everything, n=30),
    Case("black-holes", black_holes, n=15),
    Case("weather", weather, n=4),
    Case("refused", refused, n=2),
)
