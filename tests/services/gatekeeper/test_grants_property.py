"""Whatever the prices and the money: a grant never holds more than is available, and is the largest that fits."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.gatekeeper.domain.asks import Ask
from services.gatekeeper.domain.decide import Circumstances, decide
from services.gatekeeper.domain.outcomes import Allowed, Refused, Released
from services.gatekeeper.domain.state import Account, Hold, Seen
from shared.rating.compiled import CompiledBook, compile_book
from shared.rating.grant import CallPrice, call_price
from shared.rating.items import Book

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRICES = st.sampled_from(["0", "0.000001", "0.0075", "0.01", "0.18", "1.5"])


@st.composite
def books(draw: st.DrawFn) -> CompiledBook:
    item: dict[str, Any] = {"item": "voice", "price_usd": draw(PRICES), "per": "minute"}
    item["increment_seconds"] = draw(st.sampled_from([1, 6, 30, 60]))
    item["setup_usd"] = draw(PRICES)
    item["free_seconds"] = draw(st.sampled_from([0, 10, 120]))
    return compile_book(Book.model_validate({"items": [item]}))


def ask(ref_id: str, seconds: int, action: Any = "check") -> Ask:
    request = f'{{"direction":"outbound","from":"+1","to":"+2","tier":null,"recorded":false,"wanted":{seconds}}}'
    return Ask("call", action, "a", ref_id, seconds, direction="outbound", from_="+1", to="+2", request=request)


def around(book: CompiledBook, now: datetime = NOW) -> Circumstances:
    return Circumstances(now, 200_000, lambda account: book, lambda: "hold_1")


def price_of(book: CompiledBook) -> CallPrice:
    price = call_price(book=book, direction="outbound", to="+2", at=NOW, recorded=False)
    assert isinstance(price, CallPrice)
    return price


@given(
    book=books(),
    balance=st.integers(-1_000_000, 3_000_000),
    credit=st.sampled_from([0, 500_000]),
    held=st.integers(0, 1_000_000),
    seconds=st.integers(60, 4_000),
)
def test_the_grant_is_the_largest_that_is_affordable(
    book: CompiledBook, balance: int, credit: int, held: int, seconds: int
) -> None:
    """refused when cost(60) > available; else the largest n <= seconds with cost(n) <= available, exactly held."""
    account = Account("a", balance_micros=balance, credit_limit_micros=credit, held_micros=held)
    price, available = price_of(book), max(account.available_micros, 0)
    outcome = decide(ask("c", seconds), Seen(account), around(book))
    if price.cost(60) > available:
        assert isinstance(outcome, Refused)
        return
    assert isinstance(outcome, Allowed)
    n = outcome.hold.granted
    assert outcome.hold.amount_micros == price.cost(n) <= available
    assert n == seconds or price.cost(n + 1) > available
    assert outcome.hold.is_final == (price.cost(n + 1) > available)


steps = st.lists(
    st.tuples(st.sampled_from(["check", "extend", "release", "wait"]), st.sampled_from("abcd"), st.integers(60, 2_000)),
    max_size=30,
)


@given(book=books(), balance=st.integers(0, 2_000_000), steps=steps)
def test_holds_never_exceed_what_is_available(
    book: CompiledBook, balance: int, steps: list[tuple[Any, str, int]]
) -> None:
    """Holds granted and not yet billed never exceed what was available when they were granted (§9.3)."""
    account = Account("a", balance_micros=balance)
    holds: dict[str, Hold] = {}
    now = NOW
    for action, ref_id, seconds in steps:
        if action == "wait":
            now += timedelta(seconds=seconds)
            continue
        before = holds.get(ref_id)
        outcome = decide(ask(ref_id, seconds, action), Seen(account, before), around(book, now))
        if isinstance(outcome, Allowed | Released) and outcome.hold is not None:
            if isinstance(outcome, Released) or outcome.is_new:
                account.apply(kind="call", before=before, after=outcome.hold)
            holds[ref_id] = outcome.hold
        still_open = [hold for hold in holds.values() if hold.state == "open"]
        assert account.held_micros == sum(hold.amount_micros for hold in still_open) <= balance
        assert account.open_call_holds == len(still_open)
