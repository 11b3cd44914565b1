"""Faults are faithful: what ran, ran; what did not, left no trace; and the caller sees what it would of Stripe."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import stripe

from deploy.local.stripe_standin import ControlRefused, RunningStandin
from tests.standin.clients import stripe_client
from tests.standin.test_idempotency import CREATE, charges, pay
from tests.standin.waiting import eventually

BROKEN: list[dict[str, Any]] = [
    {"action": "reset"},
    {"action": "truncate"},
    {"action": "html", "status": 502},
    {"action": "status", "status": 503},
    {"action": "hang", "seconds": 0.1},
]


@pytest.fixture
async def hasty(standin: RunningStandin) -> AsyncIterator[stripe.StripeClient]:
    """A client that waits half a second at most."""
    async with stripe_client(standin.api_base, standin.secret_key, timeout_seconds=0.5) as made:
        yield made


@pytest.mark.parametrize("broken", BROKEN, ids=lambda b: b["action"])
@pytest.mark.parametrize(("when", "charged"), [("before", 0), ("after", 1)])
async def test_a_lost_answer_did_or_did_not_charge(
    client: stripe.StripeClient, standin: RunningStandin, broken: dict[str, Any], when: str, charged: int
) -> None:
    await standin.sim.fault(CREATE, when=when, **broken)
    with pytest.raises((stripe.APIConnectionError, stripe.APIError)):
        await pay(client)
    assert await charges(standin) == charged
    assert (await pay(client)).status == "succeeded"
    assert await charges(standin) == 1


@pytest.mark.parametrize("broken", BROKEN[:4], ids=lambda b: b["action"])
async def test_a_failure_in_the_midst_is_rolled_back_and_lets_the_key_go(
    client: stripe.StripeClient, standin: RunningStandin, broken: dict[str, Any]
) -> None:
    await standin.sim.fault(CREATE, when="during", **broken)
    with pytest.raises((stripe.APIConnectionError, stripe.APIError)):
        await pay(client)
    assert await charges(standin) == 0
    assert await standin.sim.objects("event") == []
    assert (await pay(client, amount=700)).amount == 700


async def charged(standin: RunningStandin) -> bool:
    return await charges(standin) == 1


async def test_a_request_goes_on_after_its_caller_gave_up(hasty: stripe.StripeClient, standin: RunningStandin) -> None:
    await standin.sim.fault(CREATE, when="during", action="latency", seconds=2.0)
    with pytest.raises(stripe.APIConnectionError):
        await pay(hasty)
    assert await charges(standin) == 0
    await eventually(lambda: charged(standin))


async def test_a_hang_ends_when_the_caller_leaves(hasty: stripe.StripeClient, standin: RunningStandin) -> None:
    await standin.sim.fault(CREATE, when="during", action="hang")
    with pytest.raises(stripe.APIConnectionError):
        await pay(hasty)
    await eventually(lambda: charged(standin))


async def test_a_reset_is_a_reset_on_the_wire(standin: RunningStandin) -> None:
    await standin.sim.fault(".*", when="before", action="reset", times=None)
    port = int(standin.api_base.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_a_fault_waits_its_turn_and_ends(client: stripe.StripeClient, standin: RunningStandin) -> None:
    await standin.sim.fault(CREATE, method="POST", action="status", status=500, skip=1, times=2)
    outcomes = []
    for number in range(5):
        try:
            await pay(client, f"k{number}")
            outcomes.append("ok")
        except stripe.APIError:
            outcomes.append("failed")
    assert outcomes == ["ok", "failed", "failed", "ok", "ok"]


@pytest.mark.parametrize(
    ("status", "error", "raised"),
    [
        (429, {}, stripe.RateLimitError),
        (401, {}, stripe.AuthenticationError),
        (403, {}, stripe.PermissionError),
        (409, {"code": "lock_timeout"}, stripe.APIError),
        (402, {"type": "card_error", "code": "card_declined", "decline_code": "do_not_honor"}, stripe.CardError),
        (500, {}, stripe.APIError),
    ],
)
async def test_any_status_can_be_answered_as_stripe_would(
    client: stripe.StripeClient,
    standin: RunningStandin,
    status: int,
    error: dict[str, str],
    raised: type[stripe.StripeError],
) -> None:
    await standin.sim.fault(CREATE, action="status", status=status, error=error)
    with pytest.raises(raised) as failed:
        await pay(client)
    assert failed.value.http_status == status
    assert failed.value.request_id


async def test_a_webhook_may_come_before_the_answer(
    client: stripe.StripeClient, standin: RunningStandin, receiver: Any
) -> None:
    await standin.sim.fault(CREATE, when="after", action="latency", seconds=3)
    paying = asyncio.create_task(pay(client))
    while "payment_intent.succeeded" not in receiver.types():
        assert not paying.done()
        await asyncio.sleep(0.02)
    assert (await paying).status == "succeeded"


async def test_the_journal_tells_what_stripe_did(client: stripe.StripeClient, standin: RunningStandin) -> None:
    await standin.sim.fault(CREATE, when="after", action="reset")
    with pytest.raises(stripe.APIConnectionError):
        await pay(client)
    await pay(client)
    state = await standin.sim.state()
    seen = [(r["path"], r["idempotency_key"], r["status"], r["replayed"], r["fault"]) for r in state["requests"]]
    assert seen == [
        ("/v1/payment_intents", "k1", 200, False, "after reset"),
        ("/v1/payment_intents", "k1", 200, True, None),
    ]


async def test_a_senseless_command_is_refused(standin: RunningStandin) -> None:
    for wrong in ({"when": "sometimes"}, {"action": "explode"}, {"colour": "blue"}, {"times": 0}):
        with pytest.raises(ControlRefused):
            await standin.sim.fault(CREATE, **wrong)
    with pytest.raises(ControlRefused):
        await standin.sim.fault("(")


async def test_reset_forgets_everything_but_the_endpoint_of_the_start(
    client: stripe.StripeClient, standin: RunningStandin, receiver: Any
) -> None:
    await pay(client)
    await standin.sim.idle()
    await standin.sim.reset()
    assert (await standin.sim.state())["counts"] == {"webhook_endpoint": 1}
    receiver.received.clear()
    await pay(client)
    await standin.sim.idle()
    assert "payment_intent.succeeded" in receiver.types()


async def test_search_finds_only_what_is_a_minute_old(client: stripe.StripeClient, standin: RunningStandin) -> None:
    paid = await pay(client, metadata={"attempt_id": "a7"})
    query: Any = {"query": "metadata['attempt_id']:'a7' AND status:'succeeded'"}
    assert (await client.v1.payment_intents.search_async(params=query)).data == []
    await standin.sim.advance(61)
    assert [intent.id for intent in (await client.v1.payment_intents.search_async(params=query)).data] == [paid.id]


async def test_events_are_kept_thirty_days(client: stripe.StripeClient, standin: RunningStandin) -> None:
    await pay(client)
    await standin.sim.advance(30 * 24 * 3600 - 60)
    assert len((await client.v1.events.list_async()).data) == 3
    await standin.sim.advance(120)
    assert (await client.v1.events.list_async()).data == []


async def test_all_charges_are_paged_through_by_the_client(
    client: stripe.StripeClient, standin: RunningStandin
) -> None:
    for number in range(23):
        await pay(client, f"key{number}")
    listing = await client.v1.charges.list_async(params={"limit": 10})
    assert len([charge async for charge in listing.auto_paging_iter()]) == 23
    async with httpx.AsyncClient(base_url=standin.api_base) as http:
        answer = await http.get("/v1/charges?limit=1", auth=(standin.secret_key, ""))
    assert answer.json()["has_more"] is True


async def test_a_refused_request_leaves_no_trace(client: stripe.StripeClient, standin: RunningStandin) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        await pay(client, expand=["shoe_size"])
    assert set((await standin.sim.state())["counts"]) == {"webhook_endpoint"}
