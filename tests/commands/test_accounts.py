"""`ringfence account …` against the running system."""

import httpx
import pytest

from services.commands.account import cents
from services.commands.failures import CommandFailed
from tests.commands.conftest import Command, Publish
from tests.commands.waiting import until
from tests.usage import call_ended


async def test_an_account_is_opened_changed_and_explained(
    command: Command, publish: Publish, platform: httpx.AsyncClient
) -> None:
    opened = await command("account", "open", "Acme Phone", "--id", "acme", "--credit-limit", "5")
    assert opened.code == 0
    assert "API key: rf_" in opened.out
    await publish(call_ended("acme", "call-1", 83))

    async def is_billed() -> bool:
        balance: int = (await platform.get("/v1/accounts/acme")).json()["balance_cents"]
        return balance == 1000 - 36

    await until(is_billed)
    adjusted = await command("account", "adjust", "acme", "--usd", "-2.50", "--description", "courtesy")
    assert "-$2.50, balance now $7.14" in adjusted.out
    check = {"account_id": "acme", "call_id": "call-2", "direction": "outbound", "from": "+1", "to": "+4930"}
    assert (await platform.post("/v1/checks/call", json=check)).status_code == 200

    shown = (await command("account", "show", "acme")).out
    for words in (
        "balance    $7.14",
        "credit     $5.00",
        "held       $0.18   ring-fenced for 1 open hold",
        "available  $11.96",
        "It is active.",
        "call call-2: $0.18 for 60 seconds",
        "-$2.50  balance $7.14  courtesy",
        "Call billing: 2 minutes × $0.18",
        "voice 2 minutes × $0.10 = $0.20",
        "telephony 2 minutes × $0.08 = $0.16",
        "+$10.00  balance $10.00  Sign-up credit",
    ):
        assert words in shown

    listed = await command("account", "list", "--json")
    assert [account["account_id"] for account in listed.json["data"]] == ["acme"]


async def test_an_account_is_suspended_and_reinstated_by_hand(command: Command, platform: httpx.AsyncClient) -> None:
    await platform.post("/v1/accounts", json={"id": "acme", "name": "Acme"})
    suspended = await command("account", "suspend", "acme", "--reason", "looks odd")
    assert suspended.out == "acme is suspended (looks odd).\n"
    assert "suspended by hand: looks odd" in (await command("account", "show", "acme")).out
    assert (await command("account", "reinstate", "acme")).out == "acme is active.\n"
    assert (await command("account", "disable", "acme")).out == "acme is disabled.\n"
    assert (await command("account", "enable", "acme")).out == "acme is active.\n"


async def test_the_same_idempotency_key_moves_money_once(command: Command, platform: httpx.AsyncClient) -> None:
    """Contract §0: every POST that moves money takes `Idempotency-Key`."""
    await platform.post("/v1/accounts", json={"id": "acme", "name": "Acme"})
    words = ("account", "adjust", "acme", "--usd", "1", "--description", "gift", "--idempotency-key", "once")
    assert (await command(*words)).out == (await command(*words)).out
    assert (await platform.get("/v1/accounts/acme")).json()["balance_cents"] == 1100


async def test_a_refusal_is_a_line_and_an_exit_code(command: Command, offline: Command) -> None:
    nobody = await command("account", "show", "nobody")
    assert (nobody.code, nobody.err) == (1, "ringfence: 404 not_found: There is no such account.\n")
    assert (await command("account", "show", "no/body")).code == 2
    assert (await command("account", "list", RINGFENCE_PLATFORM_KEY="wrong")).err.startswith("ringfence: 401 ")
    unset = await offline("account", "list")
    assert unset.code == 2
    assert "is `ringfence run` up?" in unset.err
    unreachable = await offline(
        "account", "list", RINGFENCE_HTTP_URL="http://127.0.0.1:9", RINGFENCE_PLATFORM_KEY="any"
    )
    assert unreachable.code == 2
    assert "does not answer (http://127.0.0.1:9/)" in unreachable.err


async def test_a_name_cannot_write_on_the_operators_terminal(command: Command, platform: httpx.AsyncClient) -> None:
    name = "[red]Acme\x1b[2J\u202e"
    assert (await platform.post("/v1/accounts", json={"id": "acme", "name": name})).status_code == 201
    listed = (await command("account", "list")).out
    assert "[red]Acme\\u001b[2J\\u202e" in listed
    assert "\x1b" not in listed


@pytest.mark.parametrize(("text", "amount"), [("5", 500), ("-2.50", -250), ("$0.1", 10), ("+1.05", 105)])
def test_dollars_are_read_exactly(text: str, amount: int) -> None:
    assert cents(text) == amount


@pytest.mark.parametrize("text", ["", "-", "1.234", "1e3", "1_000", "NaN", "٤", "1,50", "--1", "999999999"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(CommandFailed):
        cents(text)


async def test_payments_are_explained(command: Command, platform: httpx.AsyncClient) -> None:
    """Charges and the state of auto-reload in words."""
    await platform.post("/v1/accounts", json={"id": "acme", "name": "Acme"})
    assert "No card is on file." in (await command("account", "show", "acme")).out
    whose = {"Ringfence-Account": "acme"}
    card = {"payment_method_id": "pm_card_visa"}
    assert (await platform.post("/v1/billing/default-payment-method", json=card, headers=whose)).status_code == 200
    wanted = {"auto_reload_enabled": True, "auto_reload_minimum_cents": 500, "auto_reload_amount_cents": 2000}
    assert (await platform.patch("/v1/billing", json=wanted, headers=whose)).status_code == 200
    paid = await platform.post("/v1/billing/top-up", json={"amount_cents": 1500}, headers=whose)
    assert paid.status_code == 201
    shown = (await command("account", "show", "acme")).out
    for words in (
        "A card is on file.",
        "Auto-reload: below $5.00 it charges $20.00; this month $0.00 so far.",
        "  in order",
        "Last charges, newest first:",
        "$15.00 paid",
    ):
        assert words in shown
