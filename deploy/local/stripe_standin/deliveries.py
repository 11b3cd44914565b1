"""The queue of webhook deliveries: one row per event and endpoint, kept until it is answered with 2xx."""

from dataclasses import dataclass

from .store import Store

_ENQUEUE = "INSERT INTO deliveries (event_id, endpoint_id, state, next_at, attempts) VALUES (?, ?, 'pending', ?, ?)"
_DUE = """
    SELECT id, event_id, endpoint_id, attempts FROM deliveries
    WHERE state = 'pending' AND next_at <= ? ORDER BY next_at, id LIMIT ?
"""
_PENDING = "SELECT count(*) FROM deliveries WHERE state = 'pending'"
_FINISH = "UPDATE deliveries SET state = ?, attempts = ?, last_status = ? WHERE id = ?"
_POSTPONE = "UPDATE deliveries SET next_at = ?, attempts = ?, last_status = ? WHERE id = ?"
_UNDELIVERED = "SELECT count(*) FROM deliveries WHERE event_id = ? AND state != 'delivered'"
_ALL = """
    SELECT d.event_id, json_extract(o.body, '$.type'), d.endpoint_id, d.state, d.attempts, d.last_status
    FROM deliveries d JOIN objects o ON o.id = d.event_id ORDER BY d.id
"""


@dataclass(frozen=True)
class Delivery:
    """`attempts` is how often it was tried already."""

    id: int
    event_id: str
    endpoint_id: str
    attempts: int


def enqueue(store: Store, event_id: str, endpoint_id: str, not_before: float, attempts: int = 0) -> None:
    store.connection.execute(_ENQUEUE, (event_id, endpoint_id, not_before, attempts))


def due(store: Store, now: float, limit: int) -> list[Delivery]:
    return [Delivery(*row) for row in store.connection.execute(_DUE, (now, limit))]


def pending_count(store: Store) -> int:
    count: int = store.connection.execute(_PENDING).fetchone()[0]
    return count


def finish(store: Store, delivery: Delivery, state: str, status: int | None) -> None:
    """`state`: delivered, dropped or failed."""
    store.connection.execute(_FINISH, (state, delivery.attempts + 1, status, delivery.id))


def postpone(store: Store, delivery: Delivery, until: float, status: int | None, *, counted: bool = True) -> None:
    attempts = delivery.attempts + 1 if counted else delivery.attempts
    store.connection.execute(_POSTPONE, (until, attempts, status, delivery.id))


def is_delivered(store: Store, event_id: str) -> bool:
    """Stripe's `delivery_success`: nothing of this event is pending or given up."""
    return bool(store.connection.execute(_UNDELIVERED, (event_id,)).fetchone()[0] == 0)


def delivery_journal(store: Store) -> list[dict[str, object]]:
    names = ("event", "type", "endpoint", "state", "attempts", "last_status")
    return [dict(zip(names, row, strict=True)) for row in store.connection.execute(_ALL)]
