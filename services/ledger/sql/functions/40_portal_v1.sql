-- The portal's doors: what it streams and shows. Reading only.

-- An account's outward events, by number.
CREATE OR REPLACE VIEW ledger.events_v1 AS
SELECT account_id, seq, id, type, data, created_at FROM ledger.events;

-- The present state of a balance as an event would tell it, and the number of the last event before it.
CREATE OR REPLACE FUNCTION ledger.present_balance_v1(p_account_id text)
RETURNS TABLE (seq bigint, data jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT event_seq, balance_json(accounts) || '{"transactions": [], "settled": []}'
    FROM accounts WHERE account_id = p_account_id;
$$;
