"""Every price is what the slow, independent oracle says, and the properties money needs."""

import random
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.rating.compiled import CompiledBook
from shared.rating.cost import NotPriced, Rated, rate_call
from shared.rating.grant import CallPrice, call_price
from tests.domain.rating import books, oracle

Json = dict[str, Any]
overrides = st.one_of(st.just([]), books.call_items(sorted(books.ZONES)))


def rated(book: CompiledBook, usage: Json, at: datetime, talk: int, recorded: int) -> Rated | NotPriced:
    return rate_call(book=book, at=at, talk_seconds=talk, recorded_seconds=recorded, **usage)


@settings(max_examples=250, deadline=None)
@given(books.books(), overrides, books.usages, books.moments, books.seconds, st.sampled_from([0, 1, 61, 400]))
def test_a_call_costs_what_the_slow_oracle_says(
    raw: Json, own: list[Json], usage: Json, at: datetime, talk: int, recorded: int
) -> None:
    """ "Increments are counted from answer, each whole, priced by the step and hours window in which it begins" """
    expected = oracle.call_micros(raw, own, usage, at, talk, recorded)
    found = rated(books.compiled(raw, own), usage, at, talk, recorded)
    if isinstance(found, NotPriced):
        assert found.item == expected
    else:
        assert found.total_micros == expected
        assert found.total_micros == sum(component.amount_micros for component in found.components)


@settings(max_examples=200, deadline=None)
@given(books.books(), books.usages, books.moments, st.booleans(), st.integers(0, 5_000), st.data())
def test_the_gate_grants_the_largest_affordable_n_and_bills_what_it_said(
    raw: Json, usage: Json, at: datetime, recorded: bool, wanted: int, data: st.DataObject
) -> None:
    """ "`granted_seconds` = the largest n ≤ `seconds` with cost(n) ≤ available, and exactly cost(n) is held" """
    book = books.compiled(raw)
    price = call_price(book=book, at=at, recorded=recorded, **usage)
    if isinstance(price, NotPriced):
        assert rated(book, usage, at, 60, 60 if recorded else 0) == price
        return
    costs = [price.cost(n) for n in range(wanted + 2)]
    assert costs == sorted(costs), "the cost fell"
    available = data.draw(st.one_of(st.sampled_from(costs), st.integers(0, costs[-1] + 1)))
    granted = price.largest_affordable_seconds(available_micros=available, wanted_seconds=wanted)
    assert granted == max(n for n in range(wanted + 1) if costs[n] <= available)
    for seconds in {granted, *range(0, wanted, 1 + wanted // 100)}:
        billed = rated(book, usage, at, seconds, seconds if recorded else 0)
        assert isinstance(billed, Rated)
        assert billed.total_micros == costs[seconds]


flat_rules = st.fixed_dictionaries(
    {"price_usd": st.sampled_from(["0.00003", "0.00006", "0.1"]), "increment_seconds": st.sampled_from([1, 60])},
    optional={
        "minimum_seconds": st.just(30),
        "setup_usd": st.just("0.5"),
        "max_usd": st.just("0.500001"),
        "round_to_cents": st.just(True),
    },
)


@settings(max_examples=200, deadline=None)
@given(flat_rules, flat_rules, flat_rules, st.sampled_from([1, 2, 29, 31, 59, 60, 61, 3_600]))
def test_components_that_tick_together_cost_what_each_costs_alone(v: Json, t: Json, r: Json, talk: int) -> None:
    """ "A component's exact cost is rounded once … the total is their sum": adding first must not change a micro."""
    kinds = zip(("voice", "telephony", "recording"), (v, t, r), strict=True)
    book = books.compiled({"items": [{"item": kind, "per": "minute", **rules} for kind, rules in kinds]})
    usage: Json = {"to": "+49", "direction": "outbound"}
    price = call_price(book=book, at=books.NOON, recorded=True, **usage)
    billed = rated(book, usage, books.NOON, talk, talk)
    assert isinstance(price, CallPrice)
    assert isinstance(billed, Rated)
    assert price.cost(talk) == billed.total_micros


@settings(max_examples=60, deadline=None)
@given(books.books(), books.usages, books.moments, books.seconds, st.randoms())
def test_the_order_of_items_does_not_matter(
    raw: Json, usage: Json, at: datetime, talk: int, shuffler: random.Random
) -> None:
    shuffled = {**raw, "items": shuffler.sample(raw["items"], len(raw["items"]))}
    assert rated(books.compiled(shuffled), usage, at, talk, 0) == rated(books.compiled(raw), usage, at, talk, 0)


@settings(max_examples=60, deadline=None)
@given(books.books(), books.usages, books.moments, books.seconds)
def test_an_override_that_fits_beats_any_book_item(raw: Json, usage: Json, at: datetime, talk: int) -> None:
    """ "overrides, versioned alike, beat any book item" """
    own = [books.voice("0.5"), {**books.voice("0"), "item": "telephony"}]
    found = rated(books.compiled(raw, own), usage, at, talk, 0)
    assert isinstance(found, Rated)
    assert found.total_micros == -(-talk // 60) * 500_000


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 100_000), st.integers(1, 9), st.integers(1, 86_400))
def test_ten_times_the_price_is_ten_times_the_cost(micros: int, factor: int, talk: int) -> None:
    def total(price: int) -> int:
        book = books.voice_book(f"0.{price:06d}", increment_seconds=60)
        found = rated(book, {"to": "+49", "direction": "outbound"}, books.NOON, talk, 0)
        assert isinstance(found, Rated)
        return found.total_micros

    assert total(micros * factor) == factor * total(micros)


@pytest.mark.parametrize("recorded", [False, True])
def test_a_grant_is_exact_at_the_edges_of_a_day(recorded: bool) -> None:
    price = call_price(
        book=books.voice_book("0.06", increment_seconds=1, minimum_seconds=86_400),
        direction="outbound",
        to="+49",
        at=books.NOON,
        recorded=recorded,
    )
    assert isinstance(price, CallPrice)
    assert price.cost(86_400) == price.cost(1) == 86_400_000
    assert price.cost(86_401) == 86_401_000
    assert price.largest_affordable_seconds(available_micros=86_400_000, wanted_seconds=86_401) == 86_400
    assert price.largest_affordable_seconds(available_micros=86_399_999, wanted_seconds=86_400) == 0
