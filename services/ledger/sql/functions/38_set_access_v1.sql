-- Set why an agency's billing refuses these accounts; a refusal of null lets them in. The gate reads it under the
-- account's lock, so it holds from the caller's commit on. Settles the campaigns, also where nothing else changed.
-- Locks: accounts in the order of account_id (nothing to do if the caller holds them already).
CREATE OR REPLACE FUNCTION ledger.set_access_v1(p_account_ids text[], p_refusals text[], p_now timestamptz)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    PERFORM FROM accounts WHERE account_id = ANY (p_account_ids) ORDER BY account_id FOR UPDATE;
    UPDATE accounts SET access_refusal = wanted.refusal, version = version + 1
    FROM unnest(p_account_ids, p_refusals) AS wanted (account_id, refusal)
    WHERE accounts.account_id = wanted.account_id AND access_refusal IS DISTINCT FROM wanted.refusal;
    PERFORM settle_campaigns_v1(p_account_ids, p_now);
END $$;

-- Shut a client out or let it in again; the gate says account_disabled. Returns whether anything changed.
-- Leaves news and settles the campaigns. Locks: the account's row.
CREATE OR REPLACE FUNCTION ledger.set_disabled_v1(p_account_id text, p_is_disabled boolean, p_now timestamptz)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    UPDATE accounts SET disabled = p_is_disabled WHERE account_id = p_account_id AND disabled <> p_is_disabled;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM note_changes_v1(ARRAY[p_account_id], p_now);
    PERFORM settle_campaigns_v1(ARRAY[p_account_id], p_now);
    RETURN true;
END $$;
