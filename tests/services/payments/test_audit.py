"""The audit finds what differs between the provider's lists and the books, both ways (contract §9, 4)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local.servers import Servers
from deploy.local.stripe_standin.embedding import SECRET_KEY
from services.commands.audit_payments import compare_with_provider
from services.payments.invariants import audit_charges, findings
from services.payments.topups import TopUp, top_up
from shared.postgres.audit import audit_books
from tests.services.payments.light import Light, light_system, own_database


@pytest.fixture
async def light(servers: Servers, template_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Light]:
    async with (
        own_database(servers, "ringfence_payments_audit") as url,
        light_system(url, tmp_path_factory.mktemp("stripe")) as running,
    ):
        await running.open_account("a")
        await running.save_card("a")
        await running.sim.webhook_fault("drop")
        yield running


async def found(light: Light) -> set[tuple[str, str]]:
    listed = await findings(light.context.pool, light.context.provider, light.clock.now(), recheck_seconds=0)
    return {(finding.invariant, finding.subject) for finding in listed}


async def paid(light: Light) -> str:
    answer = await top_up(light.context, TopUp("a", "r", 2_000, None, None), is_gone=_here)
    payment_id: str = answer.body["payment_intent_id"]
    return payment_id


async def stripe(light: Light, path: str, **form: Any) -> dict[str, Any]:
    done = await light.sim._http.post(path, data=form, headers={"Authorization": f"Bearer {SECRET_KEY}"})
    assert done.status_code == 200, done.text
    made: dict[str, Any] = done.json()
    return made


async def test_a_charge_without_its_credit_is_found_and_healed(light: Light) -> None:
    payment = await paid(light)
    about = (await light.sim.objects("payment_intent"))[-1]
    form = {f"metadata[{name}]": value for name, value in about["metadata"].items()}
    form |= {"metadata[attempt_id]": "chg_lost", "customer": about["customer"], "amount": 700, "currency": "usd"}
    form |= {"payment_method": "pm_card_visa", "confirm": "true", "automatic_payment_methods[enabled]": "true"}
    lost = await stripe(light, "/v1/payment_intents", **form, **{"automatic_payment_methods[allow_redirects]": "never"})
    assert await found(light) == {("a_charge_has_its_credit", lost["id"])}
    environment = {
        "RINGFENCE_POSTGRES_URL": light.database_url,
        "RINGFENCE_STRIPE_API_URL": str(light.sim._http.base_url),
    }
    assert [finding.subject for finding in await compare_with_provider(environment) or ()] == [lost["id"]]
    assert await audit_charges(light.context) == []
    assert await light.balance("a") == 2_700
    assert await found(light) == set()
    assert payment != lost["id"]


async def test_a_credit_without_its_charge_is_found(light: Light) -> None:
    await light.admin.execute(
        "SELECT ledger.post_credit_v1('a', 'credit', 'topup', 5000000, 'clearing:stripe', 'stripe:pi_never', 'x',"
        " 'payment', 'pi_never', '{}', $1)",
        light.clock.now(),
    )
    assert await found(light) == {("a_credit_has_its_charge", "stripe:pi_never")}
    books = await audit_books(light.database_url)
    assert [finding.invariant for finding in books.findings] == ["a_credit_from_a_card_has_its_charge"]


async def test_a_credit_of_another_amount_is_found(light: Light) -> None:
    payment = await paid(light)
    await light.admin.execute("ALTER TABLE ledger.transfers DISABLE TRIGGER USER")
    await light.admin.execute("UPDATE ledger.transfers SET amount_micros = amount_micros + 1 WHERE reason = 'topup'")
    assert await found(light) == {("a_charge_has_its_credit", payment)}
    assert "a_succeeded_charge_has_its_credit" in {
        f.invariant for f in (await audit_books(light.database_url)).findings
    }


async def test_refunds_and_disputes_that_are_not_mirrored_are_found_and_healed(light: Light) -> None:
    payment, other = await paid(light), await paid(light)
    refund = await stripe(light, "/v1/refunds", payment_intent=payment, amount=300)
    dispute = await light.sim.dispute(payment_intent=other)
    assert await found(light) == {
        ("a_refund_is_mirrored", refund["id"]),
        ("a_dispute_is_mirrored", dispute["id"]),
    }
    await audit_charges(light.context)
    assert await found(light) == set()
    assert await light.balance("a") == 4_000 - 300 - 2_000


async def test_a_charge_that_never_ends_is_found(light: Light) -> None:
    await light.sim.fault(".", action="status", status=503, times=None)
    with pytest.raises(Exception, match="no answer"):
        await paid(light)
    light.advance(49 * 3600)
    await light.sim.clear_faults()
    assert {invariant for invariant, _ in await found(light)} == {"a_charge_comes_to_an_end"}


async def _here() -> bool:
    return False
