"""Post transfers that are not usage: fees, reversals, corrections. One statement, whatever their number."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.ledger.store import QUERIES
from shared.postgres.pool import Connection


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer to post. `amount_micros` is the signed effect on the wallet; `origin` moves money once for ever."""

    account_id: str
    kind: str
    reason: str
    amount_micros: int
    counter_account: str
    description: str
    reference_type: str
    reference_id: str
    origin: str | None = None
    number_id: str | None = None
    number_value: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


async def post_transfers(
    connection: Connection, transfers: Sequence[Transfer], now: datetime, *, settled: Sequence[tuple[str, str]] = ()
) -> list[int]:
    """Post them in this order; returns their ids. `settled`: (account, id of the call or message) for the news."""
    ids: list[int] = await connection.fetchval(
        QUERIES.post_transfers,
        [transfer.account_id for transfer in transfers],
        [transfer.kind for transfer in transfers],
        [transfer.reason for transfer in transfers],
        [transfer.amount_micros for transfer in transfers],
        [transfer.counter_account for transfer in transfers],
        [transfer.origin for transfer in transfers],
        [transfer.description for transfer in transfers],
        [transfer.reference_type for transfer in transfers],
        [transfer.reference_id for transfer in transfers],
        [transfer.number_id for transfer in transfers],
        [transfer.number_value for transfer in transfers],
        [transfer.metadata for transfer in transfers],
        [account_id for account_id, _ in settled],
        [ref_id for _, ref_id in settled],
        now,
    )
    return ids
