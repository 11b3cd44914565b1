"""A customer's own page: cards, top-ups, auto-reload, the notice. Asked with the customer's own key."""

from typing import Any

from rich.text import Text

from deploy.demo.day import Customer, Day


async def save_card(day: Day, customer: Customer, card: str, words: str) -> None:
    """`card` is one of Stripe's test cards; it becomes the default."""
    chosen = {"payment_method_id": card}
    await day.http.ask("POST", "/v1/billing/default-payment-method", chosen, key=customer.key)
    methods = (await day.http.ask("GET", "/v1/billing/payment-methods", key=customer.key))["payment_methods"]
    (default,) = [method for method in methods if method["is_default"]]
    await day.tell(customer, "card", f"{words}: {default['brand']} ending in {default['last4']}")


async def top_up(day: Day, customer: Customer, cents: int, **more: str) -> dict[str, Any]:
    """Charge a card now; the answer says whether it has been, or what is still to be done."""
    headers = {"Idempotency_Key": customer.next_id("top-up")}
    answer: dict[str, Any] = await day.http.ask(
        "POST", "/v1/billing/top-up", {"amount_cents": cents, **more}, wants=201, key=customer.key, **headers
    )
    return answer


async def auto_reload(
    day: Day, customer: Customer, *, minimum_cents: int, amount_cents: int, limit_cents: int | None = None
) -> None:
    policy = {
        "auto_reload_enabled": True,
        "auto_reload_minimum_cents": minimum_cents,
        "auto_reload_amount_cents": amount_cents,
        "auto_reload_monthly_limit_cents": limit_cents,
    }
    await day.http.ask("PATCH", "/v1/billing", policy, key=customer.key)


async def credited(day: Day, customer: Customer, reason: str, usd: str, words: str) -> None:
    """A payment has come in."""
    await day.posted(customer, lambda entry: entry["reason"] == reason, f"-{usd}", what=words)
    await day.tell(customer, "paid", Text.assemble(words, ": ", (f"+${usd}", "bold green")), balance=True)


async def notice(day: Day, customer: Customer) -> dict[str, Any]:
    """What the customer's page should say of a low balance."""
    shown: dict[str, Any] = await day.http.ask("GET", "/v1/billing/notice", key=customer.key)
    return shown
