"""CloudEvents taken apart and put together."""

from datetime import UTC, datetime

import pytest

from shared import strict_json
from shared.messaging.cloudevents import (
    CloudEvent,
    InvalidEnvelope,
    cloud_event,
    parse_envelope,
    parse_events,
    parse_instant,
)

GOOD: dict[str, object] = {"specversion": "1.0", "id": "1", "source": "s", "type": "call.ended", "data": {"a": 1}}


def test_what_we_build_we_can_take_apart() -> None:
    time = datetime(2026, 11, 24, 15, 4, 5, 123000, tzinfo=UTC)
    body = cloud_event(id="ev_1", type="balance_low", time=time, subject="acc", data={"balance_cents": 199})
    assert parse_envelope(parse_events(body)[0]) == CloudEvent(
        "ev_1", "ringfence", "balance_low", time, "acc", {"balance_cents": 199}
    )
    assert b'"time":"2026-11-24T15:04:05.123Z"' in body
    assert b'"datacontenttype":"application/json"' in body


def test_an_array_is_a_batch_and_an_object_a_batch_of_one() -> None:
    """Contract §3: a JSON array is a batch."""
    assert parse_events(b'[{"a":1},2]') == [{"a": 1}, 2]
    assert parse_events(b'{"a":1}') == [{"a": 1}]
    with pytest.raises(strict_json.NotStrictJson):
        parse_events(b'{"a":1,"a":2}')


def test_unknown_attributes_are_ignored_and_optional_ones_may_be_missing() -> None:
    event = parse_envelope(GOOD | {"dataschema": 7, "x": None})
    assert (event.time, event.subject, event.data) == (None, None, {"a": 1})


@pytest.mark.parametrize(
    "change",
    [
        {"specversion": "0.3"},
        {"specversion": 1.0},
        {"specversion": None},
        {"id": ""},
        {"id": "x" * 129},
        {"id": 7},
        {"id": None},
        {"source": ""},
        {"source": "x" * 257},
        {"type": ""},
        {"type": ["call.ended"]},
        {"time": "2026-11-24T15:04:05"},
        {"time": "2026-11-24"},
        {"time": "20261124T150405Z"},
        {"time": "２０２６-11-24T15:04:05Z"},
        {"time": "2026-02-30T00:00:00Z"},
        {"time": "9999-12-31T23:59:59-01:00"},
        {"time": True},
        {"time": -1},
        {"time": 10**400},
        {"time": []},
        {"subject": 3},
    ],
)
def test_a_bad_attribute_is_named(change: dict[str, object]) -> None:
    with pytest.raises(InvalidEnvelope, match=next(iter(change))):
        parse_envelope(GOOD | change)


@pytest.mark.parametrize("element", [None, 1, "x", [], True])
def test_only_an_object_is_an_event(element: object) -> None:
    with pytest.raises(InvalidEnvelope):
        parse_envelope(element)


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("2026-11-24T15:04:05Z", datetime(2026, 11, 24, 15, 4, 5, tzinfo=UTC)),
        ("2026-11-24t16:04:05.5+01:00", datetime(2026, 11, 24, 15, 4, 5, 500000, tzinfo=UTC)),
        ("2026-11-24T15:04:05.123456789z", datetime(2026, 11, 24, 15, 4, 5, 123456, tzinfo=UTC)),
        (1_700_000_000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (1_700_000_000.25, datetime(2023, 11, 14, 22, 13, 20, 250000, tzinfo=UTC)),
    ],
)
def test_rfc3339_and_epoch_seconds_are_instants(value: object, instant: datetime) -> None:
    """Contract §0: time is RFC 3339; epoch seconds are accepted."""
    assert parse_instant(value) == instant
