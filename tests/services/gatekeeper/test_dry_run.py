"""`ringfence check` asks the gate and holds nothing (contract §1)."""

from collections.abc import Callable
from typing import Any

from services.gatekeeper.dry_run import dry_run
from shared.runtime import Hosted
from tests.services.gatekeeper.books import ACCOUNT, TestBooks

Body = Callable[..., dict[str, Any]]


async def test_a_dry_run_answers_and_leaves_nothing(hosted: Hosted, books: TestBooks, call: Body, sms: Body) -> None:
    """`check` (asks the gate, holds nothing)."""
    await books.open_account(balance_micros=180_000)
    async with hosted.host.open_pool("gatekeeper") as pool:
        clock = hosted.host.clock
        allowed = await dry_run(pool, clock, "call", call())
        assert (allowed.status, allowed.body["held_usd"]) == (200, "0.18")
        again = await dry_run(pool, clock, "call", call("c2"))
        assert again.status == 200
        refused = await dry_run(pool, clock, "sms", sms(segments=100))
        assert (refused.status, refused.body["error"]["code"]) == (402, "insufficient_balance")
        campaign = await dry_run(pool, clock, "campaign", {"account_id": ACCOUNT, "campaign_id": "k"})
        assert campaign.status == 402
    assert await books.hold("c1") is None
    assert await books.events() == []
    assert (await books.account())["held_micros"] == 0
