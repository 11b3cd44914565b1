"""Idempotency keys as Stripe keeps them (docs.stripe.com/api/idempotent_requests).

An answer is kept once execution began: 2xx, 402 and 5xx. What was refused before that (validation, 404, 429) is
not, and the key stays free. Keys are forgotten after 24 hours; then the same key is a new request.
"""

import hashlib
import json
from dataclasses import dataclass

from .errors import IdempotencyConflict, InvalidRequest, Json
from .store import Store

KEPT_SECONDS = 24 * 3600
KEY_LENGTH_MAX = 255
_FIND = "SELECT fingerprint, request_id, status, body, created FROM answers WHERE key = ?"
_KEEP = """
    INSERT INTO answers (key, fingerprint, request_id, status, body, created) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, request_id = excluded.request_id,
        status = excluded.status, body = excluded.body, created = excluded.created
"""
_FORGET = "DELETE FROM answers WHERE (?1 IS NULL OR key = ?1)"


@dataclass(frozen=True)
class KeptAnswer:
    """The first answer given under a key."""

    fingerprint: str
    request_id: str
    status: int
    body: str
    created: int


def fingerprint(method: str, path: str, params: Json) -> str:
    """What must be the same when a key is used again."""
    return hashlib.sha256(json.dumps([method, path, params], sort_keys=True).encode()).hexdigest()


def check_key(key: str) -> None:
    if len(key) > KEY_LENGTH_MAX:
        raise InvalidRequest(f"Idempotency keys can be {KEY_LENGTH_MAX} characters long at most.")


class Keys:
    """The kept answers, and the keys of requests now running (those die with the process, having done nothing)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: dict[str, str] = {}

    def recall(self, key: str, print_: str, now: int) -> KeptAnswer | None:
        """The kept answer; None when this is a new request. Raises IdempotencyConflict."""
        row = self._store.connection.execute(_FIND, (key,)).fetchone()
        kept = KeptAnswer(*row) if row else None
        if kept and kept.created <= now - KEPT_SECONDS:
            kept = None
        known = self._running.get(key) or (kept.fingerprint if kept else print_)
        if known != print_:
            raise IdempotencyConflict(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request."
            )
        if key in self._running:
            raise IdempotencyConflict(
                "There is currently another in-progress request using this Idempotent Key (that probably means you "
                "submitted twice, and the other request is still going through): "
                f"{key}. Please try again later.",
                status=409,
                code="idempotency_key_in_use",
            )
        return kept

    def begin(self, key: str, print_: str) -> None:
        self._running[key] = print_

    def end(self, key: str) -> None:
        self._running.pop(key, None)

    def keep(self, key: str, answer: KeptAnswer) -> None:
        """In the transaction of what the request did."""
        row = (key, answer.fingerprint, answer.request_id, answer.status, answer.body, answer.created)
        self._store.connection.execute(_KEEP, row)

    def forget(self, key: str | None = None) -> int:
        """As if 24 hours had passed, for one key or for all; the number forgotten."""
        return self._store.connection.execute(_FORGET, (key,)).rowcount


def is_kept(status: int) -> bool:
    return status < 300 or status == 402 or status >= 500
