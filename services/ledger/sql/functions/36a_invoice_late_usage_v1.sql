-- Take over what these stopped plans have accrued of usage told after their stop: from now on it is the caller's to
-- ask for, in the same commit. Returns only those with something to ask for; called again it finds nothing.
-- Locks: accounts in the order of account_id.
CREATE OR REPLACE FUNCTION ledger.invoice_late_usage_v1(p_subscription_ids text[], p_now timestamptz)
RETURNS TABLE (subscription_id text, late_ms bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
#variable_conflict use_column
DECLARE
    ours text[];
    invoiced text[];
    amounts bigint[];
BEGIN
    ours := ARRAY(SELECT account_id FROM plan_windows WHERE subscription_id = ANY (p_subscription_ids));
    PERFORM FROM accounts WHERE account_id = ANY (ours) ORDER BY account_id FOR UPDATE;
    SELECT array_agg(subscription_id), array_agg(late_ms) INTO invoiced, amounts
    FROM plan_windows WHERE subscription_id = ANY (p_subscription_ids) AND late_ms > 0;
    INSERT INTO pool_transfers (account_id, seq, pool, amount_ms, balance_after_ms, reason, created_at)
    SELECT account_id, entry_count + row_number() OVER chain, 'late', -w.late_ms,
           pools.late_ms - sum(w.late_ms) OVER chain, 'invoiced', p_now
    FROM plan_windows AS w JOIN pools USING (account_id)
    WHERE w.subscription_id = ANY (invoiced)
    WINDOW chain AS (PARTITION BY account_id ORDER BY w.subscription_id);
    UPDATE pools SET late_ms = pools.late_ms - taken.ms, entry_count = entry_count + taken.entries
    FROM (SELECT account_id, sum(late_ms) AS ms, count(*) AS entries FROM plan_windows
          WHERE subscription_id = ANY (invoiced) GROUP BY account_id) AS taken
    WHERE pools.account_id = taken.account_id;
    UPDATE plan_windows SET late_ms = 0 WHERE subscription_id = ANY (invoiced);
    RETURN QUERY SELECT * FROM unnest(invoiced, amounts);
END $$;

-- Stopped plans with usage that was told late and is not asked for yet.
CREATE OR REPLACE VIEW ledger.late_usage_v1 AS
SELECT subscription_id, late_ms FROM ledger.plan_windows WHERE late_ms > 0;
