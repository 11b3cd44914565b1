"""Random price books for the properties, as published JSON, and shortcuts to compile them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from shared.rating.book import Book, Overrides, read_book, read_overrides
from shared.rating.compiled import CompiledBook, compile_book

Json = dict[str, Any]
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday."""

ZONES = {"de": ["49"], "berlin": ["4930"], "us": ["1"], "nyc": ["1212", "1646"]}
NUMBERS = ["+49 30 1234", "+4989555", "+12125550100", "1-415-555", "+33123", "12", ""]
TIERS = ["premium", "basic"]
DIRECTIONS = ["outbound", "inbound"]
TIMEZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]


def compiled(raw: Json, overrides: list[Json] | None = None) -> CompiledBook:
    """The usable form of a book that must be valid."""
    book = read_book(raw)
    assert isinstance(book, Book), book
    if overrides is None:
        return compile_book(book)
    own = read_overrides({"items": overrides}, book.zones)
    assert isinstance(own, Overrides), own
    return compile_book(book).with_overrides(own)


def voice(price: str = "0.06", **keys: Any) -> Json:
    """A voice item."""
    return {"item": "voice", "price_usd": price, "per": "minute", **keys}


def voice_book(price: str = "0.06", **keys: Any) -> CompiledBook:
    """A book of one voice item."""
    return compiled({"zones": ZONES, "items": [voice(price, **keys)]})


prices = st.integers(0, 2_000_000).map(lambda micros: f"{micros // 10**6}.{micros % 10**6:06d}")
moments = st.builds(
    lambda day, second, micro: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(day, second, micro),
    st.one_of(st.integers(0, 400), st.sampled_from([66, 67, 86, 87, 93, 94, 297, 303, 304])),
    st.integers(0, 86_399),
    st.sampled_from([0, 0, 1, 500_000, 999_999]),
)
times = st.builds(lambda h, m: f"{h:02d}:{m:02d}", st.integers(0, 23), st.sampled_from([0, 1, 30, 59]))
seconds = st.one_of(st.integers(1, 200), st.integers(1, 6_000), st.sampled_from([59, 60, 61, 3_600, 9_000]))


@st.composite
def hours(draw: st.DrawFn) -> Json:
    """Any window."""
    days = draw(st.lists(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=1, unique=True))
    return {"days": days, "from": draw(times), "to": draw(times), "timezone": draw(st.sampled_from(TIMEZONES))}


@st.composite
def steps(draw: st.DrawFn) -> list[Json]:
    """Rising steps."""
    starts = sorted(draw(st.sets(st.integers(0, 600), max_size=3)))
    return [
        {"from_seconds": start, "price_usd": draw(prices), "per": "minute", "increment_seconds": draw(increments)}
        for start in starts
    ]


increments = st.one_of(st.sampled_from([1, 6, 30, 60, 60, 60, 90]), st.integers(1, 120))


@st.composite
def call_items(draw: st.DrawFn, zones: list[str]) -> list[Json]:
    """Items of calls without twins."""
    found: dict[tuple[object, ...], Json] = {}
    for _ in range(draw(st.integers(1, 8))):
        item: Json = {"item": draw(st.sampled_from(["voice", "voice", "telephony", "recording"]))}
        options: dict[str, st.SearchStrategy[Any]] = {
            "zone": st.sampled_from(zones),
            "tier": st.sampled_from(TIERS),
            "direction": st.sampled_from(DIRECTIONS),
            "hours": hours(),
        }
        for key in draw(st.sets(st.sampled_from(sorted(options)), max_size=2)):
            item[key] = draw(options[key])
        item |= {"price_usd": draw(prices), "per": "minute"}
        rules: dict[str, st.SearchStrategy[Any]] = {
            "increment_seconds": increments,
            "minimum_seconds": st.integers(0, 200),
            "free_seconds": st.integers(0, 200),
            "setup_usd": prices,
            "max_usd": prices,
            "round_to_cents": st.booleans(),
            "steps": steps(),
        }
        for key in draw(st.sets(st.sampled_from(sorted(rules)))):
            item[key] = draw(rules[key])
        keys = [str(item.get(key)) for key in ("item", "zone", "tier", "direction")]
        found[(*keys, "hours" in item)] = item
    return list(found.values())


@st.composite
def books(draw: st.DrawFn) -> Json:
    """A valid call book."""
    return {"zones": ZONES, "items": draw(call_items(sorted(ZONES)))}


usages = st.fixed_dictionaries(
    {
        "to": st.sampled_from(NUMBERS),
        "tier": st.sampled_from([*TIERS, None]),
        "direction": st.sampled_from(DIRECTIONS),
    }
)
