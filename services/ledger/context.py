"""What the ledger's routes, consumers and jobs share."""

from dataclasses import dataclass

import asyncpg

from services.ledger.settings import LedgerSettings
from shared.price_books import PriceBooks
from shared.service import Host


@dataclass(frozen=True)
class LedgerContext:
    """The opened ledger: its pool acts as the role ledger."""

    host: Host
    pool: asyncpg.Pool
    prices: PriceBooks
    settings: LedgerSettings
