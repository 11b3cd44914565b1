"""Failure modes of what is stored and what is not: rows 18, 21, 26, 33 (docs/failure-modes.md)."""

from typing import Any

import asyncpg
import httpx

from services.gatekeeper.service import GATEKEEPER
from services.ledger.service import LEDGER
from shared.postgres.migrations import ORDER
from shared.postgres.pool import open_pool
from shared.runtime import host
from shared.settings import Settings
from tests.failure_modes.conftest import House
from tests.usage import call_ended

AT_ONE_INSTANT = """
    SELECT ledger.post_credit_v1('acme', 'adjustment', 'adjustment', 10000, 'adjustments', 'gift:' || n, 'gift',
        'event', 'gift:' || n, '{}', $1) FROM generate_series(1, 1000) AS n
"""


async def test_fm18_paging_passes_over_nothing_among_a_thousand_rows_of_one_instant(house: House) -> None:
    await house.account(cents=0)
    await house.books.execute(AT_ONE_INSTANT, house.hosted.host.clock.now())
    for path, shown in (("/v1/billing/transactions", list), ("/v1/wallet/transactions", list)):
        seen: list[Any] = []
        for page in range(10):
            query = {"limit": 100, "offset": 100 * page}
            answer = await house.http.get(path, params=query, headers={"Ringfence-Account": "acme"})
            assert isinstance(answer.json(), shown)
            assert len(answer.json()) == 100, f"page {page + 1}"
            seen += [entry["id"] for entry in answer.json()]
        assert len(set(seen)) == 1_000
        assert seen == sorted(seen, reverse=True)


async def test_fm21_nothing_that_is_money_lives_in_memory(settings: Settings) -> None:
    """A process that ends has nothing to save; the next one knows the hold, the balance and what was billed."""
    calls = [call_ended("acme", f"c{number}", 60) for number in range(3)]
    for generation in range(3):
        async with host([LEDGER, GATEKEEPER], settings) as hosted:
            house = House(hosted, _client(hosted.url, settings), await _books(settings))
            if generation == 0:
                await house.account()
            check = await house.check("kept", seconds=600)
            assert check.status_code == 200
            assert check.json()["held_cents"] == 180
            await house.tell(*calls[: generation + 1])
            await house.has_billed(generation + 1)
            kept = await house.books.fetchrow("SELECT held_micros, balance_micros FROM ledger.accounts")
            assert tuple(kept or ()) == (1_800_000, 10_000_000 - 180_000 * (generation + 1))
            await house.http.aclose()
            await house.books.close()


async def test_fm26_no_replica_decides_by_a_copy_of_its_own(open_house: Any) -> None:
    """Each of three replicas sees at once what another has held, given or taken: there is one authority."""
    replicas: list[House] = [await open_house() for _ in range(3)]
    await replicas[0].account(cents=0)
    for turn in range(6):
        giving, asking, asking_too = (replicas[(turn + step) % 3] for step in range(3))
        assert (await asking.check(f"early-{turn}")).status_code == 402
        gift = {"amount_cents": 18, "description": "for one minute"}
        assert (await giving.http.post("/v1/accounts/acme/adjustments", json=gift)).status_code == 201
        assert (await asking.check(f"fits-{turn}")).status_code == 200
        assert (await asking_too.check(f"late-{turn}")).status_code == 402


async def test_fm33_every_service_waits_until_its_commit_is_on_disk(database_url: str) -> None:
    """Whatever the server's default is: the session of each service says `synchronous_commit = on`."""
    owner = await asyncpg.connect(database_url)
    name = await owner.fetchval("SELECT quote_ident(current_database())")
    await owner.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    await owner.close()
    for service in ORDER:
        pool = await open_pool(database_url, service, size_max=1)
        assert await pool.fetchval("SHOW synchronous_commit") == "on", service
        assert await pool.fetchval("SHOW fsync") == "on"
        assert await pool.fetchval("SHOW full_page_writes") == "on"
        await pool.close()


def _client(url: str, settings: Settings) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {settings.platform_key}"}
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False)


async def _books(settings: Settings) -> asyncpg.Connection:
    return await asyncpg.connect(settings.postgres_url)
