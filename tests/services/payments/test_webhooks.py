"""Webhooks: signed by Stripe just now, stored once, worked off in any order (contract §5; failure modes 2, 20)."""

import asyncio
import time
from typing import Any

import httpx
import orjson
import pytest
import stripe
from pydantic import ValidationError

from deploy.local.stripe_standin.embedding import SECRET_KEY, WEBHOOK_SECRET
from services.payments.provider import BadSignature
from services.payments.settings import PaymentsSettings
from services.payments.stripe_webhooks import read_webhook
from shared.clock import SystemClock
from tests.services.payments.conftest import Customer, Platform, eventually


@pytest.fixture
async def customer(platform: Platform) -> Customer:
    return await platform.customer()


async def waiting_payment(customer: Customer) -> str:
    answer = await customer.top_up(2_000, payment_method_id="pm_card_authenticationRequired")
    intent: str = answer.json()["payment_intent_id"]
    return intent


async def last_event(platform: Platform, event_type: str) -> dict[str, Any]:
    events = await platform.sim.objects("event")
    return next(event for event in reversed(events) if event["type"] == event_type)


async def deliver(
    platform: Platform,
    body: bytes,
    *,
    secret: str = WEBHOOK_SECRET,
    at: float | None = None,
    signed: bytes | None = None,
) -> httpx.Response:
    moment = int(time.time() if at is None else at)
    text = (body if signed is None else signed).decode()
    header = stripe.WebhookSignature.generate_signature_header(text, secret, timestamp=moment)
    headers = {"stripe-signature": header, "content-type": "application/json"}
    return await platform.http.post("/v1/stripe/webhook", content=body, headers=headers)


async def stored(platform: Platform, event_id: str) -> bool:
    query = "SELECT EXISTS (SELECT FROM payments.inbox WHERE event_id = $1)"
    return bool(await platform.admin.fetchval(query, event_id))


async def test_fm02_fifty_deliveries_at_once_are_one_credit(platform: Platform, customer: Customer) -> None:
    """Failure mode 2: "one credit per payment intent, concurrently ×50"."""
    await platform.sim.webhook_fault("drop")
    intent = await waiting_payment(customer)
    await platform.sim.authenticate(intent)
    event = await last_event(platform, "payment_intent.succeeded")
    bodies = [orjson.dumps({**event, "id": f"{event['id']}_{place % 25}"}) for place in range(50)]
    answers = await asyncio.gather(*(deliver(platform, body) for body in bodies))
    assert {answer.status_code for answer in answers} == {200}
    await eventually(lambda: _balance_is(customer, 2_000))
    await asyncio.sleep(0.5)
    assert await customer.balance() == 2_000
    assert len(await platform.events("charge_succeeded")) == 1


async def test_fm20_what_stripe_did_not_sign_just_now_is_refused(platform: Platform, customer: Customer) -> None:
    """§5: "signature checked on the raw body (tolerance 300 s both ways, …)"; "Bad signature → 400, nothing stored"."""
    await platform.sim.webhook_fault("drop")
    intent = await waiting_payment(customer)
    await platform.sim.authenticate(intent)
    event = await last_event(platform, "payment_intent.succeeded")
    body = orjson.dumps(event)
    # The test clock may have moved: what is stale by one clock must be stale by the other.
    offset = platform.hosted.host.clock.offset.total_seconds()
    refused = [
        await deliver(platform, body, secret="whsec_guessed"),
        await deliver(platform, body, secret=""),
        await deliver(platform, body, at=time.time() - 301),
        await deliver(platform, body, at=time.time() + offset + 330),
        await deliver(platform, orjson.dumps(event, option=orjson.OPT_INDENT_2), signed=body),
        await deliver(platform, body.replace(b'"livemode":false', b'"livemode": false'), signed=body),
        await platform.http.post("/v1/stripe/webhook", content=body),
        await platform.http.post("/v1/stripe/webhook", content=body, headers={"stripe-signature": "t=now,v1=00"}),
        await deliver(platform, b"\xff\xfe", signed=b"x"),
    ]
    assert [answer.status_code for answer in refused] == [400] * len(refused)
    assert {answer.json()["error"]["code"] for answer in refused} == {"invalid_signature"}
    assert not await stored(platform, event["id"])
    assert await customer.balance() == 0
    assert (await deliver(platform, body)).status_code == 200
    await eventually(lambda: _balance_is(customer, 2_000))


async def test_what_is_signed_and_no_event_is_named_as_that(platform: Platform) -> None:
    """§0: "Not JSON → 400 `invalid_json`"; §5: "Bad signature → 400, nothing stored": a good one is not called bad."""
    before = await platform.admin.fetchval("SELECT count(*) FROM payments.inbox")
    shape = b'{"id": %s, "type": "charge.refunded", "livemode": false, "created": 1, "data": {"object": {"id": "ch"}}}'
    for body, code in (
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"[]", "invalid_request"),
        (b"null", "invalid_request"),
        (b'{"id": "evt_1"}', "invalid_request"),
        (shape % b"5", "invalid_request"),
        (shape % b'"\\u0000"', "invalid_request"),
    ):
        answer = await deliver(platform, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code), body
    assert await platform.admin.fetchval("SELECT count(*) FROM payments.inbox") == before


def test_a_second_timestamp_does_not_make_an_old_signature_fresh() -> None:
    body = b'{"id": "evt_1", "type": "payment_intent.succeeded"}'
    now = SystemClock().now()
    old = int(now.timestamp()) - 4_000
    header = stripe.WebhookSignature.generate_signature_header(body.decode(), "whsec_a", timestamp=old)
    fresh = f"t={int(now.timestamp())},"
    for forged in (fresh + header, " " + fresh + header, header + "," + fresh, f"{header}, {fresh}"):
        with pytest.raises(BadSignature):
            read_webhook(body, {"stripe-signature": forged}, ("whsec_a",), [now])


