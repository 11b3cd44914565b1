-- Free the money of holds past their time; they show as orphaned until usage comes, and late usage still charges.
-- Looks at no more than p_limit of them; returns the accounts of which hold_expired events are now due.
-- Locks: accounts in the order of account_id, then their holds.
CREATE OR REPLACE FUNCTION ledger.expire_holds_v1(p_now timestamptz, p_limit integer)
RETURNS SETOF text LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    due text[] := ARRAY(
        SELECT account_id FROM ledger.holds WHERE state = 'open' AND expires_at <= p_now
        ORDER BY expires_at LIMIT p_limit);
    expired_ids text[];
    expired_data jsonb[];
BEGIN
    PERFORM FROM ledger.accounts WHERE account_id = ANY (due) ORDER BY account_id FOR UPDATE;
    WITH expired AS (
        UPDATE ledger.holds SET state = 'orphaned', closed_at = p_now
        WHERE state = 'open' AND expires_at <= p_now AND account_id = ANY (due)
        RETURNING holds.*
    ), per_account AS (
        SELECT account_id, sum(amount_micros) AS held, sum(pool_ms) AS pool_held,
               count(*) FILTER (WHERE kind = 'call') AS calls
        FROM expired GROUP BY account_id
    ), freed AS (
        UPDATE ledger.accounts SET held_micros = held_micros - held, open_call_holds = open_call_holds - calls
        FROM per_account WHERE accounts.account_id = per_account.account_id
    ), pooled AS (
        UPDATE ledger.pools SET held_ms = held_ms - pool_held
        FROM per_account WHERE pools.account_id = per_account.account_id AND pool_held <> 0
    )
    SELECT array_agg(account_id), array_agg(jsonb_build_object(
               'hold_id', hold_id, 'kind', kind, 'id', ref_id, 'held_cents', ledger.ceil_cents(amount_micros),
               'held_usd', ledger.usd_text(ledger.ceil_cents(amount_micros)), 'granted', granted,
               'expires_at', ledger.rfc3339(expires_at)))
    INTO expired_ids, expired_data FROM expired;
    IF expired_ids IS NOT NULL THEN
        PERFORM ledger.append_events_v1(
            expired_ids, array_fill('hold_expired'::text, ARRAY[cardinality(expired_ids)]), expired_data, p_now);
    END IF;
    RETURN QUERY SELECT DISTINCT unnest(expired_ids);
END $$;
