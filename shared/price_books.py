"""Published price books and accounts' own prices, compiled and kept: what is published never changes.

What may change is which versions exist; the books' doors tell the newest version with every answer, so a reader
always knows whether it has them all.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import asyncpg

from shared.rating.book import Book, Overrides
from shared.rating.compiled import CompiledBook, compile_book

ACCOUNTS_KEPT_MAX = 20_000


@dataclass(frozen=True, slots=True)
class InForce:
    """The prices of one account at one instant. `version` is the book's, `own_version` that of its own prices."""

    version: int
    own_version: int | None
    book: CompiledBook


@dataclass(slots=True)
class _Timeline:
    """What was in force when: the greatest `effective_at` not after the instant, of equal ones the last version."""

    starts: list[datetime] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)

    def at(self, instant: datetime) -> int | None:
        place = bisect_right(self.starts, instant)
        return self.versions[place - 1] if place else None


@dataclass(slots=True)
class _AccountPrices:
    version: int
    timeline: _Timeline
    overrides: dict[int, Overrides]
    compiled: dict[tuple[int, int], CompiledBook] = field(default_factory=dict)


class Reads(Protocol):
    """What the books are read through: a pool, or whatever is more careful."""

    async def fetch(self, query: str, *args: Any) -> list[asyncpg.Record]: ...


class PriceBooks:
    """One per service; reads through the ledger's views, so any service's role may hold one."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._newest = 0
        self._timeline = _Timeline()
        self._books: dict[int, CompiledBook] = {}
        self._accounts: dict[str, _AccountPrices] = {}

    @property
    def newest_version(self) -> int:
        return self._newest

    def knows(self, account_id: str, prices_version: int, book_version: int) -> bool:
        """Whether everything up to these versions is here; no wait, for the hot path."""
        if book_version > self._newest:
            return False
        known = self._accounts.get(account_id)
        return prices_version == 0 or (known is not None and known.version >= prices_version)

    async def learn(self, account_ids: Iterable[str] = ()) -> None:
        """Read what is newer than what is here: the book, and these accounts' own prices."""
        await self._learn_books()
        wanted = list(account_ids)
        if wanted:
            await self._learn_accounts(wanted)

    def in_force(self, account_id: str, prices_version: int, at: datetime) -> InForce | None:
        """The prices of an account whose own prices are at `prices_version` (0: it has none)."""
        version = self._timeline.at(at)
        if version is None:
            return None
        known = self._accounts.get(account_id) if prices_version else None
        own = known.timeline.at(at) if known is not None else None
        return InForce(version, own, self.at_versions(account_id, version, own))

    def at_versions(self, account_id: str, version: int, own_version: int | None) -> CompiledBook:
        """A published book as it was for an account whose own prices had this version (None: it had none)."""
        if own_version is None:
            return self._books[version]
        known = self._accounts[account_id]
        compiled = known.compiled.get((version, own_version))
        if compiled is None:
            compiled = self._books[version].with_overrides(known.overrides[own_version])
            known.compiled[version, own_version] = compiled
        return compiled

    async def _learn_books(self) -> None:
        rows = await self._reads.fetch(
            "SELECT version, effective_at, book FROM ledger.price_books_v1 WHERE version > $1 ORDER BY version",
            self._newest,
        )
        if not rows:
            return
        for row in rows:
            self._books[row["version"]] = compile_book(Book.model_validate(row["book"]))
        every = [*zip(self._timeline.starts, self._timeline.versions, strict=True)]
        every += [(row["effective_at"], row["version"]) for row in rows]
        self._timeline = _timeline(every)
        self._newest = rows[-1]["version"]

    async def _learn_accounts(self, account_ids: list[str]) -> None:
        rows = await self._reads.fetch(
            "SELECT account_id, version, effective_at, items FROM ledger.account_prices_v1"
            " WHERE account_id = ANY($1) ORDER BY account_id, version",
            account_ids,
        )
        if len(self._accounts) + len(account_ids) > ACCOUNTS_KEPT_MAX:
            self._accounts.clear()
        grouped: dict[str, list[asyncpg.Record]] = {}
        for row in rows:
            grouped.setdefault(row["account_id"], []).append(row)
        for account_id, own in grouped.items():
            self._accounts[account_id] = _AccountPrices(
                version=own[-1]["version"],
                timeline=_timeline([(row["effective_at"], row["version"]) for row in own]),
                overrides={row["version"]: Overrides.model_validate({"items": row["items"]}) for row in own},
            )


def _timeline(every: list[tuple[datetime, int]]) -> _Timeline:
    every.sort()
    return _Timeline([start for start, _ in every], [version for _, version in every])
