-- These accounts' minutes or terms have changed: their version rises and news waits to be announced.
-- Locks: none of its own; the caller holds the accounts' rows.
CREATE OR REPLACE FUNCTION ledger.note_changes_v1(p_account_ids text[], p_now timestamptz)
RETURNS void LANGUAGE sql AS $$
    UPDATE ledger.accounts SET version = version + 1 WHERE account_id = ANY (p_account_ids);
    INSERT INTO ledger.news (account_id, settled, created_at)
    SELECT DISTINCT account_id, '{}'::text[], p_now FROM unnest(p_account_ids) AS changed (account_id);
$$;
