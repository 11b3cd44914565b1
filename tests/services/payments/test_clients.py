"""The official clients, unmodified, with `base_url` (contract §5, §6)."""

import asyncio

import httpx
import pytest
from call2me import Call2Me
from call2me.client import Call2MeError
from thunderphone import ThunderPhone
from thunderphone.generated.api.billing import (
    billing_bulk_update,
    billing_default_payment_method_create,
    billing_list,
    billing_payment_methods_delete,
    billing_payment_methods_list,
    billing_setup_intent_create,
    billing_top_up_create,
    billing_transactions_list,
    billing_transactions_receipt_retrieve,
)
from thunderphone.generated.models import (
    BillingAccount,
    DefaultPaymentMethodRequest,
    PatchedAutoReloadRequest,
    TopUpRequest,
)
from thunderphone.generated.models.auto_reload_status_enum import AutoReloadStatusEnum

from tests.services.payments.conftest import Customer, Platform


def _key(customer: Customer) -> str:
    return customer.http.headers["authorization"].removeprefix("Bearer ")


async def test_thunderphone_works_for_every_billing_call(platform: Platform) -> None:
    """§5: "That client, unmodified, with `base_url`, works for every billing call"."""
    customer = await platform.customer(balance_cents=1_000)
    await asyncio.to_thread(_every_billing_call, platform.hosted.url, _key(customer))


def _every_billing_call(url: str, key: str) -> None:
    with ThunderPhone(key, base_url=url) as thunder:
        client = thunder.client
        account = billing_list.sync(client=client)
        assert isinstance(account, BillingAccount)
        assert (account.balance_cents, account.auto_reload_status) == (1_000, AutoReloadStatusEnum.OFF)
        setup = billing_setup_intent_create.sync(client=client)
        assert setup is not None
        assert setup.setup_intent_id.startswith("seti_")
        chosen = DefaultPaymentMethodRequest(payment_method_id="pm_card_visa")
        account = billing_default_payment_method_create.sync(client=client, body=chosen)
        assert account is not None
        assert account.has_payment_method
        paid = billing_top_up_create.sync(client=client, body=TopUpRequest(amount_cents=2_000, idempotency_key="k"))
        assert paid is not None
        assert paid.status == "succeeded"
        policy = PatchedAutoReloadRequest(
            auto_reload_enabled=True,
            auto_reload_minimum_cents=500,
            auto_reload_amount_cents=1_000,
            auto_reload_monthly_limit_cents=None,
        )
        account = billing_bulk_update.sync(client=client, body=policy)
        assert account is not None
        assert account.auto_reload_status is AutoReloadStatusEnum.OK
        entries = billing_transactions_list.sync(client=client)
        assert entries is not None
        assert entries[0].kind.value == "manual_topup"
        receipt = billing_transactions_receipt_retrieve.sync(entries[0].id, client=client)
        assert receipt is not None
        assert receipt.receipt_url.startswith("http")
        cards = billing_payment_methods_list.sync(client=client)
        assert cards is not None
        gone = billing_payment_methods_delete.sync_detailed(cards.payment_methods[0].id, client=client)
        assert gone.status_code == 204


async def test_call2me_reads_the_wallet(platform: Platform) -> None:
    """§6: "as the `call2me` 1.5.2 client calls them. The same account, the same books, other words"."""
    customer = await platform.customer(balance_cents=4_723)
    await customer.top_up(500, payment_method_id="pm_card_visa")
    await asyncio.to_thread(_every_wallet_call, platform.hosted.url, _key(customer))


def _every_wallet_call(url: str, key: str) -> None:
    with Call2Me(key, base_url=url) as client:
        assert client.wallet.balance()["balance_usd"] == 52.23
        entries = client.wallet.transactions(limit=10)
        assert isinstance(entries, list)
        assert len(entries) == 2
        assert client.wallet.pricing()
        assert client.wallet.analytics(days=7)
    with Call2Me("rf_wrong", base_url=url) as stranger, pytest.raises(Call2MeError):
        stranger.wallet.balance()


async def test_the_wallet_is_the_account_in_other_words(platform: Platform) -> None:
    """§6: the wallet object, its auto-recharge and its top-up."""
    customer = await platform.customer(balance_cents=4_723)
    wallet = (await customer.http.get("/v1/wallet")).json()
    assert wallet == {
        "balance_usd": 47.23,
        "currency": "USD",
        "auto_recharge": {"enabled": False, "threshold_usd": None, "topup_usd": None},
    }
    wanted = {"enabled": True, "threshold_usd": 5.5, "topup_usd": 20}
    refused = await _recharge(customer, wanted)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "payment_method_required")
    await customer.save_card()
    assert (await _recharge(customer, wanted)).json()["auto_recharge"] == wanted
    assert (await customer.billing())["auto_reload_minimum_cents"] == 550
    for bad in ({"threshold_usd": 5.555}, {"topup_usd": 0}, {"threshold_usd": -1}, {"enabled": 1}, {"topup_usd": True}):
        assert (await _recharge(customer, bad)).status_code == 422, bad
    paid = await customer.http.post("/v1/wallet/topup", json={"amount_usd": 10.25})
    assert (paid.status_code, paid.json()["status"]) == (201, "succeeded")
    assert (await customer.http.get("/v1/wallet")).json()["balance_usd"] == 57.48


@pytest.mark.parametrize(
    ("amount", "status", "code"),
    [
        (4.99, 400, "invalid_amount"),
        (10_000.01, 400, "invalid_amount"),
        (-20, 400, "invalid_amount"),
        (10.999, 422, "invalid_request"),
        (0.1 + 0.2, 422, "invalid_request"),
        (1e300, 400, "invalid_amount"),
        (2**63, 400, "invalid_amount"),
        ("ten", 422, "invalid_request"),
        (True, 422, "invalid_request"),
        (None, 422, "invalid_request"),
    ],
)
async def test_what_is_no_amount_of_dollars(platform: Platform, amount: object, status: int, code: str) -> None:
    """§6: "more than two decimals → 422"; errors as §5."""
    customer = await platform.customer()
    body = {"amount_usd": amount, "payment_method_id": "pm_card_visa"}
    answer = await customer.http.post("/v1/wallet/topup", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def _recharge(customer: Customer, wanted: dict[str, object]) -> httpx.Response:
    return await customer.http.patch("/v1/wallet/auto-recharge", json=wanted)
