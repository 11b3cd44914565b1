"""A customer's statement: every transaction with what it is made of, and why the balance is what it is.

Nothing is taken on trust: each line is calculated again, the lines are added up, and the sum is compared with the
account, with what the dashboard heard and with what the script said. Raises NotAsWritten where they differ.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from rich.text import Text

from deploy.demo.day import Customer, Day
from deploy.demo.money import (
    MINUS,
    clock,
    cost_micros,
    counted,
    dollars,
    dollars_of_cents,
    explained,
    micros,
    minutes_explained,
)
from deploy.demo.wire import NotAsWritten

PAGE: Final = 200
COUNTED: Final = {"call": "call", "sms": "SMS", "chat": "chat message", "number_fee": "number fee"}
NAMES: Final = {
    "signup_credit": "sign-up credit",
    "topup": "top-ups",
    "auto_reload": "auto-reload",
    "auto_charge": "auto-charge",
    "settle_negative": "debts settled",
    "adjustment": "given by hand",
    "usage_adjusted": "corrected",
    "refund": "refunded",
}
TOLD_LATE: Final = timedelta(minutes=10)

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Totals:
    """A statement in four figures, in micros; the account was opened with nothing."""

    customer: Customer
    lines: int = 0
    credits: int = 0
    debits: int = 0
    balance: int = 0


async def print_statement(day: Day, customer: Customer) -> Totals:
    """Read it with the customer's own key, check it, print it."""
    entries = await _entries(day, customer)
    day.paper.title(f"Statement: {customer.name}", f"account {customer.id}, read with the customer's own key")
    if entries:
        rows = [_row(number, entry) for number, entry in enumerate(entries, start=1)]
        day.paper.table(("#", "when (UTC)", "what", "amount", "balance"), rows, right=("amount", "balance"))
    totals = await _checked(day, customer, entries)
    day.paper.say()
    day.paper.say(f"  Why {dollars(totals.balance)}: {_reasons(entries)}.")
    day.paper.say(
        f"  opening $0.00 + credits {dollars(totals.credits)} − debits {dollars(totals.debits)}"
        f" = balance {dollars(totals.balance)}",
        style="bold",
    )
    proof = f"{counted(totals.lines, 'line')} calculated again; their sum = the account = what the dashboard heard"
    day.paper.step("every cent explained", proof if entries else "there are none")
    if customer.agency_key is not None:
        await _print_requests(day, customer, customer.agency_key)
    return totals


async def _checked(day: Day, customer: Customer, entries: Sequence[Entry]) -> Totals:
    """The figures of the statement. Raises NotAsWritten where anything else knows better."""
    check_chain(entries)
    for entry in entries:
        check_components(entry)
        check_correction(entry, entries)
    credits, debits = _sums(entries)
    account = await day.http.ask("GET", f"/v1/accounts/{customer.id}")
    balance = account["balance_micros"]
    known = {
        "opening + credits − debits": credits - debits,
        "the last line": entries[-1]["balance_after_micros"] if entries else 0,
        "the script": customer.expected_micros,
    }
    for name, figure in known.items():
        if figure != balance:
            raise NotAsWritten(f"{customer.name}: the account has {dollars(balance)}, {name} says {dollars(figure)}")
    if entries:
        day.hold_to_script(customer)
    if account["held_cents"]:
        raise NotAsWritten(f"{customer.name}: {account['held_cents']} cents are still held at the end of the day")
    return Totals(customer, len(entries), credits, debits, balance)


def print_overview(day: Day, statements: Sequence[Totals]) -> None:
    """All accounts on one page."""
    day.paper.title(
        "All accounts", f"The dashboard heard {day.dashboard.heard} events; nothing else told it a balance."
    )
    rows = [_overview_row(one.customer.name, one.lines, one.credits, one.debits, one.balance) for one in statements]
    sums = [sum(getattr(one, name) for one in statements) for name in ("lines", "credits", "debits", "balance")]
    if sums[1] - sums[2] != sums[3]:
        raise NotAsWritten("the accounts together do not add up")
    rows.append(_overview_row("together", *sums))
    amounts = ("lines", "credits", "debits", "balance")
    day.paper.table(("account", *amounts), rows, right=amounts)


def _overview_row(name: str, lines: int, credits: int, debits: int, balance: int) -> tuple[str, ...]:
    return (name, str(lines), dollars(credits), dollars(debits), dollars(balance))


async def _print_requests(day: Day, client: Customer, agency_key: str) -> None:
    """What the agency has asked of its client; each request is the sum of its line items."""
    path = f"/v1/payment-requests?client_id={client.id}&limit={PAGE}"
    requests = (await day.http.ask("GET", path, key=agency_key))["data"][::-1]
    for request in requests:
        if request["amount_cents"] != sum(item["amount_cents"] for item in request["line_items"]):
            raise NotAsWritten(f"{client.name}: payment request {request['id']} is not the sum of its items")
    day.paper.table(("asked by the agency", "for", "amount", "status"), map(_request_row, requests), right=("amount",))


def _request_row(request: Mapping[str, Any]) -> tuple[str, str, str, str]:
    asked_at = datetime.fromisoformat(request["created_at"])
    items = ", ".join(f"{item['description']}" for item in request["line_items"])
    reference = request["external_reference"]
    status = f"{request['status']} ({reference})" if reference else request["status"]
    return f"{asked_at:%d %b %H:%M}", items, dollars_of_cents(request["amount_cents"]), status


