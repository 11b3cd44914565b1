"""pgledger, public SQL: `git clone https://github.com/pgr0ss/pgledger .ringfence/peers/pgledger`.

Driven by pgbench, so that no client's language is part of it, with a revenue account for every customer, so that
only the customer's row is hot.
"""

import asyncpg

from benchmarks.peers.places import PEERS
from benchmarks.pgbench import Pgbench
from benchmarks.stage import Stage

HOME = PEERS / "pgledger"
FILES = (
    "vendor/scoville-pgsql-ulid/ulid-to-uuid.sql",
    "vendor/scoville-pgsql-ulid/uuid-to-ulid.sql",
    "pgledger.sql",
)
PER_CALL = 100
OPEN_ACCOUNTS = """
INSERT INTO pgledger_accounts (
    id, name, currency, allow_negative_balance, allow_positive_balance, created_at, updated_at)
SELECT kind || number, kind || number, 'USD', true, true, now(), now()
FROM unnest(ARRAY['customer_', 'revenue_']) AS kind, generate_series(1, $1::integer) AS number
"""
DEBIT = """\\set customer random(1, :customers)
\\set revenue random(1, :accounts)
SELECT id FROM pgledger_create_transfer('customer_' || :customer::integer, 'revenue_' || :revenue::integer, 0.01);
"""
DEBITS = """SELECT count(*) FROM pgledger_create_transfers((
    SELECT array_agg(ROW('customer_' || 1 + floor(random() * :accounts)::integer,
        'revenue_' || 1 + floor(random() * :accounts)::integer, 0.01)::transfer_request)
    FROM generate_series(1, :per_call)));
"""


def is_there() -> bool:
    return all((HOME / name).exists() for name in FILES)


class Pgledger:
    """Its books in a database of their own."""

    def __init__(self, pgbench: Pgbench, accounts: int) -> None:
        self._pgbench = pgbench
        self._accounts = accounts

    @classmethod
    async def prepare(cls, stage: Stage, accounts: int) -> "Pgledger":
        url = await stage.database("bench_pgledger")
        owner = await asyncpg.connect(url)
        try:
            for name in FILES:
                await owner.execute((HOME / name).read_text(encoding="utf-8"))
            await owner.execute(OPEN_ACCOUNTS, accounts)
            await owner.execute("VACUUM (ANALYZE) pgledger_accounts")
        finally:
            await owner.close()
        return cls(Pgbench(url, stage.servers.folder), accounts)

    async def debits(self, customers: int, seconds: int) -> float:
        """Debits per second, one a transaction."""
        return await self._pgbench.script("pgledger", DEBIT, seconds, customers=customers, accounts=self._accounts)

    async def debits_by_the_hundred(self, seconds: int) -> float:
        """Debits per second, a hundred a transaction, spread."""
        calls = await self._pgbench.script("pgledger_many", DEBITS, seconds, accounts=self._accounts, per_call=PER_CALL)
        return calls * PER_CALL
