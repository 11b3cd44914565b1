"""What mutation starts from: one right input for each parser, and the hostile corpus."""

import orjson

from shared.rating.default_book import DEFAULT_BOOK
from tests.hostile.corpus import BODIES, TEXTS, VALUES
from tests.hostile.world import PRICE_BOOK
from tests.usage import call_ended, envelope, sms_sent

RIGHT: tuple[bytes, ...] = (
    orjson.dumps(call_ended("acme", "c1", 61)),
    orjson.dumps([sms_sent("acme", "m1"), sms_sent("acme", "m2", 3)]),
    orjson.dumps(
        envelope("usage.adjusted", {"account_id": "a", "refers_to": {"source": "s", "id": "i"}, "segments": 2})
    ),
    orjson.dumps(
        {"account_id": "a", "call_id": 7, "direction": "outbound", "from": "+4930", "to": "+491511", "seconds": 9}
    ),
    orjson.dumps(DEFAULT_BOOK),
    orjson.dumps(PRICE_BOOK),
    b"item,price,prefix,zone\nvoice,0.02,49,de\ntelephony;0.01;1;us\n",
    b'{"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "livemode": false, "created": 1,'
    b' "data": {"object": {"id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 500}}}',
    b"2026-11-24T15:04:05.123Z",
    b"2026-11-24T15:04:05+01:00",
    b"1767225600.5",
    b"+49 (1511) 234-567",
    b"0.000001",
    "Gr\u00fc\u00dfe {\u20ac} \u4f60\u597d".encode(),
    b"Bearer rf_abc",
    b"Basic YTpi",
)
FOUND: tuple[bytes, ...] = (
    orjson.dumps({**sms_sent("acme", "m1"), "time": "0001-01-01T00:00:00Z"}),
    orjson.dumps({**sms_sent("acme", "m1"), "time": 1}),
)
"""What fuzzing found once: usage of the year 1 was taken."""
SEEDS: tuple[bytes, ...] = (
    *RIGHT,
    *FOUND,
    *(body for body in BODIES.values() if len(body) < 2_000),
    *(text.encode("utf-8", "surrogatepass") for text in TEXTS.values() if len(text) < 500),
    *(value.encode("utf-8", "surrogatepass") for value in VALUES.values() if len(value) < 500),
)
