"""Disputes as the bank opens, escalates and decides them."""

from typing import Any

import pytest
import stripe

from deploy.local.stripe_standin import RunningStandin


async def paid_intent(client: stripe.StripeClient) -> str:
    params: Any = {"amount": 3000, "currency": "usd", "payment_method_types": ["card"], "confirm": True}
    return (await client.v1.payment_intents.create_async(params={**params, "payment_method": "pm_card_visa"})).id


def moved(dispute: dict[str, Any]) -> int:
    return sum(change["amount"] for change in dispute["balance_transactions"])


async def test_a_won_dispute_gives_back_exactly_what_it_took(
    client: stripe.StripeClient, standin: RunningStandin
) -> None:
    dispute = await standin.sim.dispute(payment_intent=await paid_intent(client), amount=1200)
    assert (dispute["status"], moved(dispute)) == ("needs_response", -1200)
    won = await standin.sim.close_dispute(dispute["id"], "won")
    assert (won["status"], moved(won)) == ("won", 0)
    types = [event["type"] for event in await standin.sim.objects("event") if "dispute" in event["type"]]
    assert types == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    ]


async def test_a_lost_dispute_keeps_the_money(client: stripe.StripeClient, standin: RunningStandin) -> None:
    dispute = await standin.sim.dispute(payment_intent=await paid_intent(client))
    lost = await standin.sim.close_dispute(dispute["id"], "lost")
    assert (lost["status"], moved(lost)) == ("lost", -3000)


async def test_an_inquiry_takes_money_only_when_it_escalates(
    client: stripe.StripeClient, standin: RunningStandin
) -> None:
    inquiry = await standin.sim.dispute(payment_intent=await paid_intent(client), inquiry=True)
    assert (inquiry["status"], moved(inquiry)) == ("warning_needs_response", 0)
    escalated = await standin.sim.dispute(escalate=inquiry["id"])
    assert (escalated["id"], escalated["status"], moved(escalated)) == (inquiry["id"], "needs_response", -3000)


async def test_a_closed_inquiry_never_took_money(client: stripe.StripeClient, standin: RunningStandin) -> None:
    inquiry = await standin.sim.dispute(payment_intent=await paid_intent(client), inquiry=True)
    closed = await standin.sim.close_dispute(inquiry["id"], "won")
    assert (closed["status"], moved(closed)) == ("warning_closed", 0)


async def test_a_disputed_charge_is_not_refundable(client: stripe.StripeClient, standin: RunningStandin) -> None:
    intent = await paid_intent(client)
    await standin.sim.dispute(payment_intent=intent)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async(params={"payment_intent": intent})
    assert refused.value.code == "charge_disputed"


async def test_winning_evidence_wins(client: stripe.StripeClient, standin: RunningStandin) -> None:
    dispute = await standin.sim.dispute(payment_intent=await paid_intent(client))
    answered = await client.v1.disputes.update_async(
        dispute["id"], params={"evidence": {"uncategorized_text": "winning_evidence"}, "submit": True}
    )
    assert answered.status == "won"
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.disputes.close_async(dispute["id"])
