"""Corrections and refunds of the same usage (contract §3 usage.adjusted, §4 refund: "never more than the original")."""

from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.correcting import difference_micros

MICROS = st.integers(0, 10**12)
STEPS = st.lists(st.tuples(st.sampled_from(["correct", "refund"]), MICROS), max_size=12)


@given(MICROS, STEPS)
def test_refunds_and_corrections_together_never_give_back_more_than_was_taken(
    original: int, steps: list[tuple[str, int]]
) -> None:
    posted, refunded, price = -original, 0, original
    for step, micros in steps:
        if step == "correct":
            price = micros
            posted += difference_micros(price_micros=price, posted_micros=posted, refunded_micros=refunded)
        else:
            # As refund_debit_v1 has it: never more than the original less what came back of it.
            left = original - refunded - max(0, posted + original)
            refunded += min(micros, left) if left > 0 else 0
        assert posted + refunded <= 0, "nobody is paid for using"
        assert refunded + max(0, posted + original) <= original
    if refunded <= price:
        settled = posted + difference_micros(price_micros=price, posted_micros=posted, refunded_micros=refunded)
        assert settled == -price, "the postings come to the corrected price wherever refunds leave room for it"


@given(MICROS, st.lists(MICROS, min_size=1), st.data())
def test_corrections_end_alike_in_any_order(original: int, prices: list[int], data: st.DataObject) -> None:
    refunded = data.draw(st.integers(0, original))
    posted = -original
    for price in prices:
        posted += difference_micros(price_micros=price, posted_micros=posted, refunded_micros=refunded)
    at_once = difference_micros(price_micros=prices[-1], posted_micros=-original, refunded_micros=refunded)
    assert posted == at_once - original
