"""Sign-in by link: made by the platform, used once, turned into a cookie. No passwords of ours."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from services.portal.store import QUERIES
from shared.access import secret_hash
from shared.ids import new_id

PAGE_KEY_PREFIX = "rf_page_"


@dataclass(frozen=True, slots=True)
class Link:
    """Shown once; good for one entry until it expires."""

    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Entered:
    """A cookie's value, and what it is for."""

    cookie: str
    kind: str
    account_id: str | None


async def open_session(
    pool: asyncpg.Pool, *, account_id: str | None, operator: str | None, link_seconds: int, now: datetime
) -> Link:
    """A link for an account's page, or for an operator."""
    link = Link(secrets.token_urlsafe(32), now + timedelta(seconds=link_seconds))
    await pool.execute(
        QUERIES.open_session,
        new_id("psn", now),
        "ops" if account_id is None else "account",
        account_id,
        operator,
        secret_hash(link.token),
        link.expires_at,
        now,
    )
    return link


async def enter(pool: asyncpg.Pool, token: str, *, session_seconds: int, now: datetime) -> Entered | None:
    """Use a link up; None when it is unknown, used or expired. The cookie is new, so none can be planted before."""
    cookie, salt = secrets.token_urlsafe(32), secrets.token_bytes(32)
    row = await pool.fetchrow(
        QUERIES.enter,
        secret_hash(token),
        secret_hash(cookie),
        salt,
        secret_hash(_page_key(cookie, salt)),
        secrets.token_urlsafe(24),
        now + timedelta(seconds=session_seconds),
        now,
    )
    return None if row is None else Entered(cookie, row["kind"], row["account_id"])


async def leave(pool: asyncpg.Pool, cookie: str) -> None:
    """Sign out: the cookie is worth nothing from now on."""
    await pool.execute(QUERIES.leave, secret_hash(cookie))


async def page_key(pool: asyncpg.Pool, cookie: str) -> str:
    """The key our pages ask the API with for this browser. It needs the cookie, which only the browser keeps, and
    the salt, which only we have: the browser can't make it, and our database alone can't either."""
    return _page_key(cookie, await pool.fetchval(QUERIES.page_salt, secret_hash(cookie)))


def _page_key(cookie: str, salt: bytes) -> str:
    return PAGE_KEY_PREFIX + hmac.digest(salt, cookie.encode(), "sha256").hex()
