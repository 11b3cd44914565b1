"""The journal of requests, as Stripe's dashboard shows it: what came, what was answered, which fault hit."""

from dataclasses import dataclass

from .store import Store

_NOTE = """
    INSERT INTO requests (request_id, at, method, path, key, status, replayed, fault) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_PRUNE = "DELETE FROM requests WHERE id <= (SELECT max(id) FROM requests) - ?"
_ALL = "SELECT request_id, at, method, path, key, status, replayed, fault FROM requests ORDER BY id"
KEPT_MAX = 5000


@dataclass
class Entry:
    """`status` is what Stripe did (None: it never ran), whatever a fault then made of the answer."""

    request_id: str
    at: float
    method: str
    path: str
    key: str | None
    status: int | None = None
    replayed: bool = False
    fault: str | None = None


def note_request(store: Store, entry: Entry) -> None:
    row = (
        entry.request_id,
        entry.at,
        entry.method,
        entry.path,
        entry.key,
        entry.status,
        entry.replayed,
        entry.fault,
    )
    store.connection.execute(_NOTE, row)
    store.connection.execute(_PRUNE, (KEPT_MAX,))


def request_journal(store: Store) -> list[dict[str, object]]:
    names = ("request_id", "at", "method", "path", "idempotency_key", "status", "replayed", "fault")
    entries = [dict(zip(names, row, strict=True)) for row in store.connection.execute(_ALL)]
    return [{**entry, "replayed": bool(entry["replayed"])} for entry in entries]