async def _entries(day: Day, customer: Customer) -> list[Entry]:
    """All of them, oldest first."""
    entries: list[Entry] = []
    while True:
        path = f"/v1/billing/transactions?limit={PAGE}&offset={len(entries)}"
        page = await day.http.ask("GET", path, key=customer.key, Ringfence_Account=customer.id)
        entries += page
        if len(page) < PAGE:
            return entries[::-1]


def check_chain(entries: Sequence[Entry]) -> None:
    """Each balance is the one before plus the amount, to the micro, from zero on."""
    balance = 0
    for entry in entries:
        balance += entry["amount_micros"]
        if entry["balance_after_micros"] != balance:
            raise NotAsWritten(f"transaction {entry['id']} says {entry['balance_after_micros']} micros, not {balance}")


def check_components(entry: Entry) -> None:
    """What a line takes is the sum of its components, and each of them is what was billed times its price."""
    components = entry["metadata"].get("components", ())
    for component in components:
        if micros(component["amount_usd"]) != cost_micros(component):
            raise NotAsWritten(f"transaction {entry['id']}: {component} does not multiply to its amount")
    total = sum(micros(component["amount_usd"]) for component in components)
    if entry["reason"] in COUNTED and entry["amount_micros"] != -total:
        raise NotAsWritten(f"transaction {entry['id']} took {entry['amount_micros']} micros for {total}")
    pools_ms = entry["metadata"].get("minute_pools_ms")
    if pools_ms and sum(pools_ms.values()) != entry["metadata"]["duration_seconds"] * 1_000:
        raise NotAsWritten(f"transaction {entry['id']} took {pools_ms} of {entry['metadata']['duration_seconds']} s")


def check_correction(entry: Entry, entries: Sequence[Entry]) -> None:
    """With its correction, usage has cost what the right quantity costs."""
    if entry["reason"] != "usage_adjusted":
        return
    corrected = [one["amount_micros"] for one in entries if one["id"] in entry["metadata"]["corrects_transactions"]]
    if sum(corrected) + entry["amount_micros"] != -micros(entry["metadata"]["corrected_total_usd"]):
        raise NotAsWritten(f"transaction {entry['id']} does not bring the usage to its right price")


def _row(number: int, entry: Entry) -> tuple[str, str, Text, Text, str]:
    created_at = datetime.fromisoformat(entry["created_at"])
    amount = entry["amount_micros"]
    what = Text(_what(entry))
    for line in _why(entry):
        what.append(f"\n{line}", style="dim")
    return (
        str(number),
        f"{created_at:%d %b %H:%M}",
        what,
        Text(dollars(amount, signed=amount != 0), style="green" if amount > 0 else ""),
        dollars(entry["balance_after_micros"]),
    )


def _what(entry: Entry) -> str:
    facts = entry["metadata"]
    match entry["reason"]:
        case "call":
            other = f"from {facts['from']}" if facts["direction"] == "inbound" else f"to {facts['to']}"
            recorded = ", recorded" if "recorded_seconds" in facts else ""
            return f"Call {other}, {clock(facts['duration_seconds'])}{recorded}{_when(entry)}"
        case "sms":
            return f"SMS to {facts['to']}"
        case "usage_adjusted":
            return f"Correction: the call was {clock(facts['duration_seconds'])} long"
        case _:
            return str(entry["description"])


def _when(entry: Entry) -> str:
    """When the call began, of a call that was told of long after."""
    started_at = datetime.fromisoformat(entry["metadata"]["started_at"])
    ended_at = datetime.fromisoformat(entry["metadata"]["ended_at"])
    is_late = datetime.fromisoformat(entry["created_at"]) - ended_at > TOLD_LATE
    return f", at {started_at:%H:%M}, told late" if is_late else ""


def _why(entry: Entry) -> list[str]:
    facts = entry["metadata"]
    components = facts.get("components", ())
    lines = [explained(components)] if components else []
    if pools_ms := facts.get("minute_pools_ms"):
        lines.append(minutes_explained(pools_ms))
    if entry["reason"] == "usage_adjusted":
        lines = [f"it should have been {lines[0] if lines else 'nothing'}; the difference is given back"]
    if facts.get("overrun"):
        lines.append("longer than its money was held for: charged in full")
    return lines


def _sums(entries: Sequence[Entry]) -> tuple[int, int]:
    amounts = [entry["amount_micros"] for entry in entries]
    return sum(amount for amount in amounts if amount > 0), -sum(amount for amount in amounts if amount < 0)


def _reasons(entries: Sequence[Entry]) -> str:
    """ "$10.00 sign-up credit − $0.76 for 2 calls − …", in the order in which they first came; minutes after money."""
    sums: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    pools_ms: Counter[str] = Counter()
    for entry in entries:
        on_plan = entry["metadata"].get("minute_pools_ms", {})
        pools_ms.update(on_plan)
        if not on_plan:
            sums[entry["reason"]] += entry["amount_micros"]
            counts[entry["reason"]] += 1
    parts = [
        f"{MINUS if amount < 0 else '+'} {dollars(abs(amount))} {_named(reason, counts[reason])}"
        for reason, amount in sums.items()
    ]
    money = " ".join(parts).removeprefix("+ ") or "no money has moved"
    return f"{money}; minutes talked: {minutes_explained(pools_ms)}" if pools_ms else money


def _named(reason: str, count: int) -> str:
    if reason not in COUNTED:
        return NAMES.get(reason, reason)
    noun = COUNTED[reason]
    return f"for {count} SMS" if noun == "SMS" else f"for {counted(count, noun)}"
