-- name: refunded_of
-- Refunds are numbered from 1 on without a gap (16_refund_debit_v1.sql), so one that is not there ends the search.
WITH RECURSIVE refunds AS (
    SELECT 1 AS place, amount_micros FROM ledger.transfers WHERE origin = 'refund:' || $1::bigint || ':1'
    UNION ALL
    SELECT place + 1, transfers.amount_micros
    FROM refunds JOIN ledger.transfers ON origin = 'refund:' || $1::bigint || ':' || place + 1
)
SELECT coalesce(sum(amount_micros), 0)::bigint FROM refunds