async def test_an_event_of_the_other_mode_is_left_alone(platform: Platform, customer: Customer) -> None:
    """payments.md §4.6: "livemode/env mismatch 200+alert"; nothing stored, nothing moved."""
    await waiting_payment(customer)
    event = {**await last_event(platform, "payment_intent.requires_action"), "id": "evt_live", "livemode": True}
    assert (await deliver(platform, orjson.dumps(event))).status_code == 200
    assert not await stored(platform, "evt_live")


async def test_an_event_only_says_where_to_look(platform: Platform, customer: Customer) -> None:
    """A well-signed event that claims a success moves nothing that Stripe itself does not confirm."""
    intent = await waiting_payment(customer)
    event = await last_event(platform, "payment_intent.requires_action")
    claimed = {**event["data"]["object"], "status": "succeeded", "amount_received": 2_000}
    forged = {**event, "id": f"evt_{intent}", "type": "payment_intent.succeeded", "data": {"object": claimed}}
    assert (await deliver(platform, orjson.dumps(forged))).status_code == 200
    await eventually(lambda: _processed(platform, forged["id"]))
    assert await customer.balance() == 0


async def test_what_we_do_not_listen_to_is_answered_well(platform: Platform) -> None:
    made = await _stripe(platform, "/v1/customers")
    event = {"id": "evt_other", "object": "event", "type": "customer.created", "livemode": False, "created": 1}
    body = orjson.dumps({**event, "data": {"object": made}})
    assert (await deliver(platform, body)).status_code == 200
    assert not await stored(platform, "evt_other")


async def test_a_payment_that_is_not_ours_is_ignored(platform: Platform, customer: Customer) -> None:
    """payments.md §4.2: "PI without our metadata: ignored, 2xx"; another installation's, too."""
    for about in ({}, {"metadata[app]": "ringfence", "metadata[env]": "another", "metadata[org]": customer.account_id}):
        form = {"amount": 700, "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true", **about}
        form |= {"automatic_payment_methods[enabled]": "true", "automatic_payment_methods[allow_redirects]": "never"}
        await _stripe(platform, "/v1/payment_intents", **form)
    await platform.sim.idle()
    await asyncio.sleep(0.4)
    assert await customer.balance() == 0


async def test_a_lost_webhook_is_fetched_by_the_reconcile_tick(platform: Platform, customer: Customer) -> None:
    """§5: "Duplicates, reordering and loss are survived (the reconcile tick asks Stripe for what never came)"."""
    await platform.sim.webhook_fault("drop")
    intent = await waiting_payment(customer)
    await platform.sim.authenticate(intent)
    await platform.sim.idle()
    assert await customer.balance() == 0
    await platform.tick("reconcile")
    await eventually(lambda: _balance_is(customer, 2_000))


async def test_storms_of_webhooks_end_in_the_same_balance(platform: Platform, customer: Customer) -> None:
    await platform.sim.webhook_fault("duplicate", copies=4)
    await platform.sim.webhook_fault("shuffle", seconds=0.5)
    for _ in range(4):
        await platform.sim.authenticate(await waiting_payment(customer))
    await eventually(lambda: _balance_is(customer, 8_000))


async def test_both_secrets_count_while_one_is_rolled() -> None:
    """§5: "two secrets during rotation"."""
    told = {"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "livemode": False, "created": 1}
    body = orjson.dumps({**told, "data": {"object": {"id": "pi_1", "object": "payment_intent"}}})
    now = SystemClock().now()
    for secret in ("whsec_new", "whsec_old"):
        header = stripe.WebhookSignature.generate_signature_header(
            body.decode(), secret, timestamp=int(now.timestamp())
        )
        event = read_webhook(body, {"stripe-signature": header}, ("whsec_new", "whsec_old"), [now])
        assert event is not None
        assert event.object_id == "pi_1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"stripe_webhook_secret": ""},
        {"stripe_webhook_secret": "whsec_a,"},
        {"stripe_webhook_secret": " , "},
        {"STRIPE_API_KEY": "sk_live_1", "stripe_api_url": "http://127.0.0.1:4010"},
        {"STRIPE_API_KEY": "rk_live_1", "test_clock": True},
        {"STRIPE_API_KEY": "pk_test_1"},
        {"STRIPE_API_KEY": ""},
        {"environment": "production", "stripe_api_url": "http://127.0.0.1:4010"},
    ],
    ids=str,
)
def test_fm20_payments_refuses_to_start_when_anybody_could_sign_or_pay(wrong: dict[str, Any]) -> None:
    """Issue: "refuses to start with an empty webhook secret or a live key on the stand-in" (failure mode 20)."""
    right = {
        "STRIPE_API_KEY": "sk_test_1",
        "stripe_webhook_secret": "whsec_new, whsec_old",
        "stripe_api_url": "https://api.stripe.com",
    }
    assert PaymentsSettings(**right).stripe_webhook_secret == ("whsec_new", "whsec_old")
    with pytest.raises(ValidationError):
        PaymentsSettings(**{**right, **wrong})


async def _stripe(platform: Platform, path: str, **form: Any) -> dict[str, Any]:
    done = await platform.sim._http.post(path, data=form, headers={"Authorization": f"Bearer {SECRET_KEY}"})
    assert done.status_code == 200, done.text
    made: dict[str, Any] = done.json()
    return made


async def _balance_is(customer: Customer, cents: int) -> bool:
    return await customer.balance() == cents


async def _processed(platform: Platform, event_id: str) -> bool:
    query = "SELECT processed_at IS NOT NULL FROM payments.inbox WHERE event_id = $1"
    return bool(await platform.admin.fetchval(query, event_id))
