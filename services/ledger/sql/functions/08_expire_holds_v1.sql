-- Free the money of holds past their time, whoever's they are.
-- Looks at no more than p_limit of them; returns the accounts of which hold_expired events are now due.
-- Locks: accounts in the order of account_id, then their holds.
CREATE OR REPLACE FUNCTION ledger.expire_holds_v1(p_now timestamptz, p_limit integer)
RETURNS SETOF text LANGUAGE sql AS $$
    SELECT * FROM ledger.free_expired_holds_v1(
        ARRAY(
            SELECT account_id FROM ledger.holds WHERE state = 'open' AND expires_at <= p_now
            ORDER BY expires_at LIMIT p_limit),
        p_now);
$$;
