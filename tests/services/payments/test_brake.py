"""The brake (issue 5; failure mode 1): where the books look wrong, no card is touched and ops are told."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from deploy.local.servers import Servers
from services.payments import brake
from services.payments.recharging import consider_all
from services.payments.topups import TopUp, top_up
from shared.http_errors import ApiError
from tests.services.payments.light import Light, light_system, own_database


@pytest.fixture
async def light(servers: Servers, template_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Light]:
    async with (
        own_database(servers, "ringfence_payments_brake") as url,
        light_system(url, tmp_path_factory.mktemp("stripe")) as running,
    ):
        yield running


async def open_many(light: Light, count: int) -> list[str]:
    accounts = []
    for place in range(count):
        account = await light.open_account(f"a{place:03}")
        await light.move(account, 2_000)
        await light.save_card(account)
        await light.reload(account, 1_000, 3_000)
        accounts.append(account)
    return accounts


async def charges(light: Light) -> int:
    return len(await light.sim.objects("charge"))


async def alerts(light: Light) -> list[str]:
    rows = await light.admin.fetch("SELECT kind FROM payments.alerts WHERE cleared_at IS NULL ORDER BY kind")
    return [row["kind"] for row in rows]


async def a_wave_touches_no_card(light: Light, accounts: list[str]) -> None:
    for account in accounts:
        await light.move(account, -1_500)
    await consider_all(light.context)
    await light.context.finish()
    assert await charges(light) == 0
    assert await alerts(light) == ["charge_wave"]


async def test_fm01_a_wave_of_accounts_below_their_threshold_touches_no_card(light: Light) -> None:
    """Issue: "more than max(20, 10 %) of the accounts with a card cross their threshold within a minute"."""
    accounts = await open_many(light, 24)
    await a_wave_touches_no_card(light, accounts[:21])
    await light.move(accounts[23], -1_500)
    await light.consider(accounts[23])
    assert await charges(light) == 0, "it stays pulled"
    assert await brake.release(light.context.pool, light.clock.now())
    await consider_all(light.context)
    await light.context.finish()
    assert await charges(light) == 22
    assert await alerts(light) == []


async def test_as_many_as_are_allowed_are_charged(light: Light) -> None:
    accounts = await open_many(light, 21)
    for account in accounts[:20]:
        await light.move(account, -1_500)
    await consider_all(light.context)
    await light.context.finish()
    assert await charges(light) == 20
    light.advance(61)
    await light.move(accounts[20], -1_500)
    await light.consider(accounts[20])
    assert await charges(light) == 21, "a minute later they are no wave"


async def test_crossings_of_a_clock_that_was_set_back_since_are_no_wave(light: Light) -> None:
    """Else each further crossing within the hour would be one too many."""
    accounts = await open_many(light, 22)
    await light.admin.execute(
        "UPDATE payments.profiles SET crossed_at = $1 WHERE account_id = ANY ($2)",
        light.clock.now() + timedelta(hours=1),
        accounts[:21],
    )
    await light.move(accounts[21], -1_500)
    await light.consider(accounts[21])
    assert await charges(light) == 1


async def test_a_wave_is_seen_also_after_a_clock_that_was_set_back_released_the_brake(light: Light) -> None:
    accounts = await open_many(light, 22)
    await light.admin.execute("UPDATE payments.brake SET counted_until = $1", light.clock.now() + timedelta(hours=1))
    await a_wave_touches_no_card(light, accounts[:21])


async def test_fm01_an_account_whose_balance_is_not_its_entries_is_not_charged(light: Light) -> None:
    """Failure mode 1: "stop touching cards where balance ≠ sum of entries"; "a missing balance is never zero"."""
    wrong, right = await open_many(light, 2)
    await light.admin.execute("UPDATE ledger.accounts SET balance_micros = 0 WHERE account_id = $1", wrong)
    await light.move(right, -1_500)
    await consider_all(light.context)
    await light.context.finish()
    assert await charges(light) == 1
    assert await light.balance(right) == 3_500
    assert await alerts(light) == ["books_disagree"]
    with pytest.raises(ApiError) as refused:
        await top_up(light.context, TopUp(wrong, "r", 2_000, None, None), is_gone=_here)
    assert refused.value.status == 503


async def test_a_changed_entry_is_found_even_behind_a_right_balance(light: Light) -> None:
    account = (await open_many(light, 1))[0]
    await light.admin.execute("ALTER TABLE ledger.transfers DISABLE TRIGGER USER")
    await light.admin.execute("UPDATE ledger.transfers SET amount_micros = amount_micros + 1 WHERE seq = 1")
    await light.move(account, -1_500)
    await light.consider(account)
    assert await charges(light) == 0


async def test_fm01_a_missing_account_is_never_charged(light: Light) -> None:
    account = (await open_many(light, 1))[0]
    await light.admin.execute("UPDATE payments.profiles SET account_id = 'nobody' WHERE account_id = $1; ", account)
    await consider_all(light.context)
    await asyncio.sleep(0)
    assert await charges(light) == 0


async def _here() -> bool:
    return False
