-- End these accounts' plans at once: they are ordinary wallet accounts again, their minute wallets stay. Usage that
-- ended before and is told later is still counted in minutes.
-- Leaves news. set_access_v1 comes last in the caller's transaction: it settles the campaigns.
-- Locks: accounts in the order of account_id (nothing to do if the caller holds them already).
CREATE OR REPLACE FUNCTION ledger.stop_plans_v1(p_account_ids text[], p_now timestamptz)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    PERFORM FROM accounts WHERE account_id = ANY (p_account_ids) ORDER BY account_id FOR UPDATE;
    PERFORM close_pools_v1(p_account_ids, p_now);
    UPDATE plan_windows SET stopped_at = greatest(counts_from, p_now)
    WHERE account_id = ANY (p_account_ids) AND stopped_at IS NULL;
    UPDATE pools SET
        subscription_id = NULL, period_start = NULL, period_end = NULL, rate_micros_per_minute = NULL, chat_ms = NULL,
        counts_from = NULL, wallet_used_ms = 0
    WHERE account_id = ANY (p_account_ids);
    PERFORM note_changes_v1(p_account_ids, p_now);
END $$;
