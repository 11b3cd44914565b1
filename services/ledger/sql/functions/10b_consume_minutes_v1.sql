-- Take minutes out of pools (positive ms; billable grows) or give them back (negative ms), one entry per row.
-- Locks: accounts in the order of account_id, held by the caller; then their pools.
CREATE OR REPLACE FUNCTION ledger.consume_minutes_v1(
    p_account_ids text[], p_pools text[], p_amounts_ms bigint[], p_reason text, p_transfer_ids bigint[],
    p_now timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger.pool_transfers (
        account_id, seq, pool, amount_ms, balance_after_ms, reason, transfer_id, created_at)
    SELECT used.account_id, pools.entry_count + row_number() OVER (PARTITION BY used.account_id ORDER BY ordinal),
           used.pool, used.effect_ms,
           CASE used.pool WHEN 'included' THEN pools.included_ms WHEN 'wallet' THEN pools.wallet_ms
               ELSE pools.billable_ms END
           + sum(used.effect_ms) OVER (PARTITION BY used.account_id, used.pool ORDER BY ordinal),
           p_reason, used.transfer_id, p_now
    FROM (
        SELECT account_id, pool, CASE pool WHEN 'billable' THEN amount_ms ELSE -amount_ms END AS effect_ms,
               transfer_id, ordinal
        FROM unnest(p_account_ids, p_pools, p_amounts_ms, p_transfer_ids)
             WITH ORDINALITY AS asked (account_id, pool, amount_ms, transfer_id, ordinal)
    ) AS used
    JOIN ledger.pools USING (account_id);
    UPDATE ledger.pools SET
        included_ms = included_ms - used.included,
        wallet_ms = wallet_ms - used.wallet,
        billable_ms = billable_ms + used.billable,
        entry_count = entry_count + used.entries
    FROM (
        SELECT account_id, count(*) AS entries,
               coalesce(sum(amount_ms) FILTER (WHERE pool = 'included'), 0) AS included,
               coalesce(sum(amount_ms) FILTER (WHERE pool = 'wallet'), 0) AS wallet,
               coalesce(sum(amount_ms) FILTER (WHERE pool = 'billable'), 0) AS billable
        FROM unnest(p_account_ids, p_pools, p_amounts_ms) AS asked (account_id, pool, amount_ms)
        GROUP BY account_id
    ) AS used
    WHERE pools.account_id = used.account_id;
    PERFORM ledger.settle_pool_latches_v1(p_account_ids, p_now);
END $$;
