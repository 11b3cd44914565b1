-- Put minutes into an account's minute wallet, which never expires. The origin names the cause and grants once for
-- ever: again it changes nothing and returns false. Raises foreign_key_violation for an account that does not exist.
-- Leaves news and settles the campaigns. Locks: the account's row.
CREATE OR REPLACE FUNCTION ledger.grant_minutes_v1(p_account_id text, p_ms bigint, p_origin text, p_now timestamptz)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    PERFORM FROM accounts WHERE account_id = p_account_id FOR UPDATE;
    IF EXISTS (SELECT FROM pool_transfers WHERE origin = p_origin) THEN
        RETURN false;
    END IF;
    INSERT INTO pools (account_id) VALUES (p_account_id) ON CONFLICT DO NOTHING;
    UPDATE pools SET wallet_ms = wallet_ms + p_ms, entry_count = entry_count + 1 WHERE account_id = p_account_id;
    INSERT INTO pool_transfers (account_id, seq, pool, amount_ms, balance_after_ms, reason, origin, created_at)
    SELECT account_id, entry_count, 'wallet', p_ms, wallet_ms, 'granted', p_origin, p_now
    FROM pools WHERE account_id = p_account_id;
    PERFORM note_changes_v1(ARRAY[p_account_id], p_now);
    PERFORM settle_campaigns_v1(ARRAY[p_account_id], p_now);
    RETURN true;
END $$;
