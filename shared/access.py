"""Who asks: API keys to principals, and which account a request is about (contract §0, Auth)."""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from shared.contracts.fields_v1 import is_caller_id
from shared.http_errors import ApiError, forbidden, not_found, unauthorized

Kind = Literal["platform", "account", "agency"]


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a key. `account_id` is None for a platform key."""

    kind: Kind
    account_id: str | None
    key_id: str


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose account it is."""

    account_id: str
    parent_id: str | None


FindKey = Callable[[bytes], Awaitable[Principal | None]]
FindTenant = Callable[[str], Awaitable[Tenant | None]]


def secret_hash(secret: str) -> bytes:
    """What is stored of a key. Keys have 192 random bits, so a plain SHA-256 can't be turned back."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def secret_of(authorization: str | None) -> str:
    """The key in an Authorization header: Bearer, or Basic with any user and the key as password."""
    scheme, _, credentials = (authorization or "").partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == "bearer" and credentials:
        return credentials
    if scheme.lower() == "basic":
        try:
            secret = base64.b64decode(credentials, validate=True).decode().partition(":")[2]
        except ValueError:  # not ASCII, not base64, not UTF-8
            raise unauthorized() from None
        if secret:
            return secret
    raise unauthorized()


class Access:
    """Looks keys up by hash and remembers the answer for a few seconds, so a revoked key ends within them."""

    def __init__(
        self,
        find_key: FindKey,
        find_tenant: FindTenant,
        *,
        cache_seconds: float,
        cache_size_max: int = 10_000,
    ) -> None:
        self._find_key = find_key
        self._find_tenant = find_tenant
        self._cache_seconds = cache_seconds
        self._cache_size_max = cache_size_max
        self._known: dict[str, tuple[Principal, float]] = {}
        self._lent_by_us = f"Bearer lent-{secrets.token_urlsafe(32)}:"

    def remembered(self, authorization: str) -> Principal | None:
        """The principal if it was looked up in the last seconds; no wait, for the hot path."""
        known = self._known.get(authorization)
        return known[0] if known is not None and known[1] > time.monotonic() else None

    def lend(self, principal: Principal) -> str:
        """An Authorization for a principal found by other means than a key; good in this process only."""
        return f"{self._lent_by_us}{principal.kind}:{principal.key_id}:{principal.account_id}"

    def _lent(self, authorization: str) -> Principal | None:
        prefix = authorization[: len(self._lent_by_us)].encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(prefix, self._lent_by_us.encode()):
            return None
        kind, key_id, account_id = authorization[len(self._lent_by_us) :].split(":", 2)
        return Principal("agency" if kind == "agency" else "account", account_id, key_id)

    async def principal(self, authorization: str | None) -> Principal:
        """Who holds the key; raises 401."""
        lent = self._lent(authorization or "")
        if lent is not None:
            return lent
        known = self.remembered(authorization or "")
        if known is not None:
            return known
        found = await self._find_key(secret_hash(secret_of(authorization)))
        if found is None:
            raise unauthorized()
        if len(self._known) >= self._cache_size_max:
            self._known.clear()
        self._known[authorization or ""] = (found, time.monotonic() + self._cache_seconds)
        return found

    async def platform(self, authorization: str | None) -> Principal:
        """A platform key; raises 401 or 403."""
        principal = await self.principal(authorization)
        if principal.kind != "platform":
            raise forbidden()
        return principal

    async def account_id(self, principal: Principal, named: str | None) -> str:
        """The account a request to §5, §6 or events is about; `named` is the header Ringfence-Account.

        Raises 422 `account_required` and 404 for an account that is not there or not the principal's.
        """
        if named is None:
            if principal.kind == "account" and principal.account_id is not None:
                return principal.account_id
            raise ApiError(422, "account_required", "Name the account in the header Ringfence-Account.")
        await self.require_reach(principal, named)
        return named

    async def require_reach(self, principal: Principal, account_id: str) -> None:
        """Raise 404 unless the account exists and the principal may act on it."""
        if not is_caller_id(account_id):
            raise not_found("account")
        if principal.kind != "platform" and principal.account_id == account_id:
            return
        tenant = await self._find_tenant(account_id) if principal.kind != "account" else None
        if tenant is None or (principal.kind == "agency" and tenant.parent_id != principal.account_id):
            raise not_found("account")
