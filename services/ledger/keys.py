"""API keys: made, listed, revoked. Only a hash is stored; a key is shown once (contract §0, Auth)."""

import base64
import hashlib
import hmac
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.access import secret_hash
from shared.clock import rfc3339
from shared.ids import new_id
from shared.postgres.pool import Connection
from shared.postgres.queries import Queries

PREFIX = "rf_"
HINT_LENGTH = 4
CONFIGURED = "configured platform key"
"""Name of the platform key that the settings give."""
REPLACED = "replaced platform key"
"""Name of one that they gave before."""

_SQL = Queries.load(Path(__file__).parent / "queries" / "keys.sql")


def new_salt() -> str:
    """What makes a new key one of its kind: 256 random bits."""
    return os.urandom(32).hex()


def secret_from(maker_secret: str, salt: str) -> str:
    """A new key's secret, 192 bits: made from the salt and the key of whoever asked for it.

    A request repeated under the same Idempotency-Key is answered with the same secret, though neither the secret
    nor anything that gives it away by itself is stored.
    """
    digest = hmac.new(maker_secret.encode(), bytes.fromhex(salt), hashlib.sha256).digest()
    return PREFIX + base64.urlsafe_b64encode(digest[:24]).decode()


async def add_account_key(
    connection: Connection, account_id: str, secret: str, *, name: str | None, now: datetime
) -> dict[str, Any]:
    """Store a key of the account; returns it as it is listed."""
    key_id = new_id("key", now)
    await connection.execute(
        _SQL.add_key, key_id, account_id, "account", secret_hash(secret), secret[-HINT_LENGTH:], name, now
    )
    return _key_json(key_id=key_id, hint=secret[-HINT_LENGTH:], name=name, created_at=now, revoked_at=None)


async def ensure_platform_key(connection: Connection, secret: str, *, now: datetime) -> None:
    """Make the platform key of the settings the only one that came from them: another that did ends with this start.

    One that was replaced and is configured again is good again; one that was revoked by hand stays revoked.
    """
    secret_digest = secret_hash(secret)
    await connection.execute(_SQL.replace_configured_keys, secret_digest, CONFIGURED, REPLACED, now)
    await connection.execute(
        _SQL.configure_key, new_id("key", now), secret_digest, secret[-HINT_LENGTH:], CONFIGURED, REPLACED, now
    )


async def list_keys(connection: Connection, account_id: str, *, limit: int, offset: int) -> dict[str, Any]:
    """A page of the account's keys, revoked ones as well, newest first."""
    rows = await connection.fetch(_SQL.keys, account_id, limit, offset)
    total = await connection.fetchval(_SQL.count_keys, account_id)
    return {"data": [_key_json(**dict(row)) for row in rows], "total": total, "limit": limit, "offset": offset}


async def revoke_key(connection: Connection, account_id: str, key_id: str, *, now: datetime) -> bool:
    """End a key; False when the account has none of that id. Again does nothing."""
    return bool(await connection.fetchval(_SQL.revoke_key, account_id, key_id, now))


def _key_json(
    *, key_id: str, hint: str, name: str | None, created_at: datetime, revoked_at: datetime | None
) -> dict[str, Any]:
    return {
        "id": key_id,
        "name": name,
        "hint": f"…{hint}",
        "created_at": rfc3339(created_at),
        "revoked_at": None if revoked_at is None else rfc3339(revoked_at),
    }
