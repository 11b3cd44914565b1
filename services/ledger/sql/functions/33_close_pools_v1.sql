-- End the periods that are open: what is left of the included minutes expires (no carry-over), what was billable is
-- taken over by the caller's usage request. The minute wallet is not touched. For the doors below only.
-- Locks: none of its own; the caller holds the accounts' rows.
CREATE OR REPLACE FUNCTION ledger.close_pools_v1(p_account_ids text[], p_now timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger.pool_transfers (account_id, seq, pool, amount_ms, balance_after_ms, reason, created_at)
    SELECT account_id, entry_count + row_number() OVER (PARTITION BY account_id ORDER BY place), pool, -left_ms, 0,
           reason, p_now
    FROM ledger.pools,
         LATERAL (VALUES (1, 'included', included_ms, 'expired'),
                         (2, 'billable', billable_ms, 'invoiced')) AS ending (place, pool, left_ms, reason)
    WHERE account_id = ANY (p_account_ids) AND left_ms > 0;
    UPDATE ledger.pools SET
        entry_count = entry_count + (included_ms > 0)::integer + (billable_ms > 0)::integer,
        included_ms = 0, included_granted_ms = 0, billable_ms = 0, is_nearly_used = false
    WHERE account_id = ANY (p_account_ids);
END $$;
