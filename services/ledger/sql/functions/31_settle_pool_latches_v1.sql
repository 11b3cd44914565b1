-- To be called after minutes moved: says included_minutes_low when 90 % of a period's included minutes are used
-- (contract §7), once per period whatever is corrected afterwards, and settles the clients' campaigns.
-- Accounts without minute pools are passed over. Locks: none of its own; the caller holds the accounts' rows.
CREATE OR REPLACE FUNCTION ledger.settle_pool_latches_v1(p_account_ids text[], p_now timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    low_ids text[];
    low_data jsonb[];
BEGIN
    WITH crossed AS (
        UPDATE ledger.pools SET is_nearly_used = true
        WHERE account_id = ANY (p_account_ids) AND subscription_id IS NOT NULL AND NOT is_nearly_used
          AND included_granted_ms > 0 AND included_ms * 10 <= included_granted_ms
        RETURNING pools.*
    )
    SELECT array_agg(account_id), array_agg(jsonb_build_object(
               'subscription_id', subscription_id,
               'included_seconds', included_granted_ms / 1000,
               'used_seconds', (included_granted_ms - included_ms) / 1000,
               'percent', (included_granted_ms - included_ms) * 100 / included_granted_ms,
               'period_start', ledger.rfc3339(period_start)))
    INTO low_ids, low_data FROM crossed;
    IF low_ids IS NOT NULL THEN
        PERFORM ledger.append_events_v1(
            low_ids, array_fill('included_minutes_low'::text, ARRAY[cardinality(low_ids)]), low_data, p_now);
    END IF;
    PERFORM ledger.settle_campaigns_v1(p_account_ids, p_now);
END $$;
