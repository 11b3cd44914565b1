-- Take minutes out of pools (positive ms; billable and late grow) or give them back (negative ms), one entry per row.
-- p_subscription_ids: whose late usage it is, where the pool is `late`; of no matter elsewhere.
-- Locks: accounts in the order of account_id, held by the caller; then their pools and the windows of their plans.
CREATE OR REPLACE FUNCTION ledger.consume_minutes_v1(
    p_account_ids text[], p_pools text[], p_amounts_ms bigint[], p_subscription_ids text[], p_reason text,
    p_transfer_ids bigint[], p_now timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger.pool_transfers (
        account_id, seq, pool, amount_ms, balance_after_ms, reason, transfer_id, created_at)
    SELECT used.account_id, pools.entry_count + row_number() OVER (PARTITION BY used.account_id ORDER BY ordinal),
           used.pool, used.effect_ms,
           CASE used.pool WHEN 'included' THEN pools.included_ms WHEN 'wallet' THEN pools.wallet_ms
               WHEN 'billable' THEN pools.billable_ms ELSE pools.late_ms END
           + sum(used.effect_ms) OVER (PARTITION BY used.account_id, used.pool ORDER BY ordinal),
           p_reason, used.transfer_id, p_now
    FROM (
        SELECT account_id, pool, CASE WHEN pool IN ('billable', 'late') THEN amount_ms ELSE -amount_ms END AS effect_ms,
               transfer_id, ordinal
        FROM unnest(p_account_ids, p_pools, p_amounts_ms, p_transfer_ids)
             WITH ORDINALITY AS asked (account_id, pool, amount_ms, transfer_id, ordinal)
    ) AS used
    JOIN ledger.pools USING (account_id);
    UPDATE ledger.pools SET
        included_ms = included_ms - used.included,
        wallet_ms = wallet_ms - used.wallet,
        wallet_used_ms = wallet_used_ms + used.wallet,
        billable_ms = billable_ms + used.billable,
        late_ms = late_ms + used.late,
        entry_count = entry_count + used.entries
    FROM (
        SELECT account_id, count(*) AS entries,
               coalesce(sum(amount_ms) FILTER (WHERE pool = 'included'), 0) AS included,
               coalesce(sum(amount_ms) FILTER (WHERE pool = 'wallet'), 0) AS wallet,
               coalesce(sum(amount_ms) FILTER (WHERE pool = 'billable'), 0) AS billable,
               coalesce(sum(amount_ms) FILTER (WHERE pool = 'late'), 0) AS late
        FROM unnest(p_account_ids, p_pools, p_amounts_ms) AS asked (account_id, pool, amount_ms)
        GROUP BY account_id
    ) AS used
    WHERE pools.account_id = used.account_id;
    UPDATE ledger.plan_windows SET late_ms = late_ms + told.ms
    FROM (
        SELECT subscription_id, sum(amount_ms) AS ms
        FROM unnest(p_pools, p_amounts_ms, p_subscription_ids) AS asked (pool, amount_ms, subscription_id)
        WHERE pool = 'late' GROUP BY subscription_id
    ) AS told
    WHERE plan_windows.subscription_id = told.subscription_id;
    PERFORM ledger.settle_pool_latches_v1(p_account_ids, p_now);
END $$;
