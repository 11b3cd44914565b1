-- Lock these accounts and read what their running plans have accrued: whoever closes a period decides on this.
-- One row per account that exists, in no order. Locks first, reads second: accounts in the order of account_id.
CREATE OR REPLACE FUNCTION ledger.lock_plans_v1(p_account_ids text[])
RETURNS TABLE (account_id text, subscription_id text, billable_ms bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM accounts WHERE account_id = ANY (p_account_ids) ORDER BY account_id FOR UPDATE;
    RETURN QUERY
    SELECT accounts.account_id, pools.subscription_id, coalesce(pools.billable_ms, 0)
    FROM accounts LEFT JOIN pools USING (account_id)
    WHERE account_id = ANY (p_account_ids);
END $$;
