"""The durable books: one SQLite file, written ahead, so that a killed process loses no committed answer."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import Json, missing

_INSERT = "INSERT INTO objects (id, kind, created, body, private) VALUES (?, ?, ?, ?, ?)"
_UPDATE = "UPDATE objects SET body = ?, private = ? WHERE id = ?"
_FIND = "SELECT seq, id, kind, created, body, private FROM objects WHERE id = ?"
_COUNTS = "SELECT kind, count(*) FROM objects GROUP BY kind"
# One statement for every list: a filter that is not given is NULL. Newest first, or oldest first for a page
# that ends before a cursor.
_FILTER = """
    kind = :kind
    AND (:customer IS NULL OR json_extract(body, '$.customer') = :customer)
    AND (:payment_intent IS NULL OR json_extract(body, '$.payment_intent') = :payment_intent)
    AND (:charge IS NULL OR json_extract(body, '$.charge') = :charge)
    AND (:gt IS NULL OR created > :gt) AND (:gte IS NULL OR created >= :gte)
    AND (:lt IS NULL OR created < :lt) AND (:lte IS NULL OR created <= :lte)
    AND (:below IS NULL OR seq < :below) AND (:above IS NULL OR seq > :above)
"""
_COLUMNS = "SELECT seq, id, kind, created, body, private FROM objects WHERE"
_NEWEST = _COLUMNS + _FILTER + "ORDER BY seq DESC"
_OLDEST = _COLUMNS + _FILTER + "ORDER BY seq"
_NO_FILTER = dict.fromkeys(("customer", "payment_intent", "charge", "gt", "gte", "lt", "lte", "below", "above"))
_NOUNS = {"payment_method": "PaymentMethod", "setup_intent": "setupintent", "checkout_session": "checkout.session"}
_EMPTY = """
    BEGIN IMMEDIATE;
    DELETE FROM objects; DELETE FROM answers; DELETE FROM deliveries; DELETE FROM requests; DELETE FROM facts;
    COMMIT;
"""


@dataclass
class Record:
    """One stored object; `body` and `private` may be changed and saved."""

    seq: int
    id: str
    kind: str
    created: int
    body: Json
    private: Json


class Store:
    """Everything in it happens inside `transaction()`; one process, one thread."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(folder / "stripe.sqlite3", isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        # NORMAL survives the death of the process; only a dead machine may lose the last commits.
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.executescript((Path(__file__).parent / "schema.sql").read_text())

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits at the end, rolls back on an exception."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def insert(self, kind: str, body: Json, private: Json | None = None) -> Record:
        row = (body["id"], kind, body["created"], json.dumps(body), json.dumps(private or {}))
        self.connection.execute(_INSERT, row)
        return self.get(body["id"])

    def save(self, record: Record) -> None:
        self.connection.execute(_UPDATE, (json.dumps(record.body), json.dumps(record.private), record.id))

    def remove(self, record: Record) -> None:
        self.connection.execute("DELETE FROM objects WHERE id = ?", (record.id,))

    def find(self, object_id: str, kind: str | None = None) -> Record | None:
        row = self.connection.execute(_FIND, (object_id,)).fetchone()
        return _record(row) if row and kind in (None, row[2]) else None

    def get(self, object_id: str) -> Record:
        record = self.find(object_id)
        assert record is not None, f"{object_id} is referred to but not stored"
        return record

    def require(self, kind: str, object_id: str, param: str, *, status: int = 404) -> Record:
        """Raises 404 `resource_missing` (400 where the id is a parameter of another object)."""
        record = self.find(object_id, kind)
        if record is None:
            raise missing(_NOUNS.get(kind, kind), object_id, param, status=status)
        return record

    def each(self, kind: str, *, oldest_first: bool = False, **where: Any) -> Iterator[Record]:
        """The objects of a kind, newest first; `where` names the filters of the statement above."""
        rows = self.connection.execute(_OLDEST if oldest_first else _NEWEST, {**_NO_FILTER, **where, "kind": kind})
        return (_record(row) for row in rows)

    def counts(self) -> dict[str, int]:
        return dict(self.connection.execute(_COUNTS).fetchall())

    def fact(self, name: str) -> str | None:
        row = self.connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set_fact(self, name: str, value: str) -> None:
        self.connection.execute(
            "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def empty(self) -> None:
        """Forget everything, the webhook endpoints included. Not inside a transaction."""
        self.connection.executescript(_EMPTY)


def _record(row: tuple[Any, ...]) -> Record:
    seq, object_id, kind, created, body, private = row
    return Record(seq, object_id, kind, created, json.loads(body), json.loads(private))
