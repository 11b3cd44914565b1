"""An account explained to a person: what it has, why it is as it is, what happened last."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.commands.component_words import component_in_words
from services.commands.payment_words import payments_in_words
from shared.money import six_decimals, usd_text

Json = Mapping[str, Any]

BILLING_REASONS: Final = {
    "balance_depleted": "the balance and credit limit are used up and there was no card to charge",
    "payment_failed": "the balance and credit limit are used up and the last charge failed",
}
KINDS: Final = {"call": "call", "sms": "message", "chat": "chat"}
GRANTED: Final = {
    "granted_seconds": "seconds",
    "granted_segments": "segments",
    "granted_messages": "messages",
}


@dataclass(frozen=True)
class Account:
    """What the API tells of one account; `transactions` newest first."""

    state: Json
    transactions: Sequence[Json]
    holds: Sequence[Json]
    numbers: Sequence[Json]
    billing: Json | None
    charges: Sequence[Json]

    def as_json(self) -> dict[str, Any]:
        return {
            "account": self.state,
            "transactions": self.transactions,
            "open_holds": self.holds,
            "numbers": self.numbers,
            "billing": self.billing,
            "charges": self.charges,
        }


def in_words(account: Account) -> list[str]:
    """Line by line."""
    return [
        *_who(account.state),
        *_money(account),
        *_status(account.state),
        *_holds(account.holds),
        *_numbers(account.numbers),
        *(payments_in_words(account.billing, account.charges) if account.billing else ()),
        *_transactions(account.transactions),
    ]


def _who(state: Json) -> Iterator[str]:
    what = "agency" if state["agency"] else f"client of {state['parent_id']}" if state["parent_id"] else "account"
    yield f"{state['name']}: {what} {state['account_id']}, opened {state['created_at']}"
    yield ""


def _money(account: Account) -> Iterator[str]:
    state = account.state
    yield f"  balance    ${state['balance_usd']}   (exactly ${six_decimals(state['balance_micros'])})"
    if state["credit_limit_cents"]:
        yield f"  credit     ${usd_text(state['credit_limit_cents'])}   it may go so far below zero"
    yield f"  held       ${usd_text(state['held_cents'])}   ring-fenced for {_count(len(account.holds), 'open hold')}"
    yield f"  available  ${state['available_usd']}   what the next call can use"
    pools = state.get("minute_pools")
    if pools:
        yield (
            f"  minutes    {pools['included_seconds']} seconds included,"
            f" {pools['wallet_seconds']} in the minute wallet, {pools['billable_seconds']} billable"
        )
    limits = [
        None if (limit := state["monthly_spend_limit_cents"]) is None else f"${usd_text(limit)} a month",
        None if (calls := state["max_concurrent_calls"]) is None else f"{_count(calls, 'call')} at once",
    ]
    if any(limits):
        yield f"  limits     {', '.join(filter(None, limits))}"


def _status(state: Json) -> Iterator[str]:
    yield ""
    if state["status"] == "active":
        yield "It is active."
    elif state["status"] == "disabled":
        yield "It is disabled: the gate refuses everything, until `ringfence account enable`."
    for by in state["suspended_by"]:
        reason = state["reason"]
        if by == "manual":
            yield f"It is suspended by hand: {reason}. Only `ringfence account reinstate` lifts that."
        else:
            yield f"It is suspended for want of money: {BILLING_REASONS.get(reason, reason)}. A payment lifts that."


def _holds(holds: Sequence[Json]) -> Iterator[str]:
    if not holds:
        return
    yield ""
    yield "Open holds:"
    for hold in holds:
        granted = next((f"{hold[key]} {unit}" for key, unit in GRANTED.items() if hold.get(key) is not None), "")
        yield (
            f"  {KINDS.get(hold['kind'], hold['kind'])} {hold['id']}: ${hold['held_usd']} for {granted},"
            f" until {hold['expires_at']}"
        )


def _numbers(numbers: Sequence[Json]) -> Iterator[str]:
    if not numbers:
        return
    yield ""
    yield "Numbers:"
    for number in numbers:
        why = f" ({number['reason']})" if number["reason"] else ""
        fee = f", ${number['fee_usd']} due {number['next_fee_at']}" if number["next_fee_at"] else ""
        yield f"  {number['number']} ({number['number_id']}) is {number['status']}{why}{fee}"


def _transactions(transactions: Sequence[Json]) -> Iterator[str]:
    yield ""
    if not transactions:
        yield "Nothing has happened yet."
        return
    yield f"Last {_count(len(transactions), 'transaction')}, newest first:"
    for entry in transactions:
        yield (
            f"  {entry['created_at']}  {signed(entry['amount_micros']):>14}  balance ${entry['balance_after_usd']}"
            f"  {entry['description']}"
        )
        yield from (f"      {component_in_words(part)}" for part in entry["metadata"].get("components", ()))
        if entry["metadata"].get("overrun"):
            yield "      it went beyond what was held for it (overrun)"


def signed(micros: int) -> str:
    """ "+$10.00"; all six decimals only where cents do not say it."""
    sign = "-" if micros < 0 else "+"
    exact = six_decimals(abs(micros))
    return f"{sign}${exact.removesuffix('0000') if exact.endswith('0000') else exact}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
