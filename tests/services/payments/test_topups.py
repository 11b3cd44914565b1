"""Top-ups by hand (contract §5, POST /v1/billing/top-up; §0, Idempotency)."""

from tests.services.payments.conftest import Platform


async def test_a_top_up_is_credited_before_it_is_answered(platform: Platform) -> None:
    """§5: "`succeeded` → the balance is already credited when the answer arrives"."""
    customer = await platform.customer()
    await customer.save_card()
    answer = await customer.top_up(2_000)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body["status"] == "succeeded"
    assert body["payment_intent_id"].startswith("pi_")
    assert await customer.balance() == 2_000
    newest = (await customer.transactions())[0]
    assert (newest["kind"], newest["reason"], newest["amount_cents"]) == ("credit", "topup", 2_000)
