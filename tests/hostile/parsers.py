"""Every parser of bytes or text from outside, as a function of bytes that may refuse and may do nothing else.

The tests feed them what hypothesis makes, `python -m tests.hostile.fuzz` what coverage-guided mutation finds. Where two
ways to read the same exist, they are compared.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import orjson
from pydantic import ValidationError

from services.commands.rate_deck import DeckRefused, book_from_deck
from services.gatekeeper.requests import read_check, read_extension, read_release
from services.ledger.domain.usage import UsageFact, read_usage
from services.payments.provider import BadSignature, NotAnEvent
from services.payments.stripe_webhooks import read_webhook
from shared import strict_json
from shared.access import secret_of
from shared.contracts.checks_v1 import Kind
from shared.contracts.fields_v1 import EARLIEST_YEAR, LATEST_YEAR, instant
from shared.contracts.ops_v1 import MODELS as COMMANDS
from shared.contracts.usage_v1 import MODELS as USAGE
from shared.http_errors import ApiError
from shared.messaging.cloudevents import InvalidEnvelope, parse_envelope, parse_events, parse_instant
from shared.money import MICROS_PER_CENT, micros_of_price
from shared.rating.book import Book, book_json, read_book
from shared.rating.compiled import ZoneIndex, compile_book
from shared.rating.default_book import DEFAULT_BOOK
from shared.rating.segments import segment_count

SECRET = "whsec_of_the_fuzzer"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
KINDS: tuple[Kind, ...] = ("call", "sms", "chat", "campaign")
ZONES = ZoneIndex({"de": ["49", "4915"], "us": ["1"], "odd": ["4930", "999999999999999"]})


def strict(data: bytes) -> None:
    """What we take, every parser takes, and reads the same."""
    with suppress(strict_json.NotStrictJson):
        value = strict_json.loads(data)
        assert json.loads(data, parse_int=_whole) == value
        assert strict_json.loads(orjson.dumps(value)) == value


def _whole(text: str) -> int | float:
    """What does not fit in 64 bits is read as a float, which no field of whole numbers takes."""
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        return float(text)
    return int(text)


def envelopes(data: bytes) -> None:
    with suppress(strict_json.NotStrictJson):
        for element in parse_events(data):
            with suppress(InvalidEnvelope):
                envelope = parse_envelope(element)
                assert envelope.time is None or envelope.time.tzinfo is not None


def usage(data: bytes) -> None:
    """A fact or a refusal, never an exception; what is a fact has quantities that a bigint holds many times over."""
    with suppress(strict_json.NotStrictJson):
        for element in parse_events(data):
            fact = read_usage(element, received_at=NOW)
            if isinstance(fact, UsageFact):
                assert EARLIEST_YEAR <= fact.occurred_at.year < LATEST_YEAR


def contracts(data: bytes) -> None:
    with suppress(strict_json.NotStrictJson):
        value = strict_json.loads(data)
        for model in (*USAGE.values(), *COMMANDS.values()):
            with suppress(ValidationError):
                model.model_validate(value)


def checks(data: bytes) -> None:
    with suppress(strict_json.NotStrictJson):
        value = strict_json.loads(data)
        for kind in KINDS:
            with suppress(ApiError):
                read_check(kind, value)
            with suppress(ApiError):
                read_release(kind, "an-id", value)
        with suppress(ApiError):
            read_extension("an-id", value)


def instants(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    with suppress(ValueError):
        read = instant(text)
        assert read.tzinfo is not None
        assert EARLIEST_YEAR <= read.year < LATEST_YEAR
    with suppress(InvalidEnvelope):
        assert parse_instant(text).tzinfo is not None
    with suppress(ValueError, InvalidEnvelope):
        number = float(text)
        parse_instant(number)
        instant(number)


def price_books(data: bytes) -> None:
    """A book that is taken can be compiled, shown and taken again."""
    with suppress(strict_json.NotStrictJson):
        book = read_book(strict_json.loads(data))
        if isinstance(book, Book):
            compile_book(book)
            assert isinstance(read_book(book_json(book)), Book)


def rate_decks(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for whole in (text, "item,price,prefix,zone\n" + text):
        with suppress(DeckRefused):
            book, _ = book_from_deck(whole, DEFAULT_BOOK)
            assert book.items


def webhooks(data: bytes) -> None:
    """Signed as Stripe would: what is inside still may be anything."""
    at = int(time.time())
    signed = hmac.new(SECRET.encode(), f"{at}.".encode() + data, hashlib.sha256).hexdigest()
    for header in (f"t={at},v1={signed}", data.decode("latin-1")):
        with suppress(BadSignature, NotAnEvent):
            read_webhook(data, {"stripe-signature": header}, [SECRET], [datetime.fromtimestamp(at, UTC)])


def prefixes(data: bytes) -> None:
    """A number is found by its digits, whatever stands around them; none is found by what is not a digit."""
    text = data.decode("utf-8", "replace")
    digits = "".join(character for character in text if character in "0123456789")
    assert ZONES.zone_of(text) == ZONES.zone_of(digits)


def segments(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    count = segment_count(text)
    assert 1 <= count <= 1 + 2 * len(text)
    assert segment_count(text + "\u4f60") >= count


def prices(data: bytes) -> None:
    with suppress(ValueError):
        micros = micros_of_price(data.decode("utf-8", "replace"))
        assert 0 <= micros < 2**63 // MICROS_PER_CENT


def authorizations(data: bytes) -> None:
    with suppress(ApiError):
        assert secret_of(data.decode("latin-1"))


PARSERS: dict[str, Callable[[bytes], None]] = {
    parser.__name__: parser
    for parser in (
        strict,
        envelopes,
        usage,
        contracts,
        checks,
        instants,
        price_books,
        rate_decks,
        webhooks,
        prefixes,
        segments,
        prices,
        authorizations,
    )
}
