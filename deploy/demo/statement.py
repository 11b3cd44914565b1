"""A customer's statement: every transaction with what it is made of, and why the balance is what it is.

Nothing is taken on trust: each line is calculated again, the lines are added up, and the sum is compared with the
account, with what the dashboard heard and with what the script said. Raises NotAsWritten where they differ.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from rich.text import Text

from deploy.demo.day import Customer, Day
from deploy.demo.money import MINUS, clock, cost_micros, counted, dollars, explained, micros
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


async def print_statement(day: Day, customer: Customer) -> None:
    """Read it with the customer's own key, check it, print it."""
    entries = await _entries(day, customer)
    account = await day.http.ask("GET", f"/v1/accounts/{customer.id}")
    heard = day.dashboard.balance(customer.id)
    check_chain(entries)
    for entry in entries:
        check_components(entry)
    day.paper.title(f"Statement: {customer.name}", f"account {customer.id}, read with the customer's own key")
    rows = [_row(number, entry) for number, entry in enumerate(entries, start=1)]
    day.paper.table(("#", "when (UTC)", "what", "amount", "balance"), rows, right=("amount", "balance"))
    credits, debits = _sums(entries)
    balance = entries[-1]["balance_after_micros"] if entries else 0
    for name, figure in (
        ("opening + credits − debits", credits - debits),
        ("the account", account["balance_micros"]),
        ("the script", customer.expected_micros),
    ):
        if figure != balance:
            raise NotAsWritten(f"{customer.name}: the last line says {dollars(balance)}, {name} {dollars(figure)}")
    if heard["balance_cents"] != balance // 10_000:
        raise NotAsWritten(f"{customer.name}: the dashboard last heard {heard['balance_usd']}, not {dollars(balance)}")
    day.paper.say(f"  Why {dollars(balance)}: {_reasons(entries)}.")
    day.paper.say(
        f"  opening $0.00 + credits {dollars(credits)} − debits {dollars(debits)} = balance {dollars(balance)}",
        style="bold",
    )
    day.paper.step(
        "every cent explained",
        f"{len(entries)} lines recalculated; their sum = the account = the dashboard (version {heard['version']})",
    )
    if account["held_cents"]:
        raise NotAsWritten(f"{customer.name}: {account['held_cents']} cents are still held at the end of the day")


async def _entries(day: Day, customer: Customer) -> list[Entry]:
    """All of them, oldest first."""
    entries: list[Entry] = []
    while True:
        path = f"/v1/billing/transactions?limit={PAGE}&offset={len(entries)}"
        page = await day.http.ask("GET", path, key=customer.key)
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
    if entry["reason"] in ("call", "sms", "chat", "number_fee") and entry["amount_micros"] != -total:
        raise NotAsWritten(f"transaction {entry['id']} took {entry['amount_micros']} micros for {total}")


def _row(number: int, entry: Entry) -> tuple[str, str, Text, Text, str]:
    created_at = datetime.fromisoformat(entry["created_at"])
    amount = entry["amount_micros"]
    what = Text(_what(entry))
    for line in _why(entry):
        what.append(f"\n{line}", style="dim")
    return (
        str(number),
        f"{created_at:%d %b %H:%M:%S}",
        what,
        Text(dollars(amount, signed=True), style="green" if amount > 0 else ""),
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
    if entry["reason"] == "usage_adjusted":
        lines = [f"it should have been {lines[0] if lines else 'nothing'}; the difference is given back"]
    if facts.get("overrun"):
        lines.append("longer than its money was held for: charged in full")
    return lines


def _sums(entries: Sequence[Entry]) -> tuple[int, int]:
    amounts = [entry["amount_micros"] for entry in entries]
    return sum(amount for amount in amounts if amount > 0), -sum(amount for amount in amounts if amount < 0)


def _reasons(entries: Sequence[Entry]) -> str:
    """ "$10.00 sign-up credit − $0.76 for 2 calls − …", in the order in which they first came."""
    sums: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for entry in entries:
        sums[entry["reason"]] += entry["amount_micros"]
        counts[entry["reason"]] += 1
    parts = [
        f"{MINUS if amount < 0 else '+'} {dollars(abs(amount))} {_named(reason, counts[reason])}"
        for reason, amount in sums.items()
    ]
    return " ".join(parts).removeprefix("+ ")


def _named(reason: str, count: int) -> str:
    if reason not in COUNTED:
        return NAMES.get(reason, reason)
    noun = COUNTED[reason]
    return f"for {count} SMS" if noun == "SMS" else f"for {counted(count, noun)}"
