-- Minutes of plans: which plan ran when, what is in the pools, and usage that waits for its period.

-- name: plans_then
SELECT ran.subscription_id, ran.chat_ms, ran.late_ms
FROM unnest($1::text[], $2::timestamptz[]) WITH ORDINALITY AS asked (account_id, at, place)
LEFT JOIN LATERAL (
    SELECT subscription_id, chat_ms, late_ms FROM ledger.plan_windows
    WHERE plan_windows.account_id = asked.account_id AND counts_from <= asked.at
      AND (stopped_at IS NULL OR stopped_at > asked.at)
    ORDER BY counts_from DESC LIMIT 1
) AS ran ON true
ORDER BY place;

-- name: consume_minutes
SELECT ledger.consume_minutes_v1($1, $2, $3, $4, $5, $6, $7);

-- name: moved_minutes_of
-- What transfers took from each pool, less what they gave back.
SELECT coalesce(sum(CASE WHEN pool IN ('billable', 'late') THEN amount_ms ELSE -amount_ms END), 0)::bigint
FROM ledger.pool_transfers WHERE account_id = $1 AND transfer_id = ANY ($2);

-- name: pools_of
SELECT subscription_id, counts_from, chat_ms, included_granted_ms - included_ms AS included_used_ms, included_ms,
       wallet_ms, wallet_used_ms, billable_ms
FROM ledger.pools WHERE account_id = $1;

-- name: take_up_waiting_usage
DELETE FROM ledger.usage_events AS waiting
WHERE (account_id, source, event_id) IN (
    SELECT each.account_id, each.source, each.event_id
    FROM ledger.usage_events AS each LEFT JOIN ledger.pools USING (account_id)
    WHERE each.state = 'waiting' AND each.refers_to_id IS NULL
      AND (pools.subscription_id IS NULL OR each.occurred_at < pools.period_end)
    ORDER BY each.received_at LIMIT $1
    FOR UPDATE OF each SKIP LOCKED)
RETURNING waiting.*;

-- name: put_back_waiting_usage
INSERT INTO ledger.usage_events (
    account_id, source, event_id, type, ref_id, content_hash, state, occurred_at, stated_at, received_at, data,
    is_accepted_twin)
VALUES ($1, $2, $3, $4, $5, $6, 'waiting', $7, $8, $9, $10, $11);
