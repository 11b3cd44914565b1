-- These accounts' periods have no end of their own any more: a blocked subscription does not renew, and what its
-- calls in progress still use counts in the period that is open until it is canceled. (The end of time is a finite
-- one: clients read infinity as a time without a zone.)
-- Locks: accounts in the order of account_id (nothing to do if the caller holds them already).
CREATE OR REPLACE FUNCTION ledger.hold_periods_open_v1(p_account_ids text[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    PERFORM FROM accounts WHERE account_id = ANY (p_account_ids) ORDER BY account_id FOR UPDATE;
    UPDATE pools SET period_end = '9999-12-31Z' WHERE account_id = ANY (p_account_ids) AND subscription_id IS NOT NULL;
END $$;
